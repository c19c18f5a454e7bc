//! Modality encoders (survey, §2.1, Eq. 1: `F_X = ME_X(I_X)`): vision transformers.
//!
//! Letters: `b` batch, `h`, `w` image, `g` patches along a side, `v` tokens, `d` width.
//!
//! # Names in checkpoints
//! Relative to the [`Vars`] given to [`Encoder::new`], parameters are called as `transformers`
//! calls them. CLIP and SigLIP towers come in two spellings, and both are read:
//! `vision_model.embeddings.patch_embedding.weight` in every file on the hub and every file
//! written before version 5, `embeddings.patch_embedding.weight` in files that version 5 writes
//! of a model it built itself. A model keeps the spelling it was loaded with, and one drawn from
//! a seed takes the first, which all versions read.

pub mod block;
pub mod clip;
pub mod dinov2;
pub mod embedding;
pub mod siglip;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use burn::Tensor;
use quintet_nn::Vars;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, catalog::catalog};
use block::Block;

catalog! {
    /// An encoder's configuration: Hugging Face's `vision_config`, told apart by `model_type`.
    /// Absent fields take Hugging Face's defaults; dropout rates are not read, since no encoder
    /// here drops anything.
    pub enum EncoderConfig, tagged "model_type", builds VisionTransformer, knows geometry: Geometry {
        /// CLIP ViT (Radford et al., 2021).
        "clip_vision_model" = ClipConfig in clip,
        /// SigLIP ViT (Zhai et al., 2023).
        "siglip_vision_model" = SiglipConfig in siglip,
        /// DINOv2 (Oquab et al., 2023).
        "dinov2" = Dinov2Config in dinov2,
    }
}

impl EncoderConfig {
    /// Width of a token.
    pub fn width(&self) -> usize {
        self.geometry().width
    }
}

/// What the encoders have in common: an embedding, a stack of blocks and an end.
pub trait VisionTransformer: Debug + Send + Sync {
    /// Sizes of the images, the tokens and the blocks.
    fn geometry(&self) -> Geometry;

    /// Patches with their positions, after any norm that comes before the first block.
    ///
    /// # Shapes
    /// - pixels: `[b, c, h, w]`
    /// - output: `[b, v, d]`
    fn embed(&self, pixels: Tensor<4>) -> Tensor<3>;

    /// The blocks, first one first.
    fn blocks(&self) -> &[Block];

    /// What happens after the last block to give `last_hidden_state`.
    ///
    /// # Shapes
    /// - input and output: `[b, v, d]`
    fn finish(&self, x: Tensor<3>) -> Tensor<3>;

    /// One vector per image from `last_hidden_state`.
    ///
    /// # Shapes
    /// - last: `[b, v, d]`
    /// - output: `[b, d]`
    fn pooled(&self, last: Tensor<3>) -> Option<Tensor<2>>;

    /// When the parameter with this name (relative to the encoder) is first used.
    fn stage(&self, name: &str) -> Stage;
}

/// Sizes of an encoder: of its images, its tokens and its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Side of the images it was trained on.
    pub image_size: usize,
    /// Side of a patch.
    pub patch_size: usize,
    /// Width of a token.
    pub width: usize,
    /// Whether a CLS token comes before the patches.
    pub class_token: bool,
    /// Blocks.
    pub layers: usize,
    /// Width inside the feed-forward halves.
    pub mlp_width: usize,
    /// Whether the feed-forward halves are gated.
    pub gated: bool,
}

/// The steps of an encoder's forward pass, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Before the first block.
    Embedding,
    /// In this block.
    Block(usize),
    /// Between the last block and `last_hidden_state`.
    Last,
    /// Between `last_hidden_state` and the pooled vector.
    Pooled,
    /// In no forward pass: DINOv2's mask token serves its pretraining only.
    Never,
}

/// Which tokens of a hidden state are the features: LLaVA's `vision_feature_select_strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatureSelect {
    /// All but the first token, which is CLS in CLIP and DINOv2. SigLIP has no CLS, and
    /// `transformers` drops its first patch all the same, so SigLIP models use [`Self::Full`].
    #[default]
    Default,
    /// All tokens.
    Full,
}

/// A modality encoder.
#[derive(Debug)]
pub struct Encoder {
    vit: Box<dyn VisionTransformer>,
    path: String,
}

impl Encoder {
    /// The encoder at `vars`.
    ///
    /// # Errors
    /// If the configuration cannot be built or the checkpoint does not match it.
    pub fn new(vars: &Vars, config: &EncoderConfig) -> Result<Self> {
        Ok(Self { vit: config.build(vars)?, path: vars.path().to_owned() })
    }

    /// `last_hidden_state` of `transformers`. `hidden` receives its `hidden_states`: the input of
    /// the first block, then the output of each block.
    ///
    /// # Shapes
    /// - pixels: `[b, c, h, w]`; sizes other than [`Self::image_size`] are met with interpolated
    ///   position embeddings
    /// - output: `[b, v, d]`
    ///
    /// # Panics
    /// If `c` is not the configuration's, or an image is smaller than a patch.
    pub fn forward(&self, pixels: Tensor<4>, mut hidden: Option<&mut Vec<Tensor<3>>>) -> Tensor<3> {
        let mut x = self.vit.embed(pixels);
        for block in self.vit.blocks() {
            if let Some(hidden) = hidden.as_deref_mut() {
                hidden.push(x.clone());
            }
            x = block.forward(x);
        }
        if let Some(hidden) = hidden {
            hidden.push(x.clone());
        }
        self.vit.finish(x)
    }

    /// What each head attends to, block by block, as `output_attentions` of `transformers`. `see`
    /// receives a block's number and its weights.
    ///
    /// # Shapes
    /// - pixels: `[b, c, h, w]`
    /// - weights: `[b, h, v, v]`, in `f32`
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn attentions(&self, pixels: Tensor<4>, mut see: impl FnMut(usize, Tensor<4>)) {
        let mut x = self.vit.embed(pixels);
        for (number, block) in self.vit.blocks().iter().enumerate() {
            see(number, block.attention_weights(x.clone()));
            x = block.forward(x);
        }
    }

    /// The tokens of one hidden state, as LLaVA selects them. Later blocks are not computed.
    ///
    /// # Shapes
    /// - pixels: `[b, c, h, w]`
    /// - output: `[b, v, d]`, with `v =` [`Self::token_count`] at the trained image size
    ///
    /// # Panics
    /// As [`Self::forward`], or if [`Self::feature_stage`] refuses `layer`.
    pub fn features(&self, pixels: Tensor<4>, layer: i64, strategy: FeatureSelect) -> Tensor<3> {
        let blocks = self.vit.blocks();
        let depth = match self.feature_stage(layer) {
            Ok(Stage::Block(last)) => last + 1,
            Ok(_) => 0,
            Err(error) => panic!("{error}"),
        };
        let x = blocks[..depth].iter().fold(self.vit.embed(pixels), |x, block| block.forward(x));
        match strategy {
            FeatureSelect::Full => x,
            FeatureSelect::Default => {
                let tokens = x.dims()[1];
                x.narrow(1, 1, tokens - 1)
            }
        }
    }

    /// One vector per image: CLIP's normed CLS, SigLIP's attention pooling (`None` in files
    /// without that head), DINOv2's CLS.
    ///
    /// # Shapes
    /// - last: `[b, v, d]`, from [`Self::forward`]
    /// - output: `[b, d]`
    pub fn pooled(&self, last: Tensor<3>) -> Option<Tensor<2>> {
        self.vit.pooled(last)
    }

    /// The last step that the features of `layer` pass through. `layer` is LLaVA's
    /// `vision_feature_layer`, an index into `hidden_states`: 0 is the embedding, -1 the last
    /// block's output, -2 the one before.
    ///
    /// # Errors
    /// If there is no such layer.
    pub fn feature_stage(&self, layer: i64) -> Result<Stage> {
        let blocks = self.vit.blocks().len();
        let states = i64::try_from(blocks).unwrap_or(i64::MAX).saturating_add(1);
        let index = if layer < 0 { layer.saturating_add(states) } else { layer };
        match usize::try_from(index) {
            Ok(0) => Ok(Stage::Embedding),
            Ok(index) if index <= blocks => Ok(Stage::Block(index - 1)),
            _ => Err(Error::Request(format!(
                "vision_feature_layer {layer} does not exist: the encoder has {blocks} blocks, \
                 so layers go from {} to {blocks}",
                -states
            ))),
        }
    }

    /// Whether the parameter with this full name influences a forward pass that ends after
    /// `stage`. A training stage trains no others: CLIP's `post_layernorm` and its last block
    /// get no gradient when the features are layer -2's.
    pub fn takes_part(&self, name: &str, stage: Stage) -> bool {
        let relative = match self.path.as_str() {
            "" => Some(name),
            path => name.strip_prefix(path).and_then(|name| name.strip_prefix('.')),
        };
        relative.is_some_and(|name| self.vit.stage(name) <= stage)
    }

    /// Sizes of the images, the tokens and the blocks.
    pub fn geometry(&self) -> Geometry {
        self.vit.geometry()
    }

    /// Patches of an image of the trained size.
    pub fn patch_count(&self) -> usize {
        let Geometry { image_size, patch_size, .. } = self.vit.geometry();
        (image_size / patch_size).pow(2)
    }

    /// Tokens that [`Self::features`] gives for an image of the trained size.
    pub fn token_count(&self, strategy: FeatureSelect) -> usize {
        let tokens = self.patch_count() + usize::from(self.vit.geometry().class_token);
        match strategy {
            FeatureSelect::Full => tokens,
            FeatureSelect::Default => tokens - 1,
        }
    }

    /// Width of a token.
    pub fn width(&self) -> usize {
        self.vit.geometry().width
    }

    /// Side of the images the encoder was trained on, in pixels.
    pub fn image_size(&self) -> usize {
        self.vit.geometry().image_size
    }
}
