//! GGUF files as llama.cpp's converter writes them, and as nobody should.

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

/// Numbers of 32 bits that a file may claim.
const CLAIMS: [u32; 10] = [0, 1, 2, 3, 5, 96, 1 << 16, 1 << 31, f32::NAN.to_bits(), u32::MAX];

/// Where a number of 32 bits of the metadata is: after its key and four bytes for its type.
fn place_of(key: &str, file: &[u8]) -> usize {
    let key = key.as_bytes();
    let found = file.windows(key.len()).position(|window| window == key);
    found.expect("the file has no such key") + key.len() + 4
}

/// Any two numbers may be wrong: loading fails with an error, or gives a model that can be asked.
#[test]
fn metadata_may_claim_anything() {
    let file = std::fs::read(golden().join("llama_gguf/model.gguf")).expect("read");
    let places = [
        "context_length",
        "embedding_length",
        "block_count",
        "feed_forward_length",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.layer_norm_rms_epsilon",
        "rope.freq_base",
        "rope.dimension_count",
    ]
    .map(|key| place_of(&format!("llama.{key}"), &file));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.gguf");
    let (mut loaded, mut refused) = (0, 0);
    for (i, first) in places.iter().enumerate() {
        for (second, [a, b]) in places[i..].iter().flat_map(|second| {
            CLAIMS.iter().flat_map(move |a| CLAIMS.iter().map(move |b| (second, [a, b])))
        }) {
            let mut changed = file.clone();
            changed[*first..][..4].copy_from_slice(&a.to_le_bytes());
            changed[*second..][..4].copy_from_slice(&b.to_le_bytes());
            std::fs::write(&path, changed).expect("written");
            match Decoder::load(&path, &Device::flex(), DType::F32) {
                Ok((decoder, _)) => {
                    decoder.forward(decoder.embed(tensor(&[vec![1, 2, 3]])), None, None);
                    loaded += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(loaded > 0 && refused > 0, "{loaded} loaded, {refused} refused");
}
