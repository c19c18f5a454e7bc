//! The transformer block that all encoders stack.

use burn::Tensor;
use quintet_kernels::add;
use quintet_nn::{
    Activation, Attention, AttentionConfig, LayerNorm, Linear, Mlp, Param, Result, Vars, in_dtype,
};

/// Attention and a feed-forward half, each normed before and added after.
#[derive(Debug)]
pub struct Block {
    /// Before attention.
    pub norm1: LayerNorm,
    /// Bidirectional, over all tokens.
    pub attention: Attention,
    /// Before the feed-forward half.
    pub norm2: LayerNorm,
    /// The feed-forward half.
    pub feed_forward: FeedForward,
    /// Per-channel gains of the two halves' outputs (Touvron et al., 2021, Eq. 5).
    pub scales: Option<[Param<1>; 2]>,
}

/// The feed-forward half of a block.
#[derive(Debug)]
pub enum FeedForward {
    /// Two maps.
    Mlp(Mlp),
    /// SwiGLU (Shazeer, 2020) whose gate and up maps are one matrix, gate first.
    Gated {
        /// `[d]` to `[2·hidden]`.
        input: Linear,
        /// `[hidden]` to `[d]`.
        output: Linear,
    },
}

impl Block {
    /// A block as CLIP and SigLIP name it.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn clip(
        vars: &Vars,
        width: usize,
        heads: usize,
        hidden: usize,
        activation: Activation,
        eps: f64,
    ) -> Result<Self> {
        Ok(Self {
            norm1: LayerNorm::new(&vars.at("layer_norm1"), width, eps)?,
            attention: Attention::new(&vars.at("self_attn"), &AttentionConfig::new(width, heads))?,
            norm2: LayerNorm::new(&vars.at("layer_norm2"), width, eps)?,
            feed_forward: FeedForward::Mlp(mlp(&vars.at("mlp"), width, hidden, activation)?),
            scales: None,
        })
    }

    /// What each head attends to.
    ///
    /// # Shapes
    /// - x: `[b, v, d]`
    /// - output: `[b, h, v, v]`
    pub fn attention_weights(&self, x: Tensor<3>) -> Tensor<4> {
        self.attention.weights(self.norm1.forward(x), None, None)
    }

    /// # Shapes
    /// - input and output: `[b, v, d]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let scale = |y: Tensor<3>, half: usize| match &self.scales {
            None => y,
            Some(scales) => {
                let scales = scales[half].tensor();
                in_dtype(y, scales.dtype()) * scales.unsqueeze()
            }
        };
        let attended = self.attention.forward(self.norm1.forward(x.clone()), None, None, None);
        let [x, normed] = self.norm2.forward_sum(x, scale(attended, 0));
        add(x, scale(self.feed_forward.forward(normed), 1))
    }
}

impl FeedForward {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Mlp(mlp) => mlp.forward(x),
            Self::Gated { input, output } => {
                let both = input.forward(x);
                let hidden = both.dims()[2] / 2;
                let gate = both.clone().narrow(2, 0, hidden);
                output.forward(Activation::Silu.gate(gate, both.narrow(2, hidden, hidden)))
            }
        }
    }
}

/// The two maps `fc1` and `fc2` at `vars`.
///
/// # Errors
/// If the checkpoint does not match.
pub(super) fn mlp(vars: &Vars, width: usize, hidden: usize, activation: Activation) -> Result<Mlp> {
    let up = Linear::new(&vars.at("fc1"), width, hidden, true)?;
    let down = Linear::new(&vars.at("fc2"), hidden, width, true)?;
    Ok(Mlp::new(up, down, activation))
}

/// The number `N` of a name that goes on with `{stack}.N.`.
pub(super) fn block_number(name: &str, stack: &str) -> Option<usize> {
    let rest = name.strip_prefix(stack)?.strip_prefix('.')?;
    rest.split('.').next()?.parse().ok()
}
