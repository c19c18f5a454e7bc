//! MobileSAM against its authors' code, with the published weights (`golden/mobile_sam/make.py`).

use std::path::{Path, PathBuf};

use burn::{Device, Tensor, TensorData};
use image::RgbImage;
use quintet_sam::{Answer, Automatic, Masks, Point, Prompt, SamConfig, Segmenter};
use quintet_weights::Weights;
use serde_json::Value;

/// Embeddings are of the order of 0.1 and logits of 10; both implementations round differently in
/// some forty layers. Where a picture is larger than the encoder's, shrinking it may also round a
/// few samples the other way.
const EMBEDDING: f32 = 1e-4;
const LOGITS: f32 = 1e-2;
const SCORES: f32 = 1e-4;
/// Pixels by which the areas of two masks may differ, as a share of the picture's: those where the
/// logits are within rounding of 0.
const AREA: f32 = 1e-4;

fn golden() -> PathBuf {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden");
    std::env::var_os("QUINTET_GOLDEN").map_or(committed.into(), PathBuf::from).join("mobile_sam")
}

fn segmenter() -> Segmenter {
    let path = std::env::var_os("QUINTET_MOBILE_SAM").expect("QUINTET_MOBILE_SAM names the file");
    Segmenter::open(Path::new(&path), &Device::flex()).expect("the model")
}

fn picture(name: &str) -> RgbImage {
    let path = match name {
        "demo" => concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/demo.png").into(),
        name => golden().join(format!("{name}.png")),
    };
    image::open(path).expect("a picture").to_rgb8()
}

fn prompts([width, height]: [u32; 2]) -> [(&'static str, Prompt); 4] {
    let [width, height] = [width as f32, height as f32];
    let point = |x: f32, y: f32, inside| Point { x: x * width, y: y * height, inside };
    let points = vec![point(0.2, 0.45, true), point(0.65, 0.35, true), point(0.9, 0.9, false)];
    let bbox = Some([0.05 * width, 0.1 * height, 0.35 * width, 0.8 * height]);
    let outside = vec![points[2]];
    [
        ("point", Prompt::point(0.45 * width, 0.4 * height)),
        ("points", Prompt { points, ..Prompt::default() }),
        ("box", Prompt { bbox, ..Prompt::default() }),
        ("box_and_point", Prompt { points: outside, bbox, mask: None }),
    ]
}

/// Every `step`-th row and column.
fn sample(rows: Tensor<2>, [down, across]: [usize; 2]) -> Vec<f32> {
    let [_, width] = rows.dims();
    let values: Vec<f32> = rows.into_data().iter().collect();
    let rows = values.chunks_exact(width).step_by(down);
    rows.flat_map(|row| row.iter().step_by(across).copied()).collect()
}

fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
#[ignore = "needs the package; .ci/run pulls it and names the file in QUINTET_MOBILE_SAM"]
fn answers_are_the_references() {
    let segmenter = segmenter();
    assert_eq!(segmenter.sam().config(), &SamConfig::mobile());
    let expected = Weights::open(&golden().join("expected.safetensors")).expect("the golden file");
    let read = |name: String| expected.f32(&name).expect("a golden tensor");
    for name in ["demo", "discs", "waves"] {
        let image = picture(name);
        let seen = segmenter.set_image(&image).expect("an embedding");
        let embedding = sample(seen.embedding().clone().squeeze_dim(0), [31, 16]);
        let error = worst(&embedding, &read(format!("{name}.embedding")));
        eprintln!("{name}: embedding off by {error}");
        assert!(error < EMBEDDING, "{name}: embedding off by {error}");

        let compare = |kind: &str, prompt: &Prompt| -> Vec<Answer> {
            let ask = |masks| {
                let answers = seen.ask(std::slice::from_ref(prompt), masks).expect("an answer");
                answers.into_iter().next().expect("one answer")
            };
            let answers = [ask(Masks::Single), ask(Masks::Several)].concat();
            let what = format!("{name}.{kind}");
            let scores: Vec<f32> = answers.iter().map(|answer| answer.score).collect();
            let error = worst(&scores, &read(format!("{what}.scores")));
            assert!(error < SCORES, "{what}: scores off by {error}");
            let logits = answers.iter().flat_map(|answer| {
                let side = answer.logits.side;
                let data = TensorData::new(answer.logits.values.to_vec(), [side, side]);
                sample(Tensor::from_data(data, &Device::flex()), [16, 16])
            });
            let worst_logit = worst(&logits.collect::<Vec<_>>(), &read(format!("{what}.logits")));
            eprintln!("{what}: scores off by {error}, logits by {worst_logit}");
            assert!(worst_logit < LOGITS, "{what}: logits off by {worst_logit}");
            let area = |answer: &Answer| answer.mask.as_ref().map_or(0, |mask| mask.area()) as f32;
            let areas: Vec<f32> = answers.iter().map(area).collect();
            let error = worst(&areas, &read(format!("{what}.areas")));
            let allowed = AREA * image.width() as f32 * image.height() as f32;
            assert!(error <= allowed.ceil(), "{what}: {error} pixels differ");
            answers
        };
        for (kind, prompt) in prompts(seen.size()) {
            let answers = compare(kind, &prompt);
            if kind == "point" {
                let best = answers[1..].iter().max_by(|a, b| a.score.total_cmp(&b.score));
                let mask = best.map(|answer| answer.logits.clone());
                compare("mask_and_point", &Prompt { mask, ..prompt });
            }
        }
    }
}

#[test]
#[ignore = "needs the package; .ci/run pulls it and names the file in QUINTET_MOBILE_SAM"]
fn all_objects_are_the_references() {
    let segmenter = segmenter();
    let text = std::fs::read(golden().join("segments.json")).expect("segments.json");
    let golden: Value = serde_json::from_slice(&text).expect("JSON");
    let options = Automatic { points_per_side: 12, ..Automatic::default() };
    for (name, expected) in golden["segments"].as_object().expect("pictures") {
        let found = segmenter.segment_all(&picture(name), &options).expect("segments");
        let expected = expected.as_array().expect("a list");
        assert_eq!(found.len(), expected.len(), "{name}");
        // Two of almost the same score may have changed places.
        for theirs in expected {
            let number = |field: &Value| field.as_f64().expect("a number") as f32;
            let list = |field: &Value| -> Vec<f32> {
                field.as_array().expect("a list").iter().map(number).collect()
            };
            let point = list(&theirs["point_coords"][0]);
            let ours = found.iter().find(|ours| {
                worst(&ours.point, &point) < 1e-3
                    && (ours.score - number(&theirs["predicted_iou"])).abs() < SCORES
            });
            let ours = ours.unwrap_or_else(|| panic!("{name}: nothing at {point:?}"));
            let stability = number(&theirs["stability_score"]);
            assert!((ours.stability - stability).abs() < 2e-3, "{name}: at {point:?}");
            let area = number(&theirs["area"]);
            assert!(
                (ours.mask.area() as f32 - area).abs() <= 4.0 + 1e-3 * area,
                "{name}: {point:?}"
            );
            let [x1, y1, x2, y2] = ours.mask.bbox();
            let bbox = [x1, y1, x2 - x1 - 1, y2 - y1 - 1].map(|place| place as f32);
            assert!(worst(&bbox, &list(&theirs["bbox"])) <= 1.0, "{name}: {bbox:?}");
        }
    }
}
