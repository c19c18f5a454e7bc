//! Adapters of joined models, as PEFT names them.

use std::{collections::BTreeMap, path::Path};

use burn::{DType, Device};
use quintet_models::{
    Multimodal,
    multimodal::{Batch, PARTS, Side},
};
use quintet_nn::{Adapters, LoraConfig, Params};
use quintet_weights::{SaveDType, Weights, save_safetensors};

use crate::common::{Loaded, MODELS, TOLERANCE, conversation, difference, golden, values};

const CONFIG: LoraConfig = LoraConfig { rank: 4, alpha: 6.0 };

fn adapted(name: &str) -> bool {
    name.starts_with(PARTS[2].1) && ["q_proj", "up_proj"].iter().any(|end| name.ends_with(end))
}

/// Moves factors and projector, as training would.
fn train(params: &Params) {
    let moved = |name: &str| name.contains(".lora_B") || name.starts_with(PARTS[1].1);
    for cell in params.iter().filter(|cell| moved(cell.name())) {
        let values = cell.to_f32().into_iter().enumerate();
        let moved = values.map(|(i, value)| value + 0.3 * ((i * 37 % 23) as f32).sin());
        Params::assign(cell, moved.collect());
    }
}

/// A base in half precision is adapted, and what the adapter's files make of it anew is the same.
/// Writes both for `golden/llava/check_saved.py`, which asks PEFT.
#[test]
fn adapters_are_written_for_the_reference_and_read_again() {
    let temporary = tempfile::tempdir().expect("a directory");
    let out = std::env::var_os("QUINTET_SAVED");
    let out = out.as_deref().map_or(temporary.path(), Path::new).join("llava-adapters");
    for name in MODELS {
        let dir = out.join(name);
        let mut loaded = Loaded::open(&golden(name));
        loaded.model.save(&dir, SaveDType::F32).expect("a saved model");
        loaded.model.params().set_trainable(|_| false);
        let params = loaded.model.params_mut();
        let adapters = Adapters::attach(params, CONFIG, 3, adapted).expect("attached");
        train(params);
        let base = dir.display().to_string();
        let adapter = dir.join("adapter");
        let whole = [PARTS[1].1];
        loaded.model.save_adapter(&adapters, &adapter, Some(&base), &whole).expect("saved");
        let file = Weights::open(&adapter.join("adapter_model.safetensors")).expect("the adapter");
        for tensor in [
            "language_model.layers.1.self_attn.q_proj.lora_A.weight",
            "language_model.layers.0.mlp.up_proj.lora_B.weight",
            "multi_modal_projector.linear_1.weight",
        ] {
            assert!(file.info(&format!("base_model.model.model.{tensor}")).is_some(), "{tensor}");
        }

        let row = loaded.processor.encode_prompt(&conversation(name)).expect("a conversation");
        let (ids, images) = (row.ids.clone(), row.images.clone());
        let batch = Batch::new(vec![row], Side::Right);
        let logits = loaded.logits(&batch);
        let expected = values(&logits);
        let mut again = Loaded::open(&golden(name));
        assert!(difference(&values(&again.logits(&batch)), &expected) > 1e-2);
        again.model.merge_adapter(&adapter).expect("merged");
        let worst = difference(&values(&again.logits(&batch)), &expected);
        assert!(worst < TOLERANCE, "{name}: differs by {worst}");

        // A model that is saved with its adapters is the merged one.
        let merged = dir.join("merged");
        loaded.model.save(&merged, SaveDType::F32).expect("a saved model");
        again.model = Multimodal::load(&merged, &Device::flex(), DType::F32).expect("a model");
        let worst = difference(&values(&again.logits(&batch)), &expected);
        assert!(worst < TOLERANCE, "{name}, merged: differs by {worst}");

        let pixels: Vec<f32> =
            images.iter().flat_map(|(_, pixels)| pixels.data.iter().copied()).collect();
        let (height, width) = (images[0].1.height, images[0].1.width);
        let tensors = [
            ("ids", vec![1, ids.len()], ids.into_iter().map(|id| id as f32).collect()),
            ("pixels", vec![images.len(), 3, height, width], pixels),
            ("logits", logits.dims().to_vec(), expected),
        ];
        let path = dir.join("ours.safetensors");
        save_safetensors(&path, tensors, SaveDType::F32, &BTreeMap::new()).expect("saved");
    }
}
