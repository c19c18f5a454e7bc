//! What holds for any weights.

use burn::{DType, Device, Tensor};
use quintet_models::backbones::{Decoder, DecoderConfig, Family};
use quintet_nn::{Params, Rows, write_file};
use quintet_testing::assert_half_storage;
use quintet_weights::SaveDType;

use crate::common::{difference, drawn, tensor, text, tiny, values};

fn logits(decoder: &Decoder, ids: &[Vec<i32>], rows: Option<&Rows>) -> Tensor<3> {
    decoder.logits(decoder.forward(decoder.embed(tensor(ids)), rows, None))
}

fn for_each_family(law: impl Fn(&Decoder, &Params)) {
    for family in Family::ALL {
        let (decoder, params) = drawn(&tiny(family));
        law(&decoder, &params);
    }
}

fn close(ours: &Tensor<3>, theirs: &Tensor<3>, tolerance: f32, what: &str) {
    let [b, t, _] = ours.dims();
    let worst = difference(ours, &values(theirs), &Rows::left_padded(&vec![t; b], t));
    assert!(worst < tolerance, "{what}: differs by {worst}");
}

#[test]
fn cached_equals_uncached() {
    for_each_family(|decoder, _| {
        let ids = [text(11, 0), text(11, 1)];
        let whole = logits(decoder, &ids, None);
        let mut cache = decoder.new_cache();
        let mut parts = Vec::new();
        for (start, end) in [(0, 4), (4, 5), (5, 6), (6, 11)] {
            let part: Vec<Vec<i32>> = ids.iter().map(|row| row[start..end].to_vec()).collect();
            let embeds = decoder.embed(tensor(&part));
            parts.push(decoder.forward(embeds, None, Some(&mut cache)));
            assert_eq!(cache.len(), end);
        }
        let parts = decoder.logits(Tensor::cat(parts, 1));
        close(&parts, &whole, 1e-5, decoder.config().family.model_type());
    });
}

#[test]
fn a_truncated_cache_forgets() {
    for_each_family(|decoder, _| {
        let mut cache = decoder.new_cache();
        let run = |ids: Vec<i32>, cache: &mut _| {
            decoder.forward(decoder.embed(tensor(&[ids])), None, Some(cache))
        };
        run(text(6, 0), &mut cache);
        let first = run(text(3, 2), &mut cache);
        cache.truncate(6);
        run(text(2, 5), &mut cache);
        cache.truncate(6);
        close(&run(text(3, 2), &mut cache), &first, 1e-6, decoder.config().family.model_type());
    });
}

#[test]
fn a_ragged_batch_equals_one_by_one_with_and_without_a_cache() {
    for_each_family(|decoder, _| {
        let (lengths, total) = ([3, 9, 6], 9);
        let texts: Vec<Vec<i32>> = lengths.iter().map(|&len| text(len, len)).collect();
        let rows = Rows::left_padded(&lengths, total);
        let padded: Vec<Vec<i32>> =
            texts.iter().map(|row| [vec![0; total - row.len()], row.clone()].concat()).collect();
        let whole = logits(decoder, &padded, Some(&rows));

        let mut cache = decoder.new_cache();
        let prompt: Vec<Vec<i32>> = padded.iter().map(|row| row[..total - 1].to_vec()).collect();
        let before = Rows::left_padded(&lengths.map(|len| len - 1), total - 1);
        decoder.forward(decoder.embed(tensor(&prompt)), Some(&before), Some(&mut cache));
        let last: Vec<Vec<i32>> = padded.iter().map(|row| row[total - 1..].to_vec()).collect();
        let step =
            decoder.forward(decoder.embed(tensor(&last)), Some(&before.grown(1)), Some(&mut cache));
        let step = decoder.logits(step);

        for (row, alone) in texts.iter().enumerate() {
            let alone_logits = logits(decoder, std::slice::from_ref(alone), None);
            let len = alone.len();
            let ours = whole.clone().narrow(0, row, 1).narrow(1, total - len, len);
            close(&ours, &alone_logits, 1e-5, decoder.config().family.model_type());
            let ours = step.clone().narrow(0, row, 1);
            close(&ours, &alone_logits.narrow(1, len - 1, 1), 1e-5, "last token with a cache");
        }
    });
}

#[test]
fn padding_changes_nothing() {
    for_each_family(|decoder, _| {
        let real = text(6, 3);
        let alone = logits(decoder, std::slice::from_ref(&real), None);
        for filler in [0, 17] {
            let left = [vec![filler; 4], real.clone()].concat();
            let ours = logits(decoder, &[left], Some(&Rows::left_padded(&[6], 10)));
            close(&ours.narrow(1, 4, 6), &alone, 1e-5, "left padding");
            let right = [real.clone(), vec![filler; 4]].concat();
            let ours = logits(decoder, &[right], Some(&Rows::right_padded(&[6])));
            close(&ours.narrow(1, 0, 6), &alone, 1e-5, "right padding");
        }
    });
}

#[test]
fn a_future_token_does_not_change_the_past() {
    for_each_family(|decoder, _| {
        let mut ids = text(8, 0);
        let before = logits(decoder, &[ids.clone()], None);
        ids[5] = 1 + ids[5] % 39;
        let after = logits(decoder, &[ids], None);
        let (past, future) = ((0, 5), (5, 3));
        assert_eq!(
            values(&before.clone().narrow(1, past.0, past.1)),
            values(&after.clone().narrow(1, past.0, past.1)),
        );
        let rows = Rows::left_padded(&[3], 3);
        let theirs = values(&after.narrow(1, future.0, future.1));
        assert!(difference(&before.narrow(1, future.0, future.1), &theirs, &rows) > 1e-3);
    });
}

#[test]
fn a_window_hides_what_is_too_far_back() {
    // Two layers of window 5 see at most 8 tokens back.
    let (decoder, _) = drawn(&tiny(Family::Mistral));
    let ids = text(14, 0);
    let mut other = ids.clone();
    other[0] = 1 + other[0] % 39;
    let (a, b) = (logits(&decoder, &[ids], None), logits(&decoder, &[other], None));
    assert_eq!(values(&a.clone().narrow(1, 9, 5)), values(&b.clone().narrow(1, 9, 5)));
    let rows = Rows::left_padded(&[9], 9);
    assert!(difference(&a.narrow(1, 0, 9), &values(&b.narrow(1, 0, 9)), &rows) > 1e-3);
}

/// Mean of squares, so that every output matters.
fn gradients(decoder: &Decoder, params: &Params) -> Vec<(String, bool, Option<Vec<f32>>)> {
    let ids = [text(7, 0), [vec![0; 2], text(5, 1)].concat()];
    let rows = Rows::left_padded(&[7, 5], 7);
    let mut grads = logits(decoder, &ids, Some(&rows)).square().mean().backward();
    params
        .iter()
        .map(|cell| {
            let grad = cell.take_grad(&mut grads).map(|grad| values(&grad));
            (cell.name().to_owned(), cell.is_trainable(), grad)
        })
        .collect()
}

/// Whether the loss can depend on a parameter at all: attention is invariant to the key's bias
/// when nothing rotates it.
fn has_effect(config: &DecoderConfig, name: &str) -> bool {
    !(config.family == Family::Opt && name.ends_with("k_proj.bias"))
}

#[test]
fn half_storage_changes_little() {
    for_each_family(|decoder, params| {
        let ids = [text(7, 0), text(7, 1)];
        let hidden = || decoder.forward(decoder.embed(tensor(&ids)), None, None);
        assert_half_storage(params, hidden, decoder.config().family.model_type());
    });
}

#[test]
fn trainable_parameters_get_gradients_and_frozen_ones_none() {
    for_each_family(|decoder, params| {
        let picks: [fn(&str) -> bool; 3] =
            [|_| true, |name| name.contains("layers.0.self_attn"), |name| name.contains("embed")];
        for pick in picks {
            params.set_trainable(pick);
            let mut trained = 0;
            for (name, trainable, grad) in gradients(decoder, params) {
                assert_eq!(trainable, pick(&name), "{name}");
                assert_eq!(grad.is_some(), trainable, "{name}: gradient of the wrong kind");
                let Some(grad) = grad else { continue };
                trained += 1;
                assert!(grad.iter().all(|g| g.is_finite()), "{name}: not finite");
                if has_effect(decoder.config(), &name) {
                    assert!(grad.iter().any(|&g| g != 0.0), "{name}: all zero");
                }
            }
            assert!(trained > 0);
        }
    });
}

#[test]
fn saved_and_loaded_gives_the_same_logits() {
    for_each_family(|decoder, params| {
        let dir = tempfile::tempdir().expect("a directory");
        let config = serde_json::to_vec_pretty(decoder.config()).expect("json");
        write_file(&dir.path().join("config.json"), &config).expect("written");
        let path = dir.path().join("model.safetensors");
        params.save(&path, SaveDType::F32, |_| true).expect("saved");
        let (again, loaded) =
            Decoder::load(dir.path(), &Device::flex(), DType::F32).expect("loaded");
        assert_eq!(again.config(), decoder.config());
        assert_eq!(loaded.count(), params.count());
        let ids = [text(9, 0)];
        assert_eq!(values(&logits(decoder, &ids, None)), values(&logits(&again, &ids, None)));
    });
}

#[test]
fn a_checkpoint_that_does_not_fit_is_named() {
    let (decoder, params) = drawn(&tiny(Family::Llama));
    let dir = tempfile::tempdir().expect("a directory");
    let save = |config: &DecoderConfig, pick: fn(&str) -> bool| {
        let json = serde_json::to_vec(config).expect("json");
        write_file(&dir.path().join("config.json"), &json).expect("written");
        params.save(&dir.path().join("model.safetensors"), SaveDType::F32, pick).expect("saved");
        let loaded = Decoder::load(dir.path(), &Device::flex(), DType::F32);
        loaded.expect_err("refused").to_string()
    };
    let config = decoder.config();
    let lacking = save(config, |name| !name.contains("layers.1.mlp.up_proj"));
    assert!(lacking.contains("model.layers.1.mlp.up_proj.weight' is missing"), "{lacking}");
    let wide = save(&DecoderConfig { intermediate_size: 50, ..config.clone() }, |_| true);
    assert!(wide.contains("gate_proj.weight") && wide.contains("[48, 32]"), "{wide}");
    let extra = DecoderConfig {
        tie_word_embeddings: true,
        num_hidden_layers: 1,
        sliding_layers: vec![false],
        ..config.clone()
    };
    let extra = save(&extra, |_| true);
    assert!(extra.contains("model.layers.1."), "{extra}");
}

#[test]
fn parameter_count_equals_what_is_built() {
    for_each_family(|decoder, params| {
        assert_eq!(decoder.config().parameter_count(), params.count());
    });
    for plain in [true, false] {
        let config = DecoderConfig {
            layer_norm_elementwise_affine: plain,
            do_layer_norm_before: true,
            attention_bias: plain,
            mlp_bias: plain,
            ..tiny(Family::Opt)
        };
        assert_eq!(config.parameter_count(), drawn(&config).1.count());
        let config =
            DecoderConfig { attention_bias: plain, mlp_bias: plain, ..tiny(Family::Llama) };
        assert_eq!(config.parameter_count(), drawn(&config).1.count());
    }
}
