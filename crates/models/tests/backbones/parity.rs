//! Outputs of `transformers` on tiny random checkpoints (`golden/backbones/make.py`).

use burn::{DType, Device, Tensor, TensorData};

use crate::common::{Expected, difference, golden, greedy, load, tensor, values};

const TOLERANCE: f32 = 1e-4;

fn check(name: &str, has_hidden: bool) {
    let dir = golden().join(name);
    let expected = Expected::load(&dir);
    let (decoder, _) = load(&dir, DType::F32);
    let embeds = decoder.embed(tensor(&expected.ids));
    let states = decoder.forward_hidden(embeds, Some(&expected.rows), None);
    let layers = decoder.config().num_hidden_layers;
    assert_eq!(states.len(), layers + 1);
    assert_eq!(expected.hidden_count(), if has_hidden { layers + 1 } else { 0 });
    for (i, state) in states.iter().enumerate().take(expected.hidden_count()) {
        let worst = difference(state, &expected.get(&format!("hidden.{i}")), &expected.rows);
        assert!(worst < TOLERANCE, "{name}: hidden state {i} differs by {worst}");
    }
    if has_hidden {
        let embeds = decoder.embed(tensor(&expected.ids));
        let mut seen = Vec::new();
        decoder.attentions(embeds, Some(&expected.rows), |layer, weights| {
            // Queries at real tokens, each with what all heads give to every key.
            let [b, h, t, s] = weights.dims();
            let rows = |x: Tensor<4>| x.swap_dims(1, 2).reshape([b, t, h * s]);
            let theirs = expected.get(&format!("attention.{layer}"));
            let theirs = Tensor::from_data(TensorData::new(theirs, [b, h, t, s]), &Device::flex());
            let worst = difference(&rows(weights), &values(&rows(theirs)), &expected.rows);
            assert!(worst < TOLERANCE, "{name}: attention {layer} differs by {worst}");
            seen.push(layer);
        });
        assert!(seen.into_iter().eq(0..layers));
    }
    let logits = decoder.logits(states[layers].clone());
    let worst = difference(&logits, &expected.get("logits"), &expected.rows);
    assert!(worst < TOLERANCE, "{name}: logits differ by {worst}");
    let made = greedy(&decoder, &expected.ids, &expected.rows, expected.greedy[0].len());
    assert_eq!(made, expected.greedy, "{name}: greedy tokens");
    assert_eq!(made[0].len(), 32);
}

#[test]
fn llama() {
    check("llama", true);
}

#[test]
fn mistral_with_a_window_shorter_than_the_text() {
    check("mistral", true);
}

#[test]
fn qwen2_with_one_sliding_layer() {
    check("qwen2", true);
}

#[test]
fn opt() {
    check("opt", true);
}

#[test]
fn opt_with_norms_after_and_narrow_embeddings() {
    check("opt_post", true);
}

#[test]
fn linear_scaling() {
    check("llama_linear", false);
}

#[test]
fn dynamic_scaling() {
    check("llama_dynamic", false);
}

#[test]
fn llama3_scaling() {
    check("llama_llama3", false);
}

#[test]
fn yarn_scaling() {
    check("llama_yarn", false);
}

/// Half precision keeps about three digits; norms and softmax are in `f32`.
#[test]
fn half_precision_stays_close() {
    for name in ["llama", "opt"] {
        let dir = golden().join(name);
        let expected = Expected::load(&dir);
        let theirs = expected.get("logits");
        let largest = theirs.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        for (dtype, digits) in [(DType::BF16, 0.06), (DType::F16, 0.008)] {
            let (decoder, _) = load(&dir, dtype);
            let hidden =
                decoder.forward(decoder.embed(tensor(&expected.ids)), Some(&expected.rows), None);
            assert_eq!(hidden.dtype(), dtype);
            let worst = difference(&decoder.logits(hidden), &theirs, &expected.rows);
            assert!(worst < digits * largest, "{name} in {dtype:?}: {worst} of {largest}");
        }
    }
}
