//! Adapters: laws, and files that PEFT reads and writes.

use std::{collections::BTreeMap, path::Path};

use burn::{DType, Device, Tensor};
use quintet_models::backbones::{Decoder, Family};
use quintet_nn::{Adapters, LoraConfig, Params, write_file};
use quintet_weights::{SaveDType, save_safetensors};

use crate::common::{
    Expected, difference, drawn, golden, greedy, load, tensor, text, tiny, values,
};

const CONFIG: LoraConfig = LoraConfig { rank: 4, alpha: 6.0 };

fn projections(name: &str) -> bool {
    ["q_proj", "v_proj", "up_proj", "fc2"].iter().any(|part| name.ends_with(part))
}

fn logits(decoder: &Decoder, ids: &[Vec<i32>]) -> Tensor<3> {
    decoder.logits(decoder.forward(decoder.embed(tensor(ids)), None, None))
}

fn largest_difference(a: &Tensor<3>, b: &Tensor<3>) -> f32 {
    values(a).iter().zip(values(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Training and inference take different attention kernels, which round differently.
fn assert_same(a: &Tensor<3>, b: &Tensor<3>, what: &str) {
    let largest = values(b).iter().fold(1.0f32, |m, x| m.max(x.abs()));
    let worst = largest_difference(a, b);
    assert!(worst < 1e-5 * largest, "{what}: differs by {worst} of {largest}");
}

/// Gives every `B` values, as training would.
fn train(params: &Params) {
    for cell in params.iter().filter(|cell| cell.name().contains("lora_B")) {
        let values = (0..cell.len()).map(|i| 0.3 * ((i * 37 % 23) as f32).sin()).collect();
        Params::assign(cell, values);
    }
}

#[test]
fn a_fresh_adapter_changes_nothing_and_only_adapters_train() {
    for family in Family::ALL {
        let (decoder, mut params) = drawn(&tiny(family));
        let ids = [text(8, 0)];
        let before = logits(&decoder, &ids);
        params.set_trainable(|_| false);
        let adapters = Adapters::attach(&mut params, CONFIG, 3, projections).expect("attached");
        assert_same(&logits(&decoder, &ids), &before, "fresh adapter");
        train(&params);
        let mut grads = logits(&decoder, &ids).square().mean().backward();
        let mut trained = 0;
        for cell in params.iter() {
            let grad = cell.take_grad(&mut grads);
            assert_eq!(grad.is_some(), cell.name().contains(".lora_"), "{}", cell.name());
            if let Some(grad) = grad {
                let grad = values(&grad);
                assert!(grad.iter().all(|g| g.is_finite()), "{}", cell.name());
                assert!(grad.iter().any(|&g| g != 0.0), "{}", cell.name());
                trained += 1;
            }
        }
        assert_eq!(trained, 2 * adapters.linears().len());
    }
}

#[test]
fn the_draw_depends_on_the_seed_alone() {
    let draw = |seed| {
        let (_, mut params) = drawn(&tiny(Family::Llama));
        Adapters::attach(&mut params, CONFIG, seed, projections).expect("attached");
        let name = "model.layers.1.self_attn.q_proj.lora_A.weight";
        params.get(name).expect("the parameter").to_f32()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let bound = 1.0 / 32f32.sqrt();
    let largest = draw(1).into_iter().fold(0.0f32, |m, x| m.max(x.abs()));
    assert!(largest <= bound && largest > 0.9 * bound, "{largest} of {bound}");
}

#[test]
fn merging_keeps_the_outputs_and_detaching_restores_them() {
    for family in Family::ALL {
        let (decoder, mut params) = drawn(&tiny(family));
        let ids = [text(8, 0)];
        let (before, count) = (logits(&decoder, &ids), params.count());
        let attach = |params: &mut Params| {
            let adapters = Adapters::attach(params, CONFIG, 3, projections).expect("attached");
            train(params);
            adapters
        };
        let adapters = attach(&mut params);
        let adapted = logits(&decoder, &ids);
        assert!(largest_difference(&adapted, &before) > 1e-2);
        adapters.detach(&mut params);
        assert_eq!(values(&logits(&decoder, &ids)), values(&before));
        assert_eq!(params.count(), count);

        attach(&mut params).merge(&mut params);
        assert_eq!(params.count(), count);
        assert!(params.linears().iter().all(|linear| linear.lora().is_none()));
        assert_same(&logits(&decoder, &ids), &adapted, "merged");
    }
}

#[test]
fn adapters_over_half_precision_stay_in_f32() {
    let (decoder, mut params) = load(&golden().join("llama"), DType::BF16);
    let adapters = Adapters::attach(&mut params, CONFIG, 3, projections).expect("attached");
    train(&params);
    let out = logits(&decoder, &[text(8, 0)]);
    assert_eq!(out.dtype(), DType::BF16);
    let lora = adapters.linears()[0].lora().expect("an adapter");
    assert_eq!(lora.down.tensor().dtype(), DType::F32);
    let mut grads = out.cast(DType::F32).square().mean().backward();
    let grad = lora.up.cell().take_grad(&mut grads).expect("a gradient");
    assert!(values(&grad).iter().any(|&g| g != 0.0));
}

#[test]
fn saved_and_loaded_adapters_compute_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let (decoder, mut params) = drawn(&tiny(Family::Qwen2));
    let adapters = Adapters::attach(&mut params, CONFIG, 3, projections).expect("attached");
    train(&params);
    let ids = [text(8, 0)];
    let adapted = logits(&decoder, &ids);
    adapters.save(dir.path(), "base").expect("saved");
    adapters.detach(&mut params);
    Adapters::load(&mut params, dir.path()).expect("loaded");
    assert_same(&logits(&decoder, &ids), &adapted, "loaded");
    assert_eq!(params.trainable().filter(|cell| cell.name().contains("lora_")).count(), 0);
}

#[test]
fn an_adapter_of_peft_computes_what_peft_computes() {
    let dir = golden().join("llama_lora");
    let expected = Expected::load(&dir);
    let (decoder, mut params) = load(&dir, DType::F32);
    let adapters = Adapters::load(&mut params, &dir).expect("loaded");
    assert_eq!(adapters.linears().len(), 6);
    let check = |what: &str| {
        let hidden =
            decoder.forward(decoder.embed(tensor(&expected.ids)), Some(&expected.rows), None);
        let worst = difference(&decoder.logits(hidden), &expected.get("logits"), &expected.rows);
        assert!(worst < 1e-4, "{what}: logits differ by {worst}");
        assert_eq!(greedy(&decoder, &expected.ids, &expected.rows, 32), expected.greedy, "{what}");
    };
    check("attached");
    adapters.merge(&mut params);
    check("merged");
}

type NamedShape<'a> = (&'a str, [usize; 2]);

#[test]
fn adapters_that_do_not_fit_are_refused_with_a_reason() {
    let (_, mut params) = drawn(&tiny(Family::Llama));
    let mut refused = |config, pick: fn(&str) -> bool| {
        Adapters::attach(&mut params, config, 0, pick).expect_err("refused").to_string()
    };
    assert!(refused(CONFIG, |_| false).contains("no linear map"));
    assert!(refused(LoraConfig { rank: 0, ..CONFIG }, projections).contains("rank 0"));
    assert!(refused(LoraConfig { rank: 99, ..CONFIG }, projections).contains("rank 99"));

    let dir = tempfile::tempdir().expect("a directory");
    let config = r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 4}"#;
    let q_proj = "base_model.model.model.layers.0.self_attn.q_proj";
    let mut load = |config: &str, tensors: &[NamedShape]| {
        write_file(&dir.path().join("adapter_config.json"), config.as_bytes()).expect("written");
        let tensors =
            tensors.iter().map(|(name, shape)| (*name, *shape, vec![0.5; shape[0] * shape[1]]));
        let path = dir.path().join("adapter_model.safetensors");
        save_safetensors(&path, tensors, SaveDType::F32, &BTreeMap::new()).expect("saved");
        Adapters::load(&mut params, dir.path()).map(|_| ()).map_err(|error| error.to_string())
    };
    let (a, b) = (format!("{q_proj}.lora_A.weight"), format!("{q_proj}.lora_B.weight"));
    let cases: [(&str, &[NamedShape], &str); 8] = [
        (config, &[(&a, [2, 32])], "lora_B.weight' is missing"),
        (config, &[(&a, [2, 30]), (&b, [32, 2])], "do not fit a map from 32 to 32"),
        (config, &[(&a, [2, 32]), (&b, [32, 3])], "do not fit"),
        (config, &[("base_model.model.other.lora_A.weight", [2, 32])], "first 'other'"),
        (config, &[("base_model.model.lm_head.weight", [2, 32])], "neither lora_A nor"),
        (config, &[], "no adapter"),
        (r#"{"peft_type": "IA3", "r": 2, "lora_alpha": 4}"#, &[], "IA3"),
        (r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "use_dora": true}"#, &[], "use_dora"),
    ];
    for (config, tensors, reason) in cases {
        let error = load(config, tensors).expect_err(reason);
        assert!(error.contains(reason), "{error}");
        assert!(error.contains(&dir.path().display().to_string()), "{error}");
    }
    // Nothing was attached by what failed.
    load(config, &[(&a, [2, 32]), (&b, [32, 2])]).expect("fits");
    let again = load(config, &[(&a, [2, 32]), (&b, [32, 2])]).expect_err("a second time");
    assert!(again.contains("already"), "{again}");
}

/// Writes models, adapters and what we compute with them, for `golden/backbones/check_saved.py`,
/// which loads them with `transformers` and PEFT.
#[test]
fn models_and_adapters_are_written_for_the_reference() {
    let temporary = tempfile::tempdir().expect("a directory");
    let out = std::env::var_os("QUINTET_SAVED");
    let out = out.as_deref().map_or(temporary.path(), Path::new);
    for family in Family::ALL {
        let (decoder, mut params) = drawn(&tiny(family));
        let dir = out.join(family.model_type());
        std::fs::create_dir_all(&dir).expect("a directory");
        let config = serde_json::to_vec_pretty(decoder.config()).expect("json");
        write_file(&dir.join("config.json"), &config).expect("written");
        params.save(&dir.join("model.safetensors"), SaveDType::F32, |_| true).expect("saved");
        let ids = [text(8, 0), text(8, 5)];
        let plain = logits(&decoder, &ids);
        let adapters = Adapters::attach(&mut params, CONFIG, 3, projections).expect("attached");
        train(&params);
        adapters.save(&dir.join("adapter"), &dir.display().to_string()).expect("saved");
        let adapted = logits(&decoder, &ids);
        let ids: Vec<f32> = ids.concat().into_iter().map(|id| id as f32).collect();
        let tensors = [
            ("ids", vec![2, 8], ids),
            ("plain", plain.dims().to_vec(), values(&plain)),
            ("adapted", adapted.dims().to_vec(), values(&adapted)),
        ];
        let path = dir.join("ours.safetensors");
        save_safetensors(&path, tensors, SaveDType::F32, &BTreeMap::new()).expect("saved");
        let (again, mut params) = Decoder::load(&dir, &Device::flex(), DType::F32).expect("loaded");
        Adapters::load(&mut params, &dir.join("adapter")).expect("loaded");
        assert_same(&logits(&again, &[text(8, 0), text(8, 5)]), &adapted, "loaded");
    }
}
