//! One transformer block of a decoder.

use burn::Tensor;
use quintet_kernels::add;
use quintet_nn::{
    Attention, AttentionConfig, GatedMlp, LayerCache, LayerNorm, Linear, Mlp, Result, RmsNorm,
    Vars, rope::Rotation,
};

use super::config::DecoderConfig;

/// LayerNorm's epsilon in OPT, which its configuration does not state.
const OPT_EPS: f64 = 1e-5;

/// The norm of a family.
#[derive(Debug)]
pub(crate) enum Norm {
    Rms(RmsNorm),
    Layer(LayerNorm),
}

impl Norm {
    pub(crate) fn new(vars: &Vars, config: &DecoderConfig) -> Result<Self> {
        let d = config.hidden_size;
        Ok(match (config.is_opt(), config.layer_norm_elementwise_affine) {
            (false, _) => Self::Rms(RmsNorm::new(vars, d, config.norm_eps)?),
            (true, true) => Self::Layer(LayerNorm::new(vars, d, OPT_EPS)?),
            (true, false) => Self::Layer(LayerNorm::plain(d, OPT_EPS)),
        })
    }

    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Rms(norm) => norm.forward(x),
            Self::Layer(norm) => norm.forward(x),
        }
    }

    /// `x + y` and its norm.
    fn forward_sum(&self, x: Tensor<3>, y: Tensor<3>) -> [Tensor<3>; 2] {
        match self {
            Self::Rms(norm) => norm.forward_sum(x, y),
            Self::Layer(norm) => norm.forward_sum(x, y),
        }
    }
}

#[derive(Debug)]
enum FeedForward {
    Gated(GatedMlp),
    Plain(Mlp),
}

impl FeedForward {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Gated(mlp) => mlp.forward(x),
            Self::Plain(mlp) => mlp.forward(x),
        }
    }
}

/// Attention and MLP, each with its norm and residual connection.
#[derive(Debug)]
pub struct Block {
    attention: Attention,
    attention_norm: Norm,
    mlp: FeedForward,
    mlp_norm: Norm,
    norm_first: bool,
    /// Keys that a query sees.
    pub(crate) window: Option<usize>,
}

impl Block {
    /// The block of this number at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match, or the heads do not divide.
    pub fn new(vars: &Vars, config: &DecoderConfig, layer: usize) -> Result<Self> {
        let (d, wide, act) = (config.hidden_size, config.intermediate_size, config.hidden_act);
        let opt = config.is_opt();
        let attention = AttentionConfig {
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
            qkv_bias: config.attention_bias,
            out_bias: config.output_bias(),
            names: ["q_proj", "k_proj", "v_proj", if opt { "out_proj" } else { "o_proj" }],
            ..AttentionConfig::new(d, config.num_attention_heads)
        };
        let attention = Attention::new(&vars.at("self_attn"), &attention)?;
        let norms = match opt {
            true => ["self_attn_layer_norm", "final_layer_norm"],
            false => ["input_layernorm", "post_attention_layernorm"],
        };
        let mlp = if opt {
            let up = Linear::new(&vars.at("fc1"), d, wide, config.mlp_bias)?;
            let down = Linear::new(&vars.at("fc2"), wide, d, config.mlp_bias)?;
            FeedForward::Plain(Mlp::new(up, down, act))
        } else {
            FeedForward::Gated(GatedMlp::new(&vars.at("mlp"), d, wide, act, config.mlp_bias)?)
        };
        Ok(Self {
            attention,
            attention_norm: Norm::new(&vars.at(norms[0]), config)?,
            mlp,
            mlp_norm: Norm::new(&vars.at(norms[1]), config)?,
            norm_first: config.do_layer_norm_before,
            window: config.window(layer),
        })
    }

    /// Whether the maps round activations, as those with quantised matrices do.
    pub(crate) fn rounds(&self) -> bool {
        self.attention.rounds()
    }

    /// What the attention of [`forward`](Self::forward) weighs by, `[b, h, t, t]`.
    pub(crate) fn attention_weights(
        &self,
        x: Tensor<3>,
        bias: Option<&Tensor<4>>,
        rotation: Option<&Rotation>,
    ) -> Tensor<4> {
        let x = if self.norm_first { self.attention_norm.forward(x) } else { x };
        self.attention.weights(x, bias, rotation)
    }

    /// With a cache, `x` continues the tokens in it.
    ///
    /// # Shapes
    /// - x and output: `[b, t, d]`
    /// - bias: `[b or 1, 1, t, s]`, where `s` counts cached tokens too
    pub fn forward(
        &self,
        x: Tensor<3>,
        bias: Option<&Tensor<4>>,
        rotation: Option<&Rotation>,
        cache: Option<&mut LayerCache>,
    ) -> Tensor<3> {
        let attend = |x| self.attention.forward(x, bias, rotation, cache);
        if self.norm_first {
            let attended = attend(self.attention_norm.forward(x.clone()));
            let [x, normed] = self.mlp_norm.forward_sum(x, attended);
            add(x, self.mlp.forward(normed))
        } else {
            let attended = attend(x.clone());
            let [_, x] = self.attention_norm.forward_sum(x, attended);
            let [_, x] = self.mlp_norm.forward_sum(x.clone(), self.mlp.forward(x));
            x
        }
    }
}
