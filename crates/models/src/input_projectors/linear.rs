//! One linear map: LLaVA (Liu et al., 2023, Eq. 1); named as `PaliGemmaMultiModalProjector`.

use burn::Tensor;
use quintet_nn::{Result, Vars};
use serde::{Deserialize, Serialize};

use super::Projector;

/// Sizes of the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearConfig {
    /// Width of the features.
    pub input_dim: usize,
    /// Width of the LLM's tokens.
    pub output_dim: usize,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
}

fn yes() -> bool {
    true
}

/// One linear map, `linear`.
#[derive(Debug)]
pub struct Linear(quintet_nn::Linear);

impl LinearConfig {
    /// Widths of the features and of the LLM's tokens.
    pub fn dims(&self) -> [usize; 2] {
        [self.input_dim, self.output_dim]
    }

    /// The projector at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn build(&self, vars: &Vars) -> Result<Linear> {
        let place = vars.at("linear");
        quintet_nn::Linear::new(&place, self.input_dim, self.output_dim, self.bias).map(Linear)
    }

    #[cfg(test)]
    pub(super) fn examples() -> Vec<Self> {
        vec![Self { input_dim: 12, output_dim: 20, bias: true }]
    }
}

impl Projector for Linear {
    fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        self.0.forward(features)
    }

    fn token_count(&self, v: usize) -> crate::Result<usize> {
        Ok(v)
    }
}
