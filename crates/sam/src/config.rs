//! Sizes of the networks.

use quintet_nn::{Activation, Error, Result};
use serde::{Deserialize, Serialize};

/// Sizes beyond any real model, below which products of three cannot overflow.
const LARGEST: usize = 1 << 16;
/// Blocks or masks beyond any real model.
const MOST: usize = 1 << 10;

/// A whole model: image encoder, prompt encoder and mask decoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamConfig {
    /// Side of the square image that the encoder sees, in pixels.
    pub image_size: usize,
    /// Width of the image's embedding and of the prompts' tokens.
    pub width: usize,
    /// Channels in the middle of the mask prompt's embedding.
    pub mask_channels: usize,
    /// The image encoder.
    pub encoder: EncoderConfig,
    /// The mask decoder.
    pub decoder: DecoderConfig,
}

/// The image encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EncoderConfig {
    /// The plain vision transformer of Segment Anything.
    Vit(VitConfig),
    /// MobileSAM's.
    TinyVit(TinyVitConfig),
}

/// A vision transformer with windowed attention (Kirillov et al., 2023, §A; Li et al., 2022).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VitConfig {
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    /// Width of a token.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width inside the feed-forward halves.
    pub hidden: usize,
    /// Side of an attention window, in patches.
    pub window: usize,
    /// Blocks that attend to all patches.
    pub global_layers: Vec<usize>,
    /// Whether the query, key and value map has a bias.
    pub qkv_bias: bool,
    /// Whether patches have learnt positions.
    pub positions: bool,
    /// Whether attention knows relative positions.
    pub relative_positions: bool,
    /// Non-linearity of the feed-forward halves.
    pub activation: Activation,
    /// Added to variances in the blocks.
    pub norm_eps: f64,
}

/// TinyViT (Wu et al., 2022) as MobileSAM uses it: the last stage keeps the resolution of the one
/// before, so that there is one token to 16 × 16 pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TinyVitConfig {
    /// The first stage, of convolutions.
    pub convolutions: ConvolutionStage,
    /// The others, of window attention.
    pub stages: Vec<WindowStage>,
}

/// A stage of inverted bottlenecks (MBConv).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvolutionStage {
    /// Channels.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Channels inside a block.
    pub hidden: usize,
}

/// A stage of transformer blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowStage {
    /// Width of a token.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Side of a window, in tokens.
    pub window: usize,
    /// Width inside the feed-forward halves.
    pub hidden: usize,
}

/// The two-way transformer and its heads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecoderConfig {
    /// Two-way blocks.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width inside the feed-forward halves.
    pub hidden: usize,
    /// Cross-attention is this many times narrower than the tokens.
    pub downsample: usize,
    /// Masks for an ambiguous prompt; there is one more for an unambiguous one.
    pub masks: usize,
    /// Layers of the head that predicts each mask's IoU.
    pub iou_layers: usize,
    /// Its width.
    pub iou_hidden: usize,
    /// Added to variances in the blocks.
    pub norm_eps: f64,
}

impl SamConfig {
    /// Tokens along each side of the image's embedding.
    pub fn grid(&self) -> usize {
        self.image_size / self.encoder.stride().max(1)
    }

    /// Side of the masks that the decoder gives and the prompt encoder takes.
    pub fn mask_size(&self) -> usize {
        4 * self.grid()
    }

    /// SAM with the ViT-B encoder.
    pub fn base() -> Self {
        Self::vit(768, 12, 12, vec![2, 5, 8, 11])
    }

    /// SAM with the ViT-L encoder.
    pub fn large() -> Self {
        Self::vit(1024, 24, 16, vec![5, 11, 17, 23])
    }

    /// SAM with the ViT-H encoder.
    pub fn huge() -> Self {
        Self::vit(1280, 32, 16, vec![7, 15, 23, 31])
    }

    /// MobileSAM (Zhang et al., 2023).
    pub fn mobile() -> Self {
        let stage = |width, depth, heads, window| WindowStage {
            width,
            depth,
            heads,
            window,
            hidden: 4 * width,
        };
        Self::with_encoder(EncoderConfig::TinyVit(TinyVitConfig {
            convolutions: ConvolutionStage { width: 64, depth: 2, hidden: 256 },
            stages: vec![stage(128, 2, 4, 7), stage(160, 6, 5, 14), stage(320, 2, 10, 7)],
        }))
    }

    fn vit(width: usize, layers: usize, heads: usize, global_layers: Vec<usize>) -> Self {
        Self::with_encoder(EncoderConfig::Vit(VitConfig {
            patch_size: 16,
            width,
            layers,
            heads,
            hidden: 4 * width,
            window: 14,
            global_layers,
            qkv_bias: true,
            positions: true,
            relative_positions: true,
            activation: Activation::Gelu,
            norm_eps: 1e-6,
        }))
    }

    fn with_encoder(encoder: EncoderConfig) -> Self {
        let decoder = DecoderConfig {
            layers: 2,
            heads: 8,
            hidden: 2048,
            downsample: 2,
            masks: 3,
            iou_layers: 3,
            iou_hidden: 256,
            norm_eps: 1e-5,
        };
        Self { image_size: 1024, width: 256, mask_channels: 16, encoder, decoder }
    }

    /// Refuses configurations that cannot be built.
    ///
    /// # Errors
    /// If a size is zero or absurd, or does not divide where it must.
    pub fn check(&self) -> Result<()> {
        let decoder = &self.decoder;
        size("image_size", self.image_size)?;
        size("width", self.width)?;
        size("mask_channels", self.mask_channels)?;
        size("decoder.hidden", decoder.hidden)?;
        size("decoder.iou_hidden", decoder.iou_hidden)?;
        size("decoder.downsample", decoder.downsample)?;
        count("decoder.layers", decoder.layers)?;
        count("decoder.masks", decoder.masks)?;
        count("decoder.iou_layers", decoder.iou_layers)?;
        self.encoder.check()?;
        if self.encoder.stride() < 4 {
            return Err(Error::Config("a token of the encoder has less than 4 pixels".into()));
        }
        divides("encoder stride", self.encoder.stride(), "image_size", self.image_size)?;
        divides("8", 8, "width", self.width)?;
        divides("4", 4, "mask_channels", self.mask_channels)?;
        divides("decoder.downsample", decoder.downsample, "width", self.width)?;
        let inner = self.width / decoder.downsample;
        divides("decoder.heads", decoder.heads, "the width of cross-attention", inner)
    }
}

impl EncoderConfig {
    /// Pixels to a token, along each side.
    pub fn stride(&self) -> usize {
        match self {
            Self::Vit(vit) => vit.patch_size,
            Self::TinyVit(tiny) => 4 << tiny.stages.len().saturating_sub(1).min(16),
        }
    }

    fn check(&self) -> Result<()> {
        match self {
            Self::Vit(vit) => {
                size("encoder.patch_size", vit.patch_size)?;
                size("encoder.width", vit.width)?;
                size("encoder.hidden", vit.hidden)?;
                size("encoder.window", vit.window)?;
                count("encoder.layers", vit.layers)?;
                divides("encoder.heads", vit.heads, "encoder.width", vit.width)
            }
            Self::TinyVit(tiny) => {
                let first = &tiny.convolutions;
                size("encoder.convolutions.width", first.width)?;
                size("encoder.convolutions.hidden", first.hidden)?;
                count("encoder.convolutions.depth", first.depth)?;
                divides("2", 2, "encoder.convolutions.width", first.width)?;
                count("the number of encoder.stages", tiny.stages.len())?;
                for stage in &tiny.stages {
                    size("encoder.stages.width", stage.width)?;
                    size("encoder.stages.hidden", stage.hidden)?;
                    count("encoder.stages.window", stage.window)?;
                    count("encoder.stages.depth", stage.depth)?;
                    divides("encoder.stages.heads", stage.heads, "its width", stage.width)?;
                }
                Ok(())
            }
        }
    }
}

fn size(name: &str, value: usize) -> Result<()> {
    within(name, value, LARGEST)
}

fn count(name: &str, value: usize) -> Result<()> {
    within(name, value, MOST)
}

fn within(name: &str, value: usize, most: usize) -> Result<()> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::Config(format!("{name} is {value}: expected 1 to {most}")))
}

fn divides(name: &str, divisor: usize, of: &str, value: usize) -> Result<()> {
    if divisor > 0 && value.is_multiple_of(divisor) {
        return Ok(());
    }
    Err(Error::Config(format!("{name} ({divisor}) does not divide {of} ({value})")))
}
