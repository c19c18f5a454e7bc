//! `config.json` in the forms that `transformers` wrote over time.

use quintet_models::backbones::{DecoderConfig, Family, PRESETS};
use quintet_nn::RopeScaling;
use serde_json::{Value, json};

use crate::common::tiny;

fn parse(json: Value) -> Result<DecoderConfig, String> {
    serde_json::from_value(json).map_err(|error| error.to_string())
}

#[test]
fn presets_have_the_published_parameter_counts() {
    for preset in PRESETS {
        assert_eq!(preset.config().parameter_count(), preset.parameters, "{}", preset.name);
        preset.config().validate().expect(preset.name);
    }
}

#[test]
fn every_configuration_survives_writing_and_reading() {
    let scaled = |rope_scaling| DecoderConfig { rope_scaling, ..tiny(Family::Llama) };
    let mut configs: Vec<DecoderConfig> = PRESETS.iter().map(|preset| preset.config()).collect();
    configs.extend(Family::ALL.map(tiny));
    configs.extend([
        scaled(RopeScaling::Linear { factor: 2.5 }),
        scaled(RopeScaling::Dynamic { factor: 2.0 }),
        scaled(RopeScaling::yarn(4.0, 16)),
        scaled(RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 32,
        }),
        DecoderConfig {
            sliding_window: Some(3),
            sliding_layers: vec![false, true],
            eos_token_ids: vec![3, 4],
            ..tiny(Family::Qwen2)
        },
        DecoderConfig {
            sliding_window: None,
            sliding_layers: vec![false; 2],
            ..tiny(Family::Mistral)
        },
        DecoderConfig { attention_bias: true, mlp_bias: true, ..tiny(Family::Llama) },
        DecoderConfig { remove_final_layer_norm: true, ..tiny(Family::Opt) },
    ]);
    for config in configs {
        let json = serde_json::to_value(&config).expect("written");
        assert_eq!(parse(json.clone()).expect("read"), config, "{json}");
    }
}

/// LLaVA-1.5 states only what differs from the class's defaults.
#[test]
fn absent_fields_take_the_class_defaults() {
    let config = parse(json!({
        "model_type": "llama", "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5, "vocab_size": 32064,
    }))
    .expect("read");
    assert_eq!(config.parameter_count(), 6_738_415_616 + 2 * 64 * 4096);
    assert_eq!((config.head_dim, config.num_key_value_heads), (128, 32));
    let mistral = parse(json!({"model_type": "mistral"})).expect("read");
    assert_eq!(mistral.parameter_count(), 7_241_732_096);
    assert_eq!(mistral.window(31), Some(4096));
    let opt = parse(json!({"model_type": "opt"})).expect("read");
    assert_eq!(opt.parameter_count(), 125_239_296);
}

#[test]
fn both_versions_of_rope_fields_mean_the_same() {
    let with = |extra: Value| {
        let mut json = json!({"model_type": "llama", "max_position_embeddings": 512});
        let (Value::Object(json_fields), Value::Object(extra)) = (&mut json, extra) else {
            panic!("objects");
        };
        json_fields.extend(extra);
        let config = parse(json).expect("read");
        (config.rope_theta, config.rope_scaling)
    };
    let new = with(json!({"rope_parameters":
        {"rope_type": "linear", "factor": 2.0, "rope_theta": 5e5}}));
    assert_eq!(new, (5e5, RopeScaling::Linear { factor: 2.0 }));
    let middle = json!({"rope_theta": 5e5, "rope_scaling": {"rope_type": "linear", "factor": 2}});
    assert_eq!(with(middle), new);
    let legacy = json!({"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2.0}});
    assert_eq!(with(legacy), new);
    assert_eq!(with(json!({"rope_scaling": null})), (1e4, RopeScaling::Default));
    // The context is the original one when none is given; nulls are as good as absent.
    let yarn = json!({"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "beta_fast": null}});
    assert_eq!(with(yarn).1, RopeScaling::yarn(4.0, 512));
}

#[test]
fn qwen2_slides_only_when_told_and_only_in_upper_layers() {
    let with = |use_window: bool| {
        parse(json!({
            "model_type": "qwen2", "num_hidden_layers": 4, "hidden_size": 64,
            "num_attention_heads": 4, "num_key_value_heads": 4,
            "use_sliding_window": use_window, "sliding_window": 7, "max_window_layers": 3,
        }))
        .expect("read")
    };
    let windows = |config: &DecoderConfig| (0..4).map(|i| config.window(i)).collect::<Vec<_>>();
    assert_eq!(windows(&with(true)), [None, None, None, Some(7)]);
    assert_eq!(windows(&with(false)), [None; 4]);
}

#[test]
fn impossible_configurations_are_refused_with_a_reason() {
    let cases = [
        (json!([]), "object"),
        (json!({}), "model_type is missing"),
        (json!({"model_type": "gpt_bigcode"}), "llama, mistral, qwen2, opt"),
        (json!({"model_type": "llama", "hidden_size": -1}), "hidden_size is -1"),
        (json!({"model_type": "llama", "hidden_size": 0}), "hidden_size is 0"),
        (json!({"model_type": "llama", "num_attention_heads": 0}), "head"),
        (json!({"model_type": "llama", "num_hidden_layers": 1u64 << 60}), "num_hidden_layers"),
        (json!({"model_type": "llama", "vocab_size": 1u64 << 60}), "vocab_size"),
        (json!({"model_type": "llama", "num_key_value_heads": 5}), "no multiple"),
        (json!({"model_type": "llama", "head_dim": 7}), "odd"),
        (json!({"model_type": "llama", "hidden_act": "tanh"}), "hidden_act"),
        (json!({"model_type": "llama", "rope_scaling": {"type": "longrope"}}), "longrope"),
        (json!({"model_type": "llama", "rope_scaling": 3}), "rope_scaling is 3"),
        (json!({"model_type": "llama", "rope_theta": 0}), "rope_theta"),
        (json!({"model_type": "llama", "partial_rotary_factor": 0.5}), "partial_rotary_factor"),
        (json!({"model_type": "mistral", "sliding_window": 0}), "sliding_window"),
        (json!({"model_type": "qwen2", "layer_types": ["full_attention"]}), "1 entries"),
        (json!({"model_type": "qwen2", "layer_types": ["cross"]}), "cross"),
        (json!({"model_type": "opt", "num_attention_heads": 7}), "7 heads"),
    ];
    for (json, reason) in cases {
        let error = parse(json.clone()).expect_err(&json.to_string());
        assert!(error.contains(reason), "{json}: {error}");
    }
}
