//! The feed-forward halves of transformer blocks.

use burn::Tensor;
use quintet_kernels::{Pointwise, gated, pointwise};
use serde::{Deserialize, Serialize};

use crate::{Linear, Result, Vars};

/// Non-linearities, spelled as Hugging Face configurations spell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// Exact GELU (Hendrycks and Gimpel, 2016).
    #[serde(rename = "gelu")]
    Gelu,
    /// GELU by the tanh formula.
    #[serde(rename = "gelu_pytorch_tanh", alias = "gelu_new")]
    GeluTanh,
    /// `x · sigmoid(1.702 x)`, as CLIP was trained with.
    #[serde(rename = "quick_gelu")]
    QuickGelu,
    /// `x · sigmoid(x)`.
    #[serde(rename = "silu", alias = "swish")]
    Silu,
    /// `max(0, x)`.
    #[serde(rename = "relu")]
    Relu,
}

impl Activation {
    /// Applies it to each value.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        pointwise(self.into(), x)
    }

    /// `f(gate) · up`, the middle of a gated MLP.
    ///
    /// # Shapes
    /// - gate, up and output: the same
    pub fn gate<const D: usize>(self, gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
        gated(self.into(), gate, up)
    }
}

impl From<Activation> for Pointwise {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Gelu => Self::Gelu,
            Activation::GeluTanh => Self::GeluTanh,
            Activation::QuickGelu => Self::QuickGelu,
            Activation::Silu => Self::Silu,
            Activation::Relu => Self::Relu,
        }
    }
}

/// Two maps with a non-linearity between them.
#[derive(Debug)]
pub struct Mlp {
    up: Linear,
    down: Linear,
    activation: Activation,
}

impl Mlp {
    /// Joins two maps.
    pub fn new(up: Linear, down: Linear, activation: Activation) -> Self {
        Self { up, down, activation }
    }

    /// # Shapes
    /// - input: `[.., d]`
    /// - output: `[.., down's output]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.down.forward(self.activation.forward(self.up.forward(x)))
    }
}

/// `down(act(gate(x)) · up(x))`: SwiGLU (Shazeer, 2020) when the activation is SiLU.
#[derive(Debug)]
pub struct GatedMlp {
    gate: Linear,
    up: Linear,
    down: Linear,
    activation: Activation,
}

impl GatedMlp {
    /// `gate_proj`, `up_proj` and `down_proj` at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(
        vars: &Vars,
        dim: usize,
        hidden: usize,
        activation: Activation,
        bias: bool,
    ) -> Result<Self> {
        Ok(Self {
            gate: Linear::new(&vars.at("gate_proj"), dim, hidden, bias)?,
            up: Linear::new(&vars.at("up_proj"), dim, hidden, bias)?,
            down: Linear::new(&vars.at("down_proj"), hidden, dim, bias)?,
            activation,
        })
    }

    /// # Shapes
    /// - input and output: `[.., d]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let [gate, up] = Linear::together([&self.gate, &self.up], x);
        self.down.forward(self.activation.gate(gate, up))
    }
}
