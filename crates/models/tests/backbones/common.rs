//! Small models, golden files and comparisons.

use std::path::{Path, PathBuf};

use burn::{DType, Device, Int, Tensor, TensorData};
use quintet_models::backbones::{Decoder, DecoderConfig, Family, preset};
use quintet_nn::{Checkpoint, Params, Rows, Vars};
use quintet_weights::Weights;

pub fn golden() -> PathBuf {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden");
    std::env::var_os("QUINTET_GOLDEN")
        .map_or_else(|| PathBuf::from(committed), PathBuf::from)
        .join("backbones")
}

/// Where the weights of a golden model are: some share those of another.
pub fn weights_dir(dir: &Path) -> PathBuf {
    match std::fs::read_to_string(dir.join("weights_from")) {
        Ok(name) => dir.with_file_name(name.trim()),
        Err(_) => dir.to_owned(),
    }
}

/// A golden model with its own configuration and perhaps another's weights.
pub fn load(dir: &Path, dtype: DType) -> (Decoder, Params) {
    let weights = weights_dir(dir);
    let own = dir.join("config.json");
    let config = if own.exists() { own } else { weights.join("config.json") };
    let config = DecoderConfig::load(&config).expect("config.json");
    let source = Checkpoint::open(&weights, |name| config.parameter_name(name)).expect("weights");
    let vars = Vars::load(source, &Device::flex(), dtype);
    let decoder = Decoder::new(&vars, &config).expect("the weights fit");
    (decoder, vars.finish().expect("no tensor is left over"))
}

/// A batch and what the reference computes of it.
pub struct Expected {
    weights: Weights,
    pub ids: Vec<Vec<i32>>,
    pub rows: Rows,
    pub greedy: Vec<Vec<i32>>,
}

impl Expected {
    pub fn load(dir: &Path) -> Self {
        let weights = Weights::open(&dir.join("expected.safetensors")).expect("expected values");
        let table = |name: &str| -> Vec<Vec<i32>> {
            let width = weights.info(name).expect("tensor").shape[1];
            let values = weights.f32(name).expect("values");
            values.chunks(width).map(|row| row.iter().map(|&x| x as i32).collect()).collect()
        };
        let (ids, mask, greedy) = (table("ids"), table("mask"), table("greedy"));
        let lengths: Vec<usize> =
            mask.iter().map(|row| row.iter().filter(|&&real| real == 1).count()).collect();
        let rows = Rows::left_padded(&lengths, ids[0].len());
        Self { weights, ids, rows, greedy }
    }

    pub fn get(&self, name: &str) -> Vec<f32> {
        self.weights.f32(name).expect("expected tensor")
    }

    pub fn hidden_count(&self) -> usize {
        self.weights.names().filter(|name| name.starts_with("hidden.")).count()
    }
}

pub fn tensor(ids: &[Vec<i32>]) -> Tensor<2, Int> {
    let shape = [ids.len(), ids[0].len()];
    Tensor::from_data(TensorData::new(ids.concat(), shape), &Device::flex())
}

pub fn values<const D: usize>(x: &Tensor<D>) -> Vec<f32> {
    x.clone().into_data().iter::<f32>().collect()
}

/// Largest difference at the real tokens of `[b, t, d]` tensors.
pub fn difference(ours: &Tensor<3>, theirs: &[f32], rows: &Rows) -> f32 {
    let [b, t, d] = ours.dims();
    let ours = values(ours);
    assert_eq!(ours.len(), theirs.len(), "shapes differ");
    let mut worst = 0.0f32;
    for row in 0..b {
        let real = rows.ranges()[row].clone();
        let span = (row * t + real.start) * d..(row * t + real.end.min(t)) * d;
        for (a, b) in ours[span.clone()].iter().zip(&theirs[span]) {
            assert!(a.is_finite(), "not finite");
            worst = worst.max((a - b).abs());
        }
    }
    worst
}

/// The best token again and again, with a cache.
pub fn greedy(decoder: &Decoder, ids: &[Vec<i32>], rows: &Rows, count: usize) -> Vec<Vec<i32>> {
    let mut cache = decoder.new_cache();
    let mut rows = rows.clone();
    let mut next = tensor(ids);
    let mut made = vec![Vec::new(); ids.len()];
    for _ in 0..count {
        let hidden = decoder.forward(decoder.embed(next), Some(&rows), Some(&mut cache));
        let last = hidden.dims()[1] - 1;
        let logits = decoder.logits(hidden.narrow(1, last, 1)); // [b, 1, vocab]
        let best: Vec<i32> = logits.argmax(2).into_data().iter::<i32>().collect();
        made.iter_mut().zip(&best).for_each(|(row, &token)| row.push(token));
        next = tensor(&best.iter().map(|&token| vec![token]).collect::<Vec<_>>());
        rows = rows.grown(1);
    }
    made
}

/// A small configuration of a family, with the switches of its presets.
pub fn tiny(family: Family) -> DecoderConfig {
    let name = match family {
        Family::Llama => "LLaMA-2-7B",
        Family::Mistral => "Mistral-7B",
        Family::Qwen2 => "Qwen2-0.5B",
        Family::Opt => "OPT-350m",
    };
    let opt = family == Family::Opt;
    DecoderConfig {
        vocab_size: 40,
        hidden_size: 32,
        intermediate_size: 48,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: if opt { 4 } else { 2 },
        head_dim: 8,
        max_position_embeddings: 64,
        sliding_window: (family == Family::Mistral).then_some(5),
        sliding_layers: vec![family == Family::Mistral; 2],
        word_embed_proj_dim: if opt { 16 } else { 32 },
        ..preset(name).expect("a preset").config()
    }
}

/// A decoder drawn from a seed, with weights large enough that attention is far from uniform.
pub fn drawn(config: &DecoderConfig) -> (Decoder, Params) {
    let vars = Vars::random(7, &Device::flex());
    let decoder = Decoder::new(&vars, config).expect("a decoder");
    let params = vars.finish().expect("parameters");
    for (i, cell) in params.iter().enumerate() {
        let norm = cell.name().contains("norm");
        let scale = if cell.shape().len() == 1 { 2.0 } else { 8.0 };
        let values = cell.to_f32().into_iter().enumerate().map(|(j, x)| match cell.shape().len() {
            // Biases and norms start at constants, which hide mistakes.
            1 => x + 0.3 * ((i * 31 + j * 17) as f32).sin() / if norm { 2.0 } else { 1.0 },
            _ => x * scale,
        });
        Params::assign(cell, values.collect());
    }
    (decoder, params)
}

/// A text of this length that differs by `salt`.
pub fn text(len: usize, salt: usize) -> Vec<i32> {
    (0..len).map(|i| (1 + (i * 7 + salt * 13 + i * i * 3) % 39) as i32).collect()
}
