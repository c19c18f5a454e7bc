//! Input projectors (survey, §2.2, Eq. 2: `P_X = Θ_{X→T}(F_X)`): from an encoder's features to
//! tokens of the LLM's width.
//!
//! Letters: `b` batch, `v` tokens from the encoder, `v'` tokens for the LLM, `d` width.

pub mod linear;
pub mod mlp;
pub mod qformer;
pub mod resampler;
#[cfg(test)]
mod tests;
pub mod token_merge;

use std::fmt::Debug;

use burn::Tensor;
use quintet_nn::Vars;

use crate::{Result, catalog::catalog};

catalog! {
    /// A projector's configuration, told apart by `type`.
    pub enum ProjectorConfig, tagged "type", builds Projector, knows dims: [usize; 2] {
        /// One linear map (PaliGemma's layout).
        "linear" = LinearConfig in linear,
        /// Two linear maps (LLaVA-1.5).
        "mlp" = MlpConfig in mlp,
        /// Neighbours joined, then a linear map (MiniGPT-v2).
        "token_merge" = TokenMergeConfig in token_merge,
        /// Learnt queries through cross-attention (Flamingo; Idefics' layout).
        "perceiver_resampler" = ResamplerConfig in resampler,
        /// BLIP-2's Q-Former and its language projection.
        "qformer" = QFormerConfig in qformer,
    }
}

/// What every projector does.
pub trait Projector: Debug + Send + Sync {
    /// # Shapes
    /// - features: `[b, v, d_enc]`
    /// - output: `[b, v', d_llm]`
    fn forward(&self, features: Tensor<3>) -> Tensor<3>;

    /// `v'` for `v` tokens.
    ///
    /// # Errors
    /// If the projector cannot take that many.
    fn token_count(&self, v: usize) -> Result<usize>;
}

/// An input projector.
#[derive(Debug)]
pub struct InputProjector {
    projector: Box<dyn Projector>,
    dims: [usize; 2],
}

impl InputProjector {
    /// The projector at `vars`. LLaVA's place is `multi_modal_projector`; the Q-Former's three
    /// parts lie at the root of a BLIP-2 file.
    ///
    /// # Errors
    /// If the configuration cannot be built or the checkpoint does not match it.
    pub fn new(vars: &Vars, config: &ProjectorConfig) -> Result<Self> {
        Ok(Self { projector: config.build(vars)?, dims: config.dims() })
    }

    /// # Shapes
    /// - features: `[b, v, d_enc]`
    /// - output: `[b, v', d_llm]`, with `v'` of [`Self::token_count`]
    ///
    /// # Panics
    /// If the features have another width, or [`Self::token_count`] refuses `v`.
    pub fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let width = features.dims()[2];
        assert_eq!(width, self.dims[0], "features have width {width}");
        self.projector.forward(features)
    }

    /// Tokens that the LLM receives for `v` tokens of the encoder; the placeholder expands to
    /// this many.
    ///
    /// # Errors
    /// If the projector cannot take that many.
    pub fn token_count(&self, v: usize) -> Result<usize> {
        self.projector.token_count(v)
    }

    /// Width of the features.
    pub fn input_dim(&self) -> usize {
        self.dims[0]
    }

    /// Width of the LLM's tokens.
    pub fn output_dim(&self) -> usize {
        self.dims[1]
    }
}
