//! Neighbouring tokens joined into one, then a linear map: MiniGPT-v2 (Chen et al., 2023, §2).
//!
//! The paper joins "4 adjacent visual tokens" into one. Its code (`encode_img` of
//! `minigpt4/models/minigpt_v2.py`, with CLS dropped before) takes four that follow each other in
//! the row-major sequence, so four in a row of the image and not a 2×2 square; so does this.

use burn::Tensor;
use quintet_nn::{Error, Linear, Result, Vars};
use serde::{Deserialize, Serialize};

use super::Projector;

/// Sizes of the merge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenMergeConfig {
    /// Width of the features.
    pub input_dim: usize,
    /// Width of the LLM's tokens.
    pub output_dim: usize,
    /// Tokens joined into one.
    #[serde(default = "four")]
    pub merge: usize,
}

fn four() -> usize {
    4
}

/// A linear map, `llama_proj`, of joined tokens.
#[derive(Debug)]
pub struct TokenMerge {
    map: Linear,
    merge: usize,
}

impl TokenMergeConfig {
    /// Widths of the features and of the LLM's tokens.
    pub fn dims(&self) -> [usize; 2] {
        [self.input_dim, self.output_dim]
    }

    /// The projector at `vars`.
    ///
    /// # Errors
    /// If the sizes cannot be built or the checkpoint does not match.
    pub fn build(&self, vars: &Vars) -> Result<TokenMerge> {
        let Self { input_dim, output_dim, merge } = *self;
        let joined = input_dim.checked_mul(merge).filter(|&joined| joined > 0);
        let joined = joined.ok_or_else(|| {
            Error::Config(format!("{merge} tokens of width {input_dim} cannot be joined"))
        })?;
        let map = Linear::new(&vars.at("llama_proj"), joined, output_dim, true)?;
        Ok(TokenMerge { map, merge })
    }

    #[cfg(test)]
    pub(super) fn examples() -> Vec<Self> {
        vec![Self { input_dim: 12, output_dim: 20, merge: four() }]
    }
}

impl Projector for TokenMerge {
    fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let [b, v, d] = features.dims();
        let merge = self.merge;
        assert!(v.is_multiple_of(merge), "{v} tokens cannot be joined {merge} by {merge}");
        self.map.forward(features.reshape([b, v / merge, merge * d]))
    }

    fn token_count(&self, v: usize) -> crate::Result<usize> {
        let merge = self.merge;
        if !v.is_multiple_of(merge) {
            return Err(crate::Error::Request(format!(
                "the encoder gives {v} tokens, which cannot be joined {merge} by {merge}: choose \
                 an image size whose patch count is a multiple of {merge}, and drop CLS"
            )));
        }
        Ok(v / merge)
    }
}
