//! Laws that every registered encoder obeys, and parity with `transformers`.

use std::fs;

use burn::{Device, Tensor};
use quintet_nn::{Params, Vars};
use quintet_testing::{
    assert_close, assert_gradient, assert_half_storage, assert_round_trip, backward, difference,
    golden, load, noise, save, scramble, tensor,
};
use quintet_weights::Weights;

use super::{Encoder, EncoderConfig, FeatureSelect, Stage};

fn random(config: &EncoderConfig) -> (Encoder, Params) {
    let vars = Vars::random(3, &Device::flex());
    let encoder = Encoder::new(&vars.at("vision_tower"), config).unwrap();
    let params = vars.finish().unwrap();
    scramble(&params, 0.3);
    (encoder, params)
}

fn pixels(config: &EncoderConfig, batch: usize) -> Tensor<4> {
    let side = config.geometry().image_size;
    noise(1, [batch, 3, side, side])
}

/// The output that a stage ends with.
fn output(encoder: &Encoder, pixels: Tensor<4>, stage: Stage) -> Tensor<3> {
    let layer = match stage {
        Stage::Embedding => 0,
        Stage::Block(last) => last as i64 + 1,
        Stage::Last => return encoder.forward(pixels, None),
        Stage::Pooled | Stage::Never => {
            let last = encoder.forward(pixels, None);
            return encoder.pooled(last).unwrap().unsqueeze_dim(1);
        }
    };
    encoder.features(pixels, layer, FeatureSelect::Full)
}

#[test]
fn forward_gives_the_promised_shapes() {
    for config in EncoderConfig::examples() {
        let (encoder, _) = random(&config);
        let pixels = pixels(&config, 2);
        let full = encoder.token_count(FeatureSelect::Full);
        let mut hidden = Vec::new();
        let last = encoder.forward(pixels.clone(), Some(&mut hidden));
        assert_eq!(last.dims(), [2, full, encoder.width()]);
        for (i, state) in hidden.iter().enumerate() {
            let (forward, backward) = (i as i64, i as i64 - hidden.len() as i64);
            for layer in [forward, backward] {
                let features = encoder.features(pixels.clone(), layer, FeatureSelect::Full);
                assert_eq!(difference(&features, state), 0.0, "layer {layer}");
                let features = encoder.features(pixels.clone(), layer, FeatureSelect::Default);
                let tokens = encoder.token_count(FeatureSelect::Default);
                assert_eq!(features.dims(), [2, tokens, encoder.width()]);
                assert_eq!(difference(&features, &state.clone().narrow(1, 1, tokens)), 0.0);
            }
        }
        let states = hidden.len() as i64;
        assert!(encoder.feature_stage(states).is_err());
        assert!(encoder.feature_stage(-states - 1).is_err());
    }
}

#[test]
fn a_batch_is_its_images_one_by_one() {
    for config in EncoderConfig::examples() {
        let (encoder, _) = random(&config);
        let pixels = pixels(&config, 3);
        let together = encoder.forward(pixels.clone(), None);
        for i in 0..3 {
            let alone = encoder.forward(pixels.clone().narrow(0, i, 1), None);
            let error = difference(&alone, &together.clone().narrow(0, i, 1));
            assert!(error < 1e-4, "image {i} differs by {error}");
        }
    }
}

#[test]
fn gradients_reach_what_takes_part_and_nothing_else() {
    for config in EncoderConfig::examples() {
        let (encoder, params) = random(&config);
        let pixels = pixels(&config, 2);
        let mut stages = vec![Stage::Embedding, Stage::Block(0), Stage::Block(1), Stage::Last];
        if encoder.pooled(encoder.forward(pixels.clone(), None)).is_some() {
            stages.push(Stage::Pooled);
        }
        for stage in stages {
            let what = format!("{config:?} up to {stage:?}");
            params.set_trainable(|_| true);
            let mut grads = backward(output(&encoder, pixels.clone(), stage));
            for cell in params.iter() {
                let reached = encoder.takes_part(cell.name(), stage);
                assert_gradient(cell, &mut grads, reached, &what);
            }
            // Of what takes part, the first and then every other parameter is frozen.
            for frozen in [0, 1] {
                let names: Vec<_> = params.iter().map(|cell| cell.name().to_owned()).collect();
                let trained = |name: &str| {
                    let index = names.iter().position(|other| other == name).unwrap();
                    index % 2 == frozen && encoder.takes_part(name, stage)
                };
                params.set_trainable(trained);
                let mut grads = backward(output(&encoder, pixels.clone(), stage));
                for cell in params.iter() {
                    assert_gradient(cell, &mut grads, trained(cell.name()), &what);
                }
            }
        }
        assert!(!encoder.takes_part("language_model.layers.0.weight", Stage::Pooled));
    }
}

#[test]
fn half_storage_changes_little() {
    for config in EncoderConfig::examples() {
        let (encoder, params) = random(&config);
        let pixels = pixels(&config, 2);
        let output = || encoder.forward(pixels.clone(), None);
        assert_half_storage(&params, output, &format!("{config:?}"));
    }
}

#[test]
fn a_saved_encoder_is_the_same_when_loaded() {
    for config in EncoderConfig::examples() {
        assert_round_trip(&config);
        let (encoder, params) = random(&config);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        save(&params, &path);
        let vars = load(&path);
        let loaded = Encoder::new(&vars.at("vision_tower"), &config).unwrap();
        assert_eq!(vars.finish().unwrap().count(), params.count());
        let pixels = pixels(&config, 1);
        let (a, b) = (encoder.forward(pixels.clone(), None), loaded.forward(pixels, None));
        assert_eq!(difference(&a, &b), 0.0);
    }
}

/// Every golden case has outputs for several image sizes.
#[test]
fn encoders_agree_with_transformers() {
    let mut kinds = std::collections::BTreeSet::new();
    for entry in fs::read_dir(golden("encoders")).unwrap() {
        let dir = entry.unwrap().path();
        if !dir.is_dir() || !dir.join("config.json").exists() {
            continue;
        }
        let text = fs::read_to_string(dir.join("config.json")).unwrap();
        let config: EncoderConfig = serde_json::from_str(&text).unwrap();
        kinds.insert(serde_json::to_value(&config).unwrap()["model_type"].to_string());
        let vars = load(&dir.join("model.safetensors"));
        let encoder = Encoder::new(&vars, &config).unwrap();
        vars.finish().unwrap();
        let expected = Weights::open(&dir.join("expected.safetensors")).unwrap();
        let sizes = expected.names().filter_map(|name| name.strip_suffix(".pixels"));
        let mut attended = 0;
        for size in sizes {
            let what = |tensor: &str| format!("{} {size} {tensor}", dir.display());
            let mut hidden = Vec::new();
            let pixels = tensor(&expected, &format!("{size}.pixels"));
            let last = encoder.forward(pixels.clone(), Some(&mut hidden));
            let states = expected.names().filter(|name| {
                name.strip_prefix(size).is_some_and(|rest| rest.starts_with(".hidden_states."))
            });
            assert_eq!(states.count(), hidden.len());
            for (i, state) in hidden.into_iter().enumerate() {
                let name = format!("{size}.hidden_states.{i}");
                assert_close(state, tensor(&expected, &name), &what(&name));
            }
            if expected.info(&format!("{size}.attentions.0")).is_some() {
                encoder.attentions(pixels, |i, weights| {
                    let name = format!("{size}.attentions.{i}");
                    assert_close(weights, tensor(&expected, &name), &what(&name));
                    attended += 1;
                });
            }
            let name = format!("{size}.last_hidden_state");
            assert_close(last.clone(), tensor(&expected, &name), &what(&name));
            let name = format!("{size}.pooler_output");
            let pooled = encoder.pooled(last);
            assert_eq!(pooled.is_some(), expected.info(&name).is_some(), "{}", what(&name));
            if let Some(pooled) = pooled {
                assert_close(pooled, tensor(&expected, &name), &what(&name));
            }
        }
        let blocks = expected.names().filter(|name| name.contains(".attentions.")).count();
        assert!(attended > 0 && attended == blocks, "{}: {attended} of {blocks}", dir.display());
    }
    let registered = EncoderConfig::examples();
    let registered = registered.iter().map(|config| serde_json::to_value(config).unwrap());
    let registered = registered.map(|value| value["model_type"].to_string()).collect();
    assert_eq!(kinds, registered, "golden/encoders has a case for every registered encoder");
}

/// Files of `transformers` 5 leave out a level of names that older ones have.
#[test]
fn both_spellings_of_a_tower_load() {
    for case in ["clip", "siglip"] {
        let dir = golden("encoders").join(case);
        let text = fs::read_to_string(dir.join("config.json")).unwrap();
        let config: EncoderConfig = serde_json::from_str(&text).unwrap();
        let short = load(&dir.join("model.safetensors"));
        let encoder = Encoder::new(&short, &config).unwrap();
        let params = short.finish().unwrap();
        assert!(params.get("post_layernorm.weight").is_some());

        let (other, longer) = random(&config);
        for cell in longer.iter() {
            let name = cell.name().strip_prefix("vision_tower.vision_model.").unwrap();
            cell.set(params.get(name).unwrap().value());
        }
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("model.safetensors");
        save(&longer, &path);
        let long = load(&path);
        let loaded = Encoder::new(&long.at("vision_tower"), &config).unwrap();
        long.finish().unwrap();
        let pixels = pixels(&config, 1);
        let expected = encoder.forward(pixels.clone(), None);
        assert_eq!(difference(&loaded.forward(pixels.clone(), None), &expected), 0.0);
        assert_eq!(difference(&other.forward(pixels, None), &expected), 0.0);
    }
}

#[test]
fn a_checkpoint_that_does_not_fit_is_refused_by_name() {
    let dir = golden("encoders").join("clip");
    let text = fs::read_to_string(dir.join("config.json")).unwrap();
    let read = |from: &str, to: &str| {
        let config: EncoderConfig = serde_json::from_str(&text.replace(from, to)).unwrap();
        let vars = load(&dir.join("model.safetensors"));
        match Encoder::new(&vars, &config) {
            Err(error) => error.to_string(),
            Ok(_) => vars.finish().unwrap_err().to_string(),
        }
    };
    let deeper = read("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    assert!(deeper.contains("'encoder.layers.2.layer_norm1.weight' is missing"), "{deeper}");
    let shallower = read("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    assert!(shallower.contains("encoder.layers.1."), "{shallower}");
    let larger = read("\"image_size\": 16", "\"image_size\": 32");
    assert!(larger.contains("'embeddings.position_embedding.weight' has shape"), "{larger}");
    for (from, to, word) in [
        ("\"patch_size\": 4", "\"patch_size\": 0", "patch_size"),
        ("\"patch_size\": 4", "\"patch_size\": 17", "image_size 16"),
        ("\"image_size\": 16", "\"image_size\": 18446744073709551615", "image_size"),
        ("\"num_attention_heads\": 4", "\"num_attention_heads\": 5", "num_attention_heads"),
        ("\"num_attention_heads\": 4", "\"num_attention_heads\": 0", "num_attention_heads"),
    ] {
        let message = read(from, to);
        assert!(message.contains(word), "{to}: {message}");
    }
}
