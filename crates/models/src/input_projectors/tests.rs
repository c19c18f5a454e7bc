//! Laws that every registered projector obeys, and parity with the reference implementations.

use std::fs;

use burn::Device;
use quintet_nn::{Params, Vars};
use quintet_testing::{
    assert_close, assert_gradient, assert_half_storage, assert_round_trip, backward, difference,
    golden, load, noise, save, scramble, tensor,
};
use quintet_weights::Weights;

use super::{InputProjector, ProjectorConfig};

/// Tokens that every example can take.
const TOKENS: usize = 8;

fn random(config: &ProjectorConfig) -> (InputProjector, Params) {
    let vars = Vars::random(5, &Device::flex());
    let projector = InputProjector::new(&vars.at("multi_modal_projector"), config).unwrap();
    let params = vars.finish().unwrap();
    scramble(&params, 0.3);
    (projector, params)
}

#[test]
fn forward_gives_the_promised_shapes_image_by_image() {
    for config in ProjectorConfig::examples() {
        let (projector, _) = random(&config);
        let features = noise(1, [3, TOKENS, projector.input_dim()]);
        let together = projector.forward(features.clone());
        let count = projector.token_count(TOKENS).unwrap();
        assert_eq!(together.dims(), [3, count, projector.output_dim()], "{config:?}");
        for i in 0..3 {
            let alone = projector.forward(features.clone().narrow(0, i, 1));
            let error = difference(&alone, &together.clone().narrow(0, i, 1));
            assert!(error < 1e-4, "{config:?}: image {i} differs by {error}");
        }
    }
}

#[test]
fn half_storage_changes_little() {
    for config in ProjectorConfig::examples() {
        let (projector, params) = random(&config);
        // With other features the gradients of queries and keys that are normed over eight channels, whose
        // variance may be small, are further apart.
        let features = noise(3, [2, TOKENS, projector.input_dim()]);
        let output = || projector.forward(features.clone());
        assert_half_storage(&params, output, &format!("{config:?}"));
    }
}

#[test]
fn gradients_reach_all_parameters_and_no_frozen_one() {
    for config in ProjectorConfig::examples() {
        let (projector, params) = random(&config);
        let features = noise(1, [2, TOKENS, projector.input_dim()]);
        let names: Vec<_> = params.iter().map(|cell| cell.name().to_owned()).collect();
        let sets = [0..names.len(), 0..names.len() / 2, names.len() / 2..names.len()];
        for set in sets {
            let trained = |name: &str| names[set.clone()].iter().any(|other| other == name);
            params.set_trainable(trained);
            let mut grads = backward(projector.forward(features.clone()));
            for cell in params.iter() {
                let what = format!("{config:?}");
                assert_gradient(cell, &mut grads, trained(cell.name()), &what);
            }
        }
    }
}

#[test]
fn a_saved_projector_is_the_same_when_loaded() {
    for config in ProjectorConfig::examples() {
        assert_round_trip(&config);
        let (projector, params) = random(&config);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        save(&params, &path);
        let vars = load(&path);
        let loaded = InputProjector::new(&vars.at("multi_modal_projector"), &config).unwrap();
        assert_eq!(vars.finish().unwrap().count(), params.count());
        let features = noise(1, [1, TOKENS, projector.input_dim()]);
        let (a, b) = (projector.forward(features.clone()), loaded.forward(features));
        assert_eq!(difference(&a, &b), 0.0, "{config:?}");
    }
}

#[test]
fn projectors_agree_with_the_references() {
    let mut kinds = std::collections::BTreeSet::new();
    for entry in fs::read_dir(golden("projectors")).unwrap() {
        let dir = entry.unwrap().path();
        if !dir.is_dir() || !dir.join("config.json").exists() {
            continue;
        }
        let text = fs::read_to_string(dir.join("config.json")).unwrap();
        let config: ProjectorConfig = serde_json::from_str(&text).unwrap();
        kinds.insert(serde_json::to_value(&config).unwrap()["type"].to_string());
        let vars = load(&dir.join("model.safetensors"));
        let projector = InputProjector::new(&vars, &config).unwrap();
        vars.finish().unwrap();
        let expected = Weights::open(&dir.join("expected.safetensors")).unwrap();
        let projected = projector.forward(tensor(&expected, "features"));
        assert_close(projected, tensor(&expected, "projected"), &dir.display().to_string());
    }
    let registered = ProjectorConfig::examples();
    let registered = registered.iter().map(|config| serde_json::to_value(config).unwrap());
    let registered = registered.map(|value| value["type"].to_string()).collect();
    assert_eq!(kinds, registered, "golden/projectors has a case for every registered projector");
}

#[test]
fn a_merge_that_leaves_tokens_over_is_refused() {
    let json = r#"{"type": "token_merge", "input_dim": 3, "output_dim": 2}"#;
    let (projector, _) = random(&serde_json::from_str(json).unwrap());
    assert_eq!(projector.token_count(256).unwrap(), 64);
    let message = projector.token_count(577).unwrap_err().to_string();
    assert!(message.contains("577"), "{message}");
}

#[test]
fn impossible_sizes_are_refused() {
    for json in [
        r#"{"type": "token_merge", "input_dim": 3, "output_dim": 2, "merge": 0}"#,
        r#"{"type": "token_merge", "input_dim": 3, "output_dim": 2, "merge": 18446744073709551615}"#,
        r#"{"type": "qformer", "num_attention_heads": 0}"#,
        r#"{"type": "qformer", "num_attention_heads": 5}"#,
        r#"{"type": "qformer", "cross_attention_frequency": 0}"#,
        r#"{"type": "perceiver_resampler", "input_dim": 0}"#,
        r#"{"type": "perceiver_resampler", "input_dim": 8, "resampler_n_heads": 0}"#,
    ] {
        let config: ProjectorConfig = serde_json::from_str(json).unwrap();
        let vars = Vars::random(0, &Device::flex());
        assert!(InputProjector::new(&vars, &config).is_err(), "{json}");
    }
    assert!(serde_json::from_str::<ProjectorConfig>(r#"{"type": "linear"}"#).is_err());
    assert!(serde_json::from_str::<ProjectorConfig>(r#"{"type": "magic"}"#).is_err());
}
