//! The sizes and switches of a decoder, spelled as Hugging Face's configurations spell them.

use std::path::Path;

use quintet_nn::{Activation, RopeScaling};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result};

/// Largest width, vocabulary or head count that a configuration may ask for. Published models
/// stay far below; products of two such numbers and a layer count fit in 64 bits.
const MAX_SIZE: usize = 1 << 24;

/// Most layers that a configuration may ask for.
const MAX_LAYERS: usize = 1 << 12;

/// Rows that OPT's position table has before position 0.
pub(crate) const OPT_POSITION_OFFSET: usize = 2;

/// The published architectures that one decoder covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// LLaMA (Touvron et al., 2023), LLaMA-2, Vicuna, SmolLM2: RMSNorm, RoPE, SwiGLU.
    Llama,
    /// Mistral (Jiang et al., 2023): LLaMA with a sliding window.
    Mistral,
    /// Qwen2 (Yang et al., 2024): LLaMA with biases on query, key and value.
    Qwen2,
    /// OPT (Zhang et al., 2022): LayerNorm, learned positions, a plain MLP.
    Opt,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Llama, Self::Mistral, Self::Qwen2, Self::Opt];

    /// The `model_type` of its configurations.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Opt => "opt",
        }
    }

    /// The class that `transformers` builds for it.
    pub(crate) fn architecture(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Opt => "OPTForCausalLM",
        }
    }
}

/// What a decoder is built from. Reads and writes the `config.json` of `transformers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct DecoderConfig {
    /// The architecture.
    pub family: Family,
    /// Tokens that have an embedding.
    pub vocab_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads.
    pub num_key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// The MLP's non-linearity.
    pub hidden_act: Activation,
    /// Context the model was trained on; the size of OPT's position table.
    pub max_position_embeddings: usize,
    /// Added to the variance (LayerNorm) or mean square (RMSNorm).
    pub norm_eps: f64,
    /// Whether the head's weight is the embedding table.
    pub tie_word_embeddings: bool,
    /// Whether attention's maps have biases (Qwen2: all but the output map).
    pub attention_bias: bool,
    /// Whether the MLP's maps have biases.
    pub mlp_bias: bool,
    /// Base of the rotary frequencies. OPT has none.
    pub rope_theta: f64,
    /// How the frequencies are stretched.
    pub rope_scaling: RopeScaling,
    /// Keys that a query of a sliding layer sees, itself included.
    pub sliding_window: Option<usize>,
    /// Which layers slide, one entry per layer. All false without a window.
    pub sliding_layers: Vec<bool>,
    /// OPT: width of the token embeddings, mapped to `hidden_size` when it differs.
    pub word_embed_proj_dim: usize,
    /// OPT: norms come before attention and MLP (all sizes but 350m).
    pub do_layer_norm_before: bool,
    /// OPT: the norm after the last block is left out though norms come first.
    pub remove_final_layer_norm: bool,
    /// OPT: norms have weights and biases.
    pub layer_norm_elementwise_affine: bool,
    /// First token of a text.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// Token that fills rows up.
    pub pad_token_id: Option<u32>,
}

impl DecoderConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// If the file cannot be read, or describes a model that the decoder does not cover.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::Config { path: path.to_owned(), reason: error.to_string() })
    }

    /// Whether the norms are LayerNorm, positions are learned and the MLP is plain.
    pub(crate) fn is_opt(&self) -> bool {
        self.family == Family::Opt
    }

    /// Whether attention's output map has a bias.
    pub(crate) fn output_bias(&self) -> bool {
        self.attention_bias && self.family != Family::Qwen2
    }

    /// Whether a norm follows the last block.
    pub(crate) fn final_norm(&self) -> bool {
        !self.is_opt() || self.do_layer_norm_before && !self.remove_final_layer_norm
    }

    /// The window of a layer.
    pub fn window(&self, layer: usize) -> Option<usize> {
        self.sliding_window.filter(|_| self.sliding_layers.get(layer).is_some_and(|&on| on))
    }

    /// The longest text the decoder was made to read.
    pub fn context(&self) -> usize {
        self.rope_scaling.context(self.max_position_embeddings)
    }

    /// The longest text the decoder can read at all; rotary positions have no end.
    pub fn position_limit(&self) -> Option<usize> {
        self.is_opt().then_some(self.max_position_embeddings)
    }

    /// Number of parameters, computed without building them.
    pub fn parameter_count(&self) -> usize {
        let d = self.hidden_size;
        let bias = |on: bool, len: usize| if on { len } else { 0 };
        let queries = self.num_attention_heads * self.head_dim;
        let keys = self.num_key_value_heads * self.head_dim;
        let attention = 2 * d * (queries + keys)
            + bias(self.attention_bias, queries + 2 * keys)
            + bias(self.output_bias(), d);
        let wide = self.intermediate_size;
        let up_maps = if self.is_opt() { 1 } else { 2 };
        let mlp = (up_maps + 1) * d * wide + bias(self.mlp_bias, up_maps * wide + d);
        let norm = match self.is_opt() {
            false => d,
            true => bias(self.layer_norm_elementwise_affine, 2 * d),
        };
        let table = self.vocab_size * self.word_embed_proj_dim;
        let tables = if self.tie_word_embeddings { table } else { 2 * table };
        let projections = bias(self.word_embed_proj_dim != d, 2 * d * self.word_embed_proj_dim);
        let positions =
            bias(self.is_opt(), (self.max_position_embeddings + OPT_POSITION_OFFSET) * d);
        tables
            + projections
            + positions
            + self.num_hidden_layers * (attention + mlp + 2 * norm)
            + bias(self.final_norm(), norm)
    }

    /// The model's name for a tensor of a checkpoint, or `None` for one that holds no parameter
    /// of its own: a second copy of a tied head, or a table of rotary frequencies.
    pub fn parameter_name(&self, name: &str) -> Option<String> {
        let tied = self.tie_word_embeddings && name == "lm_head.weight";
        if tied || name.ends_with(".rotary_emb.inv_freq") {
            return None;
        }
        // Checkpoints of the bare model, without its head, lack the outer name.
        let bare = match self.family {
            Family::Opt => name.starts_with("decoder."),
            _ => ["embed_tokens.", "layers.", "norm."].iter().any(|p| name.starts_with(p)),
        };
        Some(if bare { format!("model.{name}") } else { name.to_owned() })
    }

    /// Checks that the numbers describe a decoder.
    ///
    /// # Errors
    /// With a sentence on the first that does not.
    pub fn validate(&self) -> std::result::Result<(), String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("head_dim", self.head_dim),
            ("word_embed_proj_dim", self.word_embed_proj_dim),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        for (name, size) in sizes {
            let limit = if name == "num_hidden_layers" { MAX_LAYERS } else { MAX_SIZE };
            if size == 0 || size > limit {
                return Err(format!("{name} is {size}; expected 1 to {limit}"));
            }
        }
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        let inner = heads * self.head_dim;
        if inner > MAX_SIZE {
            return Err(format!("{heads} heads of width {} are too wide", self.head_dim));
        }
        if heads % kv_heads != 0 {
            return Err(format!(
                "num_attention_heads {heads} is no multiple of num_key_value_heads {kv_heads}"
            ));
        }
        if self.is_opt() {
            if inner != self.hidden_size || heads != kv_heads {
                return Err(format!(
                    "hidden_size {} does not split into {heads} heads",
                    self.hidden_size
                ));
            }
        } else if !self.head_dim.is_multiple_of(2) {
            return Err(format!(
                "head_dim {} is odd; rotary embedding pairs dimensions",
                self.head_dim
            ));
        } else if self.word_embed_proj_dim != self.hidden_size {
            return Err("only OPT embeds tokens at another width than hidden_size".to_owned());
        }
        if self.sliding_layers.len() != self.num_hidden_layers {
            return Err(format!(
                "layer_types has {} entries for {} layers",
                self.sliding_layers.len(),
                self.num_hidden_layers
            ));
        }
        if self.sliding_window == Some(0) {
            return Err("sliding_window is 0; a query must see itself".to_owned());
        }
        if self.sliding_window.is_none() && self.sliding_layers.contains(&true) {
            return Err("layer_types has sliding layers, but there is no sliding_window".to_owned());
        }
        if !(self.norm_eps >= 0.0 && self.norm_eps.is_finite()) {
            return Err(format!("the norms' eps is {}; expected a small number", self.norm_eps));
        }
        if !(self.rope_theta > 1.0 && self.rope_theta.is_finite()) {
            return Err(format!("rope_theta is {}; expected more than 1", self.rope_theta));
        }
        Ok(())
    }
}
