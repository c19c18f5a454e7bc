//! GGUF files as llama.cpp's converter writes them.

use burn::{DType, Device};
use quintet_models::backbones::{Decoder, DecoderConfig};

use crate::common::{Expected, difference, golden, greedy, tensor};

#[test]
fn llama_from_gguf_is_the_model_it_was_made_from() {
    let original = golden().join("llama");
    let (decoder, _) =
        Decoder::load(&golden().join("llama_gguf"), &Device::flex(), DType::F32).expect("loaded");
    let config = DecoderConfig::load(&original.join("config.json")).expect("config.json");
    let found = decoder.config();
    // The file keeps epsilon in single precision.
    assert!((found.norm_eps - config.norm_eps).abs() < 1e-12);
    let found = DecoderConfig { norm_eps: config.norm_eps, ..found.clone() };
    assert_eq!(found, config);

    let expected = Expected::load(&original);
    let hidden = decoder.forward(decoder.embed(tensor(&expected.ids)), Some(&expected.rows), None);
    let worst = difference(&decoder.logits(hidden), &expected.get("logits"), &expected.rows);
    assert!(worst < 1e-4, "logits differ by {worst}");
    assert_eq!(greedy(&decoder, &expected.ids, &expected.rows, 32), expected.greedy);
}

/// With matrices unpacked: the kernels of quantised ones round activations too.
fn gives_what_is_expected(folder: &str) -> DecoderConfig {
    let folder = golden().join(folder);
    let (decoder, params) = Decoder::load(&folder, &Device::flex(), DType::F32).expect("loaded");
    params.unpack();
    let expected = Expected::load(&folder);
    let hidden = decoder.forward(decoder.embed(tensor(&expected.ids)), Some(&expected.rows), None);
    let worst = difference(&decoder.logits(hidden), &expected.get("logits"), &expected.rows);
    assert!(worst < 1e-4, "logits differ by {worst}");
    assert_eq!(greedy(&decoder, &expected.ids, &expected.rows, 32), expected.greedy);
    decoder.config().clone()
}

#[test]
fn qwen2_from_gguf_has_its_biases() {
    let config = gives_what_is_expected("qwen2_gguf");
    assert!(config.attention_bias && config.tie_word_embeddings);
}

#[test]
fn heads_of_quantised_matrices_are_put_back_in_order() {
    gives_what_is_expected("llama_q8_gguf");
}
