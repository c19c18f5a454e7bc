//! Two linear maps with a non-linearity between: LLaVA-1.5 (Liu et al., 2023, §3.3); reference:
//! `LlavaMultiModalProjector`.

use burn::Tensor;
use quintet_nn::{Activation, Linear, Result, Vars};
use serde::{Deserialize, Serialize};

use super::Projector;

/// Sizes of the maps; the optional fields are LLaVA's `projector_hidden_act` and
/// `multimodal_projector_bias`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MlpConfig {
    /// Width of the features.
    pub input_dim: usize,
    /// Width of the LLM's tokens, and between the maps.
    pub output_dim: usize,
    /// The non-linearity.
    #[serde(default = "gelu")]
    pub projector_hidden_act: Activation,
    /// Whether the maps have biases.
    #[serde(default = "yes")]
    pub multimodal_projector_bias: bool,
}

fn gelu() -> Activation {
    Activation::Gelu
}

fn yes() -> bool {
    true
}

/// `linear_1`, the non-linearity, `linear_2`.
#[derive(Debug)]
pub struct Mlp(quintet_nn::Mlp);

impl MlpConfig {
    /// Widths of the features and of the LLM's tokens.
    pub fn dims(&self) -> [usize; 2] {
        [self.input_dim, self.output_dim]
    }

    /// The projector at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn build(&self, vars: &Vars) -> Result<Mlp> {
        let Self { input_dim, output_dim, multimodal_projector_bias: bias, .. } = *self;
        let up = Linear::new(&vars.at("linear_1"), input_dim, output_dim, bias)?;
        let down = Linear::new(&vars.at("linear_2"), output_dim, output_dim, bias)?;
        Ok(Mlp(quintet_nn::Mlp::new(up, down, self.projector_hidden_act)))
    }

    #[cfg(test)]
    pub(super) fn examples() -> Vec<Self> {
        let biased = Self {
            input_dim: 12,
            output_dim: 20,
            projector_hidden_act: gelu(),
            multimodal_projector_bias: true,
        };
        vec![Self { multimodal_projector_bias: false, ..biased.clone() }, biased]
    }
}

impl Projector for Mlp {
    fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        self.0.forward(features)
    }

    fn token_count(&self, v: usize) -> crate::Result<usize> {
        Ok(v)
    }
}
