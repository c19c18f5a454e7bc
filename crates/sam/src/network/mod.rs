//! The three networks: image encoder, prompt encoder, mask decoder.
//!
//! Parameters are called as `segment-anything` calls them, below the [`Vars`] given to
//! [`Sam::new`]. Images have their channels last, unless a shape says otherwise.

mod biased;
mod conv;
mod decoder;
mod neck;
mod prompts;
mod tiny_vit;
mod two_way;
mod vit;
mod window;

use burn::Tensor;
use quintet_nn::{Result, Vars};

use self::{decoder::MaskDecoder, prompts::PromptEncoder, tiny_vit::TinyVit, vit::Vit};
pub use self::{
    decoder::{Decoded, Masks},
    prompts::{PlacedPoint, PointKind},
};
use crate::config::{EncoderConfig, SamConfig};

/// Segment Anything (Kirillov et al., 2023).
#[derive(Debug)]
pub struct Sam {
    encoder: Encoder,
    prompts: PromptEncoder,
    decoder: MaskDecoder,
    config: SamConfig,
}

#[derive(Debug)]
enum Encoder {
    Vit(Vit),
    TinyVit(TinyVit),
}

impl Sam {
    /// The model at `vars`.
    ///
    /// # Errors
    /// If the sizes cannot be built or the checkpoint does not match.
    pub fn new(vars: &Vars, config: &SamConfig) -> Result<Self> {
        config.check()?;
        let (grid, width) = (config.grid(), config.width);
        let place = vars.at("image_encoder");
        let encoder = match &config.encoder {
            EncoderConfig::Vit(vit) => Encoder::Vit(Vit::new(&place, vit, grid, width)?),
            EncoderConfig::TinyVit(tiny) => Encoder::TinyVit(TinyVit::new(&place, tiny, width)?),
        };
        Ok(Self {
            encoder,
            prompts: PromptEncoder::new(&vars.at("prompt_encoder"), config)?,
            decoder: MaskDecoder::new(&vars.at("mask_decoder"), config)?,
            config: config.clone(),
        })
    }

    /// The sizes.
    pub fn config(&self) -> &SamConfig {
        &self.config
    }

    /// The image's embedding.
    ///
    /// # Shapes
    /// - pixels: `[b, 3, s, s]`, normalised, `s` the configuration's `image_size`
    /// - output: `[b, g², d]`
    pub fn embed(&self, pixels: Tensor<4>) -> Tensor<3> {
        match &self.encoder {
            Encoder::Vit(vit) => vit.forward(pixels),
            Encoder::TinyVit(tiny) => tiny.forward(pixels),
        }
    }

    /// The positions of an image's tokens, the same for every image: `[1, g², d]`.
    pub fn positions(&self) -> Tensor<3> {
        self.prompts.positions()
    }

    /// Masks for prompts about one image. All have the same number of points, and all or none have
    /// an earlier mask.
    ///
    /// # Shapes
    /// - embedding: `[1, g², d]`, from [`Self::embed`]
    /// - positions: `[1, g², d]`, from [`Self::positions`]
    /// - earlier: `[b, 4·g, 4·g]`, logits
    ///
    /// # Panics
    /// If the numbers of points differ.
    pub fn decode(
        &self,
        embedding: Tensor<3>,
        positions: Tensor<3>,
        points: &[Vec<PlacedPoint>],
        earlier: Option<Tensor<3>>,
        masks: Masks,
    ) -> Decoded {
        let dense = match earlier {
            Some(logits) => self.prompts.masks(logits),
            None => self.prompts.no_mask(),
        };
        let tokens = self.prompts.points(points);
        self.decoder.forward(embedding + dense, positions, tokens, masks)
    }
}
