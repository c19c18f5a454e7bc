//! `[model.start]`: how a new backbone's layers start.
//!
//! Whether a named thing is in a picture, how often, where and of what colour: all of it asks for
//! attention from the name to the visual tokens that are like it. Heads that start from random
//! queries and keys take thousands of steps to find that out; heads whose keys start equal to
//! their queries do it from the first step (mimetic initialisation, Trockman and Kolter, 2023,
//! §3). In a decoder with rotary positions this holds for the pairs of channels that turn slowly;
//! the others would tell distance, and start at nothing.

use quintet_models::{Multimodal, backbones::DecoderConfig, multimodal::PARTS};
use quintet_nn::Params;
use serde::Deserialize;

/// The standard deviation that linear maps are made with.
const MADE_WITH: f32 = 0.02;
/// Maps that write to the residual stream start smaller by this factor, so that tokens keep their
/// identity at first.
const OUTPUT_SCALE: f32 = 0.3;
/// Score of a token with itself in a head that starts with equal queries and keys.
const SELF_SCORE: f32 = 6.0;

/// Settings of the start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartSpec {
    /// First layers in which heads start with equal queries and keys.
    pub mimetic_layers: usize,
    /// How many of each layer's key heads do.
    pub mimetic_heads: usize,
}

impl StartSpec {
    /// Scales the layers' maps to a standard deviation of one over the root of their inputs, and
    /// lets the first heads attend to what is like the token.
    pub(super) fn apply(&self, model: &Multimodal) {
        let (params, config) = (model.params(), model.text_config());
        for cell in params.iter().filter(|cell| cell.name().starts_with(PARTS[2].1)) {
            let &[_, input] = cell.shape() else { continue };
            if !cell.name().contains(".layers.") {
                continue;
            }
            let writes = ["o_proj", "out_proj", "down_proj", "fc2"];
            let writes = writes.iter().any(|map| cell.name().contains(map));
            let scale = if writes { OUTPUT_SCALE } else { 1.0 } / (input as f32).sqrt();
            cell.set(cell.value().mul_scalar(scale / MADE_WITH));
        }
        for layer in 0..self.mimetic_layers.min(config.num_hidden_layers) {
            equal_heads(params, config, layer, self.mimetic_heads);
        }
    }
}

/// Sets the first `heads` key heads of a layer, and the query heads that share them, to one map
/// without the channels that turn more than once over the longest text.
fn equal_heads(params: &Params, config: &DecoderConfig, layer: usize, heads: usize) {
    let map = |kind: &str| {
        let end = format!(".layers.{layer}.self_attn.{kind}.weight");
        let mut backbone = params.iter().filter(|cell| cell.name().starts_with(PARTS[2].1));
        backbone.find(|cell| cell.name().ends_with(&end))
    };
    let (Some(query), Some(key)) = (map("q_proj"), map("k_proj")) else { return };
    let (width, head_dim) = (config.hidden_size, config.head_dim);
    let turns = |channel: usize| {
        let pair = (channel % (head_dim / 2)) as f64;
        let frequency = config.rope_theta.powf(-2.0 * pair / head_dim as f64);
        frequency * config.max_position_embeddings as f64 / std::f64::consts::TAU
    };
    let slow = (0..head_dim).filter(|channel| turns(*channel) < 1.0).count().max(1) as f32;
    // A normalised token has `width` squares in all, so a row of variance s² gives width · s².
    let variance = SELF_SCORE * (head_dim as f32).sqrt() / (slow * width as f32);
    let scale = variance.sqrt() * (width as f32).sqrt();
    let size = head_dim * width;
    let shared = config.num_attention_heads / config.num_key_value_heads;
    let (mut queries, mut keys) = (query.to_f32(), key.to_f32());
    for head in 0..heads.min(config.num_key_value_heads) {
        let rows = keys[head * size..(head + 1) * size].chunks_exact(width).enumerate();
        let start: Vec<f32> = rows
            .flat_map(|(channel, row)| {
                let scale = if turns(channel) < 1.0 { scale } else { 0.0 };
                row.iter().map(move |value| value * scale)
            })
            .collect();
        keys[head * size..(head + 1) * size].copy_from_slice(&start);
        for reader in head * shared..(head + 1) * shared {
            queries[reader * size..(reader + 1) * size].copy_from_slice(&start);
        }
    }
    Params::assign(query, queries);
    Params::assign(key, keys);
}

#[cfg(test)]
mod tests {
    use crate::job::{ModelSpec, model::tests::TINY};

    #[test]
    fn a_token_scores_highest_with_its_like() {
        let spec: ModelSpec = toml::from_str(TINY).unwrap();
        let (model, _) = spec.build(3, &burn::Device::flex()).unwrap();
        let map = |kind: &str| {
            let name = format!("language_model.model.layers.0.self_attn.{kind}.weight");
            model.params().get(&name).unwrap().to_f32()
        };
        let (queries, keys) = (map("q_proj"), map("k_proj"));
        let (width, head) = (64, 32);
        // Two of four query heads read the first of two key heads.
        assert_eq!(queries[..head * width], keys[..head * width]);
        assert_eq!(queries[head * width..2 * head * width], keys[..head * width]);
        assert_ne!(queries[2 * head * width..3 * head * width], keys[head * width..]);
        let token = |seed: usize| -> Vec<f32> {
            (0..width)
                .map(|i| if (i * i + seed * i).is_multiple_of(3) { 1.0 } else { -1.0 })
                .collect()
        };
        let see = |x: &[f32]| -> Vec<f32> {
            let rows = keys[..head * width].chunks_exact(width);
            rows.map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
        };
        let score = |a: &[f32], b: &[f32]| -> f32 {
            let products = see(a).into_iter().zip(see(b)).map(|(a, b)| a * b);
            products.sum::<f32>() / (head as f32).sqrt()
        };
        let (one, other) = (token(1), token(2));
        let own = score(&one, &one);
        assert!((2.0..12.0).contains(&own), "{own}");
        assert!(score(&one, &other) < 0.7 * own);
    }
}
