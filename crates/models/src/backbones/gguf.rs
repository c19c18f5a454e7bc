//! Decoders from GGUF files: metadata as a [`DecoderConfig`], tensors under the names and in the
//! layout of Hugging Face checkpoints.
//!
//! Keys and tensor names are those of ggml `docs/gguf.md` and of llama.cpp's `constants.py`.

use std::{collections::BTreeMap, path::Path};

use quintet_nn::{Activation, RopeScaling, vars::TensorSource};
use quintet_weights::{Raw, Value, Weights};

use super::config::{DecoderConfig, Family};
use crate::{Error, Result};

/// GGUF's and Hugging Face's name of each part of a block.
const BLOCK_PARTS: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// A decoder in a GGUF file, quantised or not.
pub struct GgufCheckpoint {
    config: DecoderConfig,
    weights: Weights,
    /// Model name to file name.
    names: BTreeMap<String, String>,
}

impl GgufCheckpoint {
    /// Opens a GGUF file, or a directory that holds one.
    ///
    /// # Errors
    /// If it cannot be read, or its architecture is neither `llama` (which covers Mistral and
    /// SmolLM2) nor `qwen2`.
    pub fn open(path: &Path) -> Result<Self> {
        Self::new(Weights::open(path)?)
    }

    /// Takes an opened file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn new(weights: Weights) -> Result<Self> {
        let config = Metadata(&weights)
            .config()
            .map_err(|reason| Error::Config { path: weights.path().to_owned(), reason })?;
        let names = weights.names().map(|name| (model_name(name), name.to_owned())).collect();
        Ok(Self { config, weights, names })
    }

    /// The configuration in the file's metadata.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Heads whose rows llama.cpp reordered, if it did so for this tensor.
    fn reordered_heads(&self, name: &str) -> Option<usize> {
        let heads = match name {
            _ if self.config.family != Family::Llama => return None,
            _ if name.contains(".q_proj.") => self.config.num_attention_heads,
            _ if name.contains(".k_proj.") => self.config.num_key_value_heads,
            _ => return None,
        };
        Some(heads)
    }
}

impl TensorSource for GgufCheckpoint {
    fn describe(&self) -> String {
        self.weights.path().display().to_string()
    }

    fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.weights.info(self.names.get(name)?)?.shape.clone())
    }

    fn read(&self, name: &str) -> quintet_nn::Result<Vec<f32>> {
        let file_name = self.names.get(name).map_or(name, String::as_str);
        let values = self.weights.f32(file_name)?;
        Ok(match self.reordered_heads(name) {
            None => values,
            Some(heads) => halves_together(&values, heads, self.config.head_dim),
        })
    }

    fn quantised(&self, name: &str) -> Option<Raw> {
        let raw = self.weights.share(self.names.get(name)?).ok()?;
        match self.reordered_heads(name) {
            None => Some(raw),
            Some(heads) => {
                let bytes = halves_together(raw.bytes(), heads, self.config.head_dim);
                Raw::new(raw.dtype(), raw.shape().to_vec(), bytes)
            }
        }
    }
}

/// Rows of a query or key map in Hugging Face's order. llama.cpp rotates neighbouring dimensions,
/// so its converter interleaves the two halves of each head (`LlamaModel.permute`).
///
/// `rows` holds `heads × head_dim` rows of any equal length.
fn halves_together<T: Copy>(rows: &[T], heads: usize, head_dim: usize) -> Vec<T> {
    let len = rows.len() / (heads * head_dim);
    let row = |head: usize, i: usize| {
        let pair = i % (head_dim / 2);
        let half = i / (head_dim / 2);
        (head * head_dim + 2 * pair + half) * len
    };
    (0..heads)
        .flat_map(|head| (0..head_dim).map(move |i| row(head, i)))
        .flat_map(|start| rows[start..start + len].iter().copied())
        .collect()
}

/// Names outside the table stay as they are, so that an error calls them what the file calls them.
fn model_name(name: &str) -> String {
    let known = match name {
        "token_embd.weight" => Some("model.embed_tokens.weight".to_owned()),
        "output_norm.weight" => Some("model.norm.weight".to_owned()),
        "output.weight" => Some("lm_head.weight".to_owned()),
        _ => block_name(name),
    };
    known.unwrap_or_else(|| name.to_owned())
}

fn block_name(name: &str) -> Option<String> {
    let (layer, part) = name.strip_prefix("blk.")?.split_once('.')?;
    let (part, kind) = part.rsplit_once('.')?;
    let (_, part) = BLOCK_PARTS.iter().find(|(gguf, _)| *gguf == part)?;
    Some(format!("model.layers.{layer}.{part}.{kind}"))
}

/// Typed access to the metadata.
struct Metadata<'a>(&'a Weights);

type Parsed<T> = std::result::Result<T, String>;

impl Metadata<'_> {
    fn config(&self) -> Parsed<DecoderConfig> {
        let family = match self.text("general.architecture") {
            Some("llama") => Family::Llama,
            Some("qwen2") => Family::Qwen2,
            Some(other) => {
                return Err(format!(
                    "architecture '{other}' is not supported; llama and qwen2 are"
                ));
            }
            None => return Err("no general.architecture; is this a GGUF language model?".into()),
        };
        let arch = family.model_type();
        let key = |name: &str| format!("{arch}.{name}");
        let hidden_size = self.size(&key("embedding_length"))?;
        let layers = self.size(&key("block_count"))?;
        let heads = self.size(&key("attention.head_count"))?;
        let kv_heads = self.optional_size(&key("attention.head_count_kv"))?.unwrap_or(heads);
        let head_dim = match self.optional_size(&key("attention.key_length"))? {
            Some(width) => width,
            None => hidden_size.checked_div(heads).unwrap_or(0),
        };
        for rotated in ["rope.dimension_count", "attention.value_length"] {
            let width = self.optional_size(&key(rotated))?.unwrap_or(head_dim);
            if width != head_dim {
                return Err(format!("{arch}.{rotated} is {width}, but heads are {head_dim} wide"));
            }
        }
        if self.0.info("rope_freqs.weight").is_some() {
            return Err("per-dimension rotary factors (rope_freqs) are not supported; \
                        use the safetensors checkpoint"
                .into());
        }
        let max_positions = self.size(&key("context_length"))?;
        let (rope_theta, rope_scaling) = self.rope(arch, max_positions)?;
        let vocab_size = self
            .0
            .info("token_embd.weight")
            .and_then(|info| info.shape.first().copied())
            .ok_or("no tensor token_embd.weight")?;
        let config = DecoderConfig {
            family,
            vocab_size,
            hidden_size,
            intermediate_size: self.size(&key("feed_forward_length"))?,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim,
            hidden_act: Activation::Silu,
            max_position_embeddings: max_positions,
            norm_eps: self.number(&key("attention.layer_norm_rms_epsilon"))?.unwrap_or(1e-5),
            tie_word_embeddings: self.0.info("output.weight").is_none(),
            attention_bias: family == Family::Qwen2 || self.0.info("blk.0.attn_q.bias").is_some(),
            mlp_bias: self.0.info("blk.0.ffn_up.bias").is_some(),
            rope_theta,
            rope_scaling,
            sliding_window: None,
            // Bounded until the layer count has been checked.
            sliding_layers: vec![false; layers.min(1 << 16)],
            word_embed_proj_dim: hidden_size,
            do_layer_norm_before: true,
            remove_final_layer_norm: false,
            layer_norm_elementwise_affine: true,
            bos_token_id: self.token("bos")?,
            eos_token_ids: self.end_tokens()?,
            pad_token_id: self.token("padding")?,
        };
        config.validate()?;
        Ok(config)
    }

    fn rope(&self, arch: &str, max_positions: usize) -> Parsed<(f64, RopeScaling)> {
        let theta = self.number(&format!("{arch}.rope.freq_base"))?.unwrap_or(1e4);
        let factor = self.number(&format!("{arch}.rope.scaling.factor"))?;
        let scaling = match (self.text(&format!("{arch}.rope.scaling.type")), factor) {
            (None | Some("none"), _) | (Some("linear"), None) => RopeScaling::Default,
            (Some("linear"), Some(factor)) => RopeScaling::Linear { factor },
            (Some("yarn"), Some(factor)) => {
                let original =
                    self.optional_size(&format!("{arch}.rope.scaling.original_context_length"))?;
                RopeScaling::yarn(factor, original.unwrap_or(max_positions))
            }
            (Some(other), _) => {
                return Err(format!("rope scaling '{other}' is not supported"));
            }
        };
        Ok((theta, scaling))
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.0.metadata().get(key)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    fn size(&self, key: &str) -> Parsed<usize> {
        self.optional_size(key)?.ok_or_else(|| format!("metadata {key} is missing"))
    }

    fn optional_size(&self, key: &str) -> Parsed<Option<usize>> {
        let as_size = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        self.get(key)
            .map(|v| as_size(v).ok_or_else(|| format!("metadata {key} is {v:?}; expected a count")))
            .transpose()
    }

    fn number(&self, key: &str) -> Parsed<Option<f64>> {
        self.get(key)
            .map(|v| {
                v.as_f64().ok_or_else(|| format!("metadata {key} is {v:?}; expected a number"))
            })
            .transpose()
    }

    /// The end of a text and the end of a turn, which are often the same token.
    fn end_tokens(&self) -> Parsed<Vec<u32>> {
        let mut tokens: Vec<u32> =
            self.token("eos")?.into_iter().chain(self.token("eot")?).collect();
        tokens.dedup();
        Ok(tokens)
    }

    fn token(&self, which: &str) -> Parsed<Option<u32>> {
        let key = format!("tokenizer.ggml.{which}_token_id");
        self.optional_size(&key)?
            .map(|id| u32::try_from(id).map_err(|_| format!("{key} {id} is no token id")))
            .transpose()
    }
}
