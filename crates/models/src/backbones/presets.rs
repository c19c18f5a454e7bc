//! Published decoders by name.

use quintet_nn::{Activation, RopeScaling};

use super::config::{DecoderConfig, Family};

/// A published decoder.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name it is known by.
    pub name: &'static str,
    /// The parameter count that its publisher states.
    pub parameters: usize,
    build: fn() -> DecoderConfig,
}

impl Preset {
    /// Its configuration.
    pub fn config(&self) -> DecoderConfig {
        (self.build)()
    }
}

/// All of them. Sizes are those of the publishers' `config.json` files.
pub const PRESETS: &[Preset] = &[
    Preset { name: "LLaMA-7B", parameters: 6_738_415_616, build: || llama(SEVEN, 2048, 1e-6) },
    Preset { name: "LLaMA-2-7B", parameters: 6_738_415_616, build: || llama(SEVEN, 4096, 1e-5) },
    Preset {
        name: "LLaMA-2-13B",
        parameters: 13_015_864_320,
        build: || llama(THIRTEEN, 4096, 1e-5),
    },
    Preset {
        name: "Vicuna-7B-v1.5",
        parameters: 6_738_415_616,
        build: || llama(SEVEN, 4096, 1e-5),
    },
    Preset {
        name: "Vicuna-13B-v1.5",
        parameters: 13_015_864_320,
        build: || llama(THIRTEEN, 4096, 1e-5),
    },
    Preset { name: "Mistral-7B", parameters: 7_241_732_096, build: mistral_7b },
    Preset {
        name: "Qwen2-0.5B",
        parameters: 494_032_768,
        build: || qwen2([151_936, 896, 4864, 24, 14, 2], true),
    },
    Preset {
        name: "Qwen2-1.5B",
        parameters: 1_543_714_304,
        build: || qwen2([151_936, 1536, 8960, 28, 12, 2], true),
    },
    Preset {
        name: "Qwen2-7B",
        parameters: 7_615_616_512,
        build: || qwen2([152_064, 3584, 18_944, 28, 28, 4], false),
    },
    Preset {
        name: "SmolLM2-135M",
        parameters: 134_515_008,
        build: || smollm2([49_152, 576, 1536, 30, 9, 3], 1e5),
    },
    Preset {
        name: "SmolLM2-360M",
        parameters: 361_821_120,
        build: || smollm2([49_152, 960, 2560, 32, 15, 5], 1e5),
    },
    Preset {
        name: "SmolLM2-1.7B",
        parameters: 1_711_376_384,
        build: || smollm2([49_152, 2048, 8192, 24, 32, 32], 1.3e5),
    },
    Preset { name: "OPT-125m", parameters: 125_239_296, build: || opt(768, 12, 12) },
    Preset { name: "OPT-350m", parameters: 331_196_416, build: opt_350m },
    Preset { name: "OPT-1.3B", parameters: 1_315_758_080, build: || opt(2048, 24, 32) },
    Preset { name: "OPT-2.7B", parameters: 2_651_596_800, build: || opt(2560, 32, 32) },
    Preset { name: "OPT-6.7B", parameters: 6_658_473_984, build: || opt(4096, 32, 32) },
];

/// The preset of this name, in any case.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name.eq_ignore_ascii_case(name))
}

/// Vocabulary, hidden size, intermediate size, layers, query heads, key/value heads.
type Sizes = [usize; 6];

const SEVEN: Sizes = [32_000, 4096, 11_008, 32, 32, 32];
const THIRTEEN: Sizes = [32_000, 5120, 13_824, 40, 40, 40];

/// A LLaMA of these sizes with base 10,000, nothing tied and no biases.
fn llama(sizes: Sizes, max_position_embeddings: usize, norm_eps: f64) -> DecoderConfig {
    let [vocab_size, hidden_size, intermediate_size, layers, heads, kv_heads] = sizes;
    DecoderConfig {
        family: Family::Llama,
        vocab_size,
        hidden_size,
        intermediate_size,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        num_key_value_heads: kv_heads,
        head_dim: hidden_size / heads,
        hidden_act: Activation::Silu,
        max_position_embeddings,
        norm_eps,
        tie_word_embeddings: false,
        attention_bias: false,
        mlp_bias: false,
        rope_theta: 1e4,
        rope_scaling: RopeScaling::Default,
        sliding_window: None,
        sliding_layers: vec![false; layers],
        word_embed_proj_dim: hidden_size,
        do_layer_norm_before: true,
        remove_final_layer_norm: false,
        layer_norm_elementwise_affine: true,
        bos_token_id: Some(1),
        eos_token_ids: vec![2],
        pad_token_id: None,
    }
}

fn mistral_7b() -> DecoderConfig {
    DecoderConfig {
        family: Family::Mistral,
        sliding_window: Some(4096),
        sliding_layers: vec![true; 32],
        ..llama([32_000, 4096, 14_336, 32, 32, 8], 32_768, 1e-5)
    }
}

fn qwen2(sizes: Sizes, tied: bool) -> DecoderConfig {
    DecoderConfig {
        family: Family::Qwen2,
        attention_bias: true,
        rope_theta: 1e6,
        tie_word_embeddings: tied,
        bos_token_id: Some(151_643),
        eos_token_ids: vec![151_643],
        ..llama(sizes, 131_072, 1e-6)
    }
}

fn smollm2(sizes: Sizes, rope_theta: f64) -> DecoderConfig {
    DecoderConfig {
        rope_theta,
        tie_word_embeddings: true,
        bos_token_id: Some(0),
        eos_token_ids: vec![0],
        ..llama(sizes, 8192, 1e-5)
    }
}

/// An OPT of these sizes, as published: LayerNorm, biases, a plain MLP.
pub fn opt(hidden_size: usize, layers: usize, heads: usize) -> DecoderConfig {
    DecoderConfig {
        family: Family::Opt,
        hidden_act: Activation::Relu,
        tie_word_embeddings: true,
        attention_bias: true,
        mlp_bias: true,
        bos_token_id: Some(2),
        pad_token_id: Some(1),
        ..llama([50_272, hidden_size, 4 * hidden_size, layers, heads, heads], 2048, 1e-5)
    }
}

fn opt_350m() -> DecoderConfig {
    DecoderConfig { word_embed_proj_dim: 512, do_layer_norm_before: false, ..opt(1024, 24, 16) }
}
