//! The three networks: image encoder, prompt encoder, mask decoder.
//!
//! Parameters are called as `segment-anything` calls them, below the [`Vars`] given to
//! [`Sam::new`]. Images have their channels last, unless a shape says otherwise.

mod biased;
mod conv;
mod decoder;
mod direct;
mod neck;
mod prompts;
mod tiny_vit;
mod two_way;
mod vit;
mod window;

use burn::Tensor;
use quintet_nn::{Result, Vars};

use self::{
    decoder::MaskDecoder, prompts::PromptEncoder, tiny_vit::TinyVit, two_way::Image, vit::Vit,
};
pub use self::{
    decoder::{Decoded, Masks, Reading},
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

/// An image that prompts can be asked about.
#[derive(Clone, Debug)]
pub struct SharedImage {
    /// `[1, g², d]`
    embedding: Tensor<3>,
    /// `[1, g², d]`
    positions: Tensor<3>,
    /// With what is added for want of a mask prompt.
    shared: Image,
}

impl SharedImage {
    /// The embedding, `[1, g², d]`.
    pub fn embedding(&self) -> &Tensor<3> {
        &self.embedding
    }
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

    /// What the decoder makes of an embedding before it is asked anything.
    ///
    /// # Shapes
    /// - embedding: `[1, g², d]`, from [`Self::embed`]
    pub fn share(&self, embedding: Tensor<3>) -> SharedImage {
        let positions = self.prompts.positions();
        let shared =
            self.decoder.share(embedding.clone() + self.prompts.no_mask(), positions.clone());
        SharedImage { embedding, positions, shared }
    }

    /// Masks for prompts about one image; see [`Self::read`].
    pub fn decode(
        &self,
        image: &SharedImage,
        points: &[Vec<PlacedPoint>],
        earlier: Option<Tensor<3>>,
        masks: Masks,
    ) -> Decoded {
        let reading = self.read(image, points, earlier);
        Decoded { logits: self.logits(&reading, masks), scores: self.scores(&reading, masks) }
    }

    /// Lets prompts and image read each other. All prompts have the same number of points, and all
    /// or none have an earlier mask.
    ///
    /// # Shapes
    /// - earlier: `[b, 4·g, 4·g]`, logits
    ///
    /// # Panics
    /// If the numbers of points differ.
    pub fn read(
        &self,
        image: &SharedImage,
        points: &[Vec<PlacedPoint>],
        earlier: Option<Tensor<3>>,
    ) -> Reading {
        let tokens = self.prompts.points(points);
        match earlier {
            None => self.decoder.read(&image.shared, tokens),
            Some(logits) => {
                let each = image.embedding.clone() + self.prompts.masks(logits);
                self.decoder.read(&Image::each(each, image.positions.clone()), tokens)
            }
        }
    }

    /// The IoU that is predicted for each mask: `[b, m]`.
    pub fn scores(&self, reading: &Reading, masks: Masks) -> Tensor<2> {
        self.decoder.scores(reading, masks)
    }

    /// Logits of the masks: `[b, m, 4·g, 4·g]`. This costs about as much as the reading.
    pub fn logits(&self, reading: &Reading, masks: Masks) -> Tensor<4> {
        self.decoder.logits(reading, masks)
    }
}
