//! Laws that the networks obey, and parity with `transformers`.

use std::fs;

use burn::{Device, Tensor};
use quintet_nn::param::ParamCell;
use quintet_testing::{assert_close, difference, golden, noise, save, tensor};
use quintet_weights::Weights;

use crate::{
    Sam, SamConfig, load,
    network::{Decoded, Masks, PlacedPoint, PointKind},
    testing::{examples, random},
};

/// Three prompts of two points and a box.
fn prompts(config: &SamConfig) -> Vec<Vec<PlacedPoint>> {
    use PointKind::{Background, Foreground, LowerRight, Padding, UpperLeft};
    let side = config.image_size as f32;
    let prompt = |shift: f32| {
        let place = |x: f32, y: f32| [(x + shift) * side, (y + 0.5 * shift) * side];
        vec![
            (place(0.2, 0.5), Foreground),
            (place(0.6, 0.1), Background),
            (place(0.1, 0.2), UpperLeft),
            (place(0.5, 0.4), LowerRight),
            ([0.0; 2], Padding),
        ]
    };
    vec![prompt(0.0), prompt(0.13), prompt(0.31)]
}

fn pixels(config: &SamConfig, batch: usize) -> Tensor<4> {
    noise(1, [batch, 3, config.image_size, config.image_size])
}

fn masks(config: &SamConfig, count: usize) -> Tensor<3> {
    noise(2, [count, config.mask_size(), config.mask_size()])
}

/// What the prompts are answered, without masks and with them.
fn answers(sam: &Sam, pixels: Tensor<4>) -> [Decoded; 2] {
    let config = sam.config();
    let image = sam.share(sam.embed(pixels));
    let points = prompts(config);
    let masks = masks(config, points.len());
    [None, Some(masks)].map(|masks| sam.decode(&image, &points, masks, Masks::All))
}

#[test]
fn shapes_are_the_promised() {
    for config in examples() {
        let (sam, _) = random(&config);
        let (grid, side) = (config.grid(), config.mask_size());
        let embedding = sam.embed(pixels(&config, 2));
        assert_eq!(embedding.dims(), [2, grid * grid, config.width]);
        for Decoded { logits, scores } in answers(&sam, pixels(&config, 1)) {
            assert_eq!(logits.dims(), [3, 4, side, side]);
            assert_eq!(scores.dims(), [3, 4]);
        }
    }
}

#[test]
fn images_and_prompts_together_are_each_alone() {
    for config in examples() {
        let (sam, _) = random(&config);
        let images = pixels(&config, 2);
        let together = sam.embed(images.clone());
        for i in 0..2 {
            let alone = sam.embed(images.clone().narrow(0, i, 1));
            assert_close(alone, together.clone().narrow(0, i, 1), "image");
        }
        let image = sam.share(together.narrow(0, 0, 1));
        let points = prompts(&config);
        let masks = masks(&config, points.len());
        for masks in [None, Some(masks)] {
            let decode =
                |points: &[Vec<PlacedPoint>], masks| sam.decode(&image, points, masks, Masks::All);
            let together = decode(&points, masks.clone());
            for (i, prompt) in points.iter().enumerate() {
                let mask = masks.clone().map(|masks| masks.narrow(0, i, 1));
                let alone = decode(std::slice::from_ref(prompt), mask);
                assert_close(alone.logits, together.logits.clone().narrow(0, i, 1), "logits");
                assert_close(alone.scores, together.scores.clone().narrow(0, i, 1), "scores");
            }
        }
    }
}

#[test]
fn gradients_reach_every_parameter() {
    for config in examples() {
        let (sam, params) = random(&config);
        // Every other parameter is frozen, then the others; then none.
        for trained in [|i: usize| i.is_multiple_of(2), |i: usize| !i.is_multiple_of(2), |_| true] {
            let names: Vec<_> = params.iter().map(|cell| cell.name().to_owned()).collect();
            params.set_trainable(|name| trained(names.iter().position(|n| n == name).unwrap()));
            let sums = answers(&sam, pixels(&config, 1)).map(|Decoded { logits, scores }| {
                let logits = (logits.clone() * noise(7, logits.dims())).sum();
                logits + (scores.clone() * noise(8, scores.dims())).sum()
            });
            let [plain, masked] = sums;
            let mut grads = (plain + masked).backward();
            for (i, cell) in params.iter().enumerate() {
                match cell.take_grad(&mut grads) {
                    Some(grad) => {
                        assert!(trained(i), "'{}' is frozen", cell.name());
                        assert_gradient(cell, grad.abs().max().into_scalar());
                    }
                    // What is added to all keys alike is nothing to the softmax.
                    None if cell.name().ends_with("k_proj.bias") => {}
                    None => assert!(!trained(i), "'{}' got no gradient", cell.name()),
                }
            }
        }
    }
}

fn assert_gradient(cell: &ParamCell, largest: f32) {
    let name = cell.name();
    assert!(largest.is_finite(), "the gradient of '{name}' is {largest}");
    // Its gradient is rounding only.
    if !name.ends_with("k_proj.bias") {
        assert!(largest > 1e-6, "the gradient of '{name}' is {largest}");
    }
}

/// A saved model is in `segment-anything`'s layout, and is known by its tensors again.
#[test]
fn a_saved_model_is_the_same_when_loaded() {
    for config in examples() {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<SamConfig>(&text).unwrap(), config);
        let (sam, params) = random(&config);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        save(&params, &path);
        let (loaded, again) = load(&path, &Device::flex()).unwrap();
        assert_eq!(again.count(), params.count());
        if loaded.config().image_size != config.image_size {
            // No tensor of TinyViT tells its image's size; the rest must agree.
            let same = SamConfig { image_size: config.image_size, ..loaded.config().clone() };
            assert_eq!(same, config);
            continue;
        }
        assert_eq!(loaded.config(), &config);
        let [a, b] = [&sam, &loaded].map(|sam| answers(sam, pixels(&config, 1)));
        for (a, b) in a.into_iter().zip(b) {
            assert_eq!(difference(&a.logits, &b.logits), 0.0);
            assert_eq!(difference(&a.scores, &b.scores), 0.0);
        }
    }
}

/// One prompt of a golden file, as the networks take it.
fn golden_prompt(expected: &Weights, kind: &str) -> (Vec<Vec<PlacedPoint>>, Option<Tensor<3>>) {
    let read = |part: &str| {
        let name = format!("{kind}.{part}");
        expected.info(&name).map(|info| (info.shape[0], expected.f32(&name).unwrap()))
    };
    let (points, labels, boxes) = (read("points"), read("labels"), read("boxes"));
    let masks = read("masks").map(|_| tensor(expected, &format!("{kind}.masks")));
    let count = points.as_ref().or(boxes.as_ref()).map_or(1, |(count, _)| *count);
    let mut prompts = vec![Vec::new(); count];
    if let Some(((_, points), (_, labels))) = points.zip(labels) {
        let per_prompt = labels.len() / count;
        for (i, (place, label)) in points.as_chunks().0.iter().zip(labels).enumerate() {
            let kind = if label == 1.0 { PointKind::Foreground } else { PointKind::Background };
            prompts[i / per_prompt].push((*place, kind));
        }
        if boxes.is_none() {
            prompts.iter_mut().for_each(|prompt| prompt.push(([-0.5; 2], PointKind::Padding)));
        }
    }
    if let Some((_, boxes)) = boxes {
        for (prompt, [x1, y1, x2, y2]) in prompts.iter_mut().zip(boxes.as_chunks().0) {
            prompt.push(([*x1, *y1], PointKind::UpperLeft));
            prompt.push(([*x2, *y2], PointKind::LowerRight));
        }
    }
    (prompts, masks)
}

#[test]
fn models_agree_with_transformers() {
    let mut cases = 0;
    for entry in fs::read_dir(golden("sam")).unwrap() {
        let dir = entry.unwrap().path();
        if !dir.join("config.json").exists() {
            continue;
        }
        cases += 1;
        let case = dir.file_name().unwrap().to_string_lossy().into_owned();
        let (sam, _) = load(&dir, &Device::flex()).unwrap();
        let expected = Weights::open(&dir.join("expected.safetensors")).unwrap();
        let embedding = sam.embed(tensor(&expected, "pixels"));
        let theirs = tensor::<4>(&expected, "embedding").flatten::<3>(2, 3).swap_dims(1, 2);
        assert_close(embedding.clone(), theirs, &format!("{case}: embedding"));
        let image = sam.share(embedding);
        let kinds = ["point", "points", "box", "box_and_points", "mask", "mask_and_point"];
        for kind in kinds {
            let (points, masks) = golden_prompt(&expected, kind);
            let decoded = sam.decode(&image, &points, masks, Masks::All);
            let what = format!("{case}: {kind}");
            assert_close(decoded.logits, tensor(&expected, &format!("{kind}.logits")), &what);
            assert_close(decoded.scores, tensor(&expected, &format!("{kind}.scores")), &what);
        }
    }
    assert_eq!(cases, 2);
}
