//! CLIP's vision transformer (Radford et al., 2021); reference: `CLIPVisionModel`.

use burn::Tensor;
use quintet_nn::{Activation, Init, LayerNorm, Param, Result, Vars, in_dtype};
use serde::{Deserialize, Serialize};

use super::{
    Geometry, Stage, VisionTransformer,
    block::{Block, block_number},
    embedding::{PatchEmbedding, check, positions},
};

/// `CLIPVisionConfig`; the defaults are ViT-B/32's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipConfig {
    /// Width of a token.
    pub hidden_size: usize,
    /// Width inside the feed-forward halves.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Colour channels.
    pub num_channels: usize,
    /// Side of the images.
    pub image_size: usize,
    /// Side of a patch.
    pub patch_size: usize,
    /// Non-linearity of the feed-forward halves.
    pub hidden_act: Activation,
    /// Added to variances.
    pub layer_norm_eps: f64,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
        }
    }
}

/// A CLS token and patches, a norm, and blocks.
#[derive(Debug)]
pub struct Clip {
    geometry: Geometry,
    class: Param<1>,
    patches: PatchEmbedding,
    positions: Param<2>,
    pre_norm: LayerNorm,
    blocks: Vec<Block>,
    post_norm: LayerNorm,
}

impl ClipConfig {
    /// Sizes of the images, the tokens and the blocks.
    pub fn geometry(&self) -> Geometry {
        Geometry {
            image_size: self.image_size,
            patch_size: self.patch_size,
            width: self.hidden_size,
            class_token: true,
            layers: self.num_hidden_layers,
            mlp_width: self.intermediate_size,
            gated: false,
        }
    }

    /// The encoder at `vars`.
    ///
    /// # Errors
    /// If the sizes cannot be built or the checkpoint does not match.
    pub fn build(&self, vars: &Vars) -> Result<Clip> {
        let (width, patch, eps) = (self.hidden_size, self.patch_size, self.layer_norm_eps);
        check(self.image_size, patch, width, self.num_attention_heads)?;
        let vars = vision_model(vars);
        let embeddings = vars.at("embeddings");
        let position_count = (self.image_size / patch).pow(2) + 1;
        let block = |i| {
            let place = vars.at("encoder.layers").at(i);
            let (heads, hidden) = (self.num_attention_heads, self.intermediate_size);
            Block::clip(&place, width, heads, hidden, self.hidden_act, eps)
        };
        Ok(Clip {
            geometry: self.geometry(),
            class: embeddings.param("class_embedding", [width], Init::Normal(0.02))?,
            patches: PatchEmbedding::new(
                &embeddings.at("patch_embedding"),
                self.num_channels,
                patch,
                width,
                false,
            )?,
            positions: embeddings.at("position_embedding").param(
                "weight",
                [position_count, width],
                Init::Grid { leading: 1, side: self.image_size / patch, scale: 0.3 },
            )?,
            // The misspelling is the checkpoints' own.
            pre_norm: LayerNorm::new(&vars.at("pre_layrnorm"), width, eps)?,
            blocks: (0..self.num_hidden_layers).map(block).collect::<Result<_>>()?,
            post_norm: LayerNorm::new(&vars.at("post_layernorm"), width, eps)?,
        })
    }

    #[cfg(test)]
    pub(super) fn examples() -> Vec<Self> {
        vec![Self {
            hidden_size: 16,
            intermediate_size: 24,
            num_hidden_layers: 3,
            num_attention_heads: 2,
            image_size: 12,
            patch_size: 4,
            ..Self::default()
        }]
    }
}

/// The place of a CLIP or SigLIP tower's parts: `vision_model` below `vars`, or `vars` itself in
/// a file that leaves that level out.
pub(super) fn vision_model(vars: &Vars) -> Vars {
    let nested = vars.at("vision_model");
    // Two tensors are asked for, so that a file that lacks one still gets an error by its name.
    let embeddings = nested.at("embeddings");
    if embeddings.has("patch_embedding.weight") || embeddings.has("position_embedding.weight") {
        nested
    } else {
        vars.clone()
    }
}

/// A name below `vision_model`, whether or not it has that level.
pub(super) fn below_vision_model(name: &str) -> &str {
    name.strip_prefix("vision_model.").unwrap_or(name)
}

impl VisionTransformer for Clip {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn embed(&self, pixels: Tensor<4>) -> Tensor<3> {
        let (patches, grid) = self.patches.forward(pixels); // [b, g·g, d]
        let [b, _, d] = patches.dims();
        let class = self.class.tensor().reshape([1, 1, d]).expand([b, 1, d]);
        let trained = self.geometry.image_size / self.geometry.patch_size;
        let x = Tensor::cat(vec![class, patches], 1); // [b, v, d]
        let x = x + positions(self.positions.tensor(), 1, trained, grid);
        let dtype = x.dtype();
        in_dtype(self.pre_norm.forward(x), dtype)
    }

    fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    fn finish(&self, x: Tensor<3>) -> Tensor<3> {
        x
    }

    fn pooled(&self, last: Tensor<3>) -> Option<Tensor<2>> {
        Some(self.post_norm.forward(last.narrow(1, 0, 1).squeeze_dim(1)))
    }

    fn stage(&self, name: &str) -> Stage {
        let name = below_vision_model(name);
        match block_number(name, "encoder.layers") {
            Some(block) => Stage::Block(block),
            None if name.starts_with("post_layernorm.") => Stage::Pooled,
            None => Stage::Embedding,
        }
    }
}
