//! DINOv2 (Oquab et al., 2023); reference: `Dinov2Model`.

use burn::Tensor;
use quintet_nn::{
    Activation, Attention, AttentionConfig, Error, Init, LayerNorm, Linear, Param, Result, Vars,
};
use serde::{Deserialize, Serialize};

use super::{
    Geometry, Stage, VisionTransformer,
    block::{Block, FeedForward, block_number, mlp},
    embedding::{PatchEmbedding, check, positions},
};

/// `Dinov2Config`; the defaults are base's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dinov2Config {
    /// Width of a token.
    pub hidden_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward halves, over the token's.
    pub mlp_ratio: usize,
    /// Non-linearity of the feed-forward halves, unless they are gated.
    pub hidden_act: Activation,
    /// Added to variances.
    pub layer_norm_eps: f64,
    /// Side of the images.
    pub image_size: usize,
    /// Side of a patch.
    pub patch_size: usize,
    /// Colour channels.
    pub num_channels: usize,
    /// Whether query, key and value maps have a bias.
    pub qkv_bias: bool,
    /// Gain of each half of a block before training.
    pub layerscale_value: f32,
    /// Whether the feed-forward halves are SwiGLU (the giant model's are).
    pub use_swiglu_ffn: bool,
    /// Whether the file has the token that replaces masked patches in pretraining.
    pub use_mask_token: bool,
}

impl Default for Dinov2Config {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            mlp_ratio: 4,
            hidden_act: Activation::Gelu,
            layer_norm_eps: 1e-6,
            image_size: 224,
            patch_size: 14,
            num_channels: 3,
            qkv_bias: true,
            layerscale_value: 1.0,
            use_swiglu_ffn: false,
            use_mask_token: true,
        }
    }
}

/// A CLS token and patches, blocks with layer scale, and a norm.
#[derive(Debug)]
pub struct Dinov2 {
    geometry: Geometry,
    class: Param<3>,
    patches: PatchEmbedding,
    positions: Param<3>,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

/// Two thirds of the plain width, in whole eights (`Dinov2SwiGLUFFN`).
fn gated_width(plain: usize) -> usize {
    (plain.saturating_mul(2) / 3).next_multiple_of(8)
}

impl Dinov2Config {
    /// Sizes of the images, the tokens and the blocks.
    pub fn geometry(&self) -> Geometry {
        let plain = self.hidden_size.saturating_mul(self.mlp_ratio);
        Geometry {
            image_size: self.image_size,
            patch_size: self.patch_size,
            width: self.hidden_size,
            class_token: true,
            layers: self.num_hidden_layers,
            mlp_width: if self.use_swiglu_ffn { gated_width(plain) } else { plain },
            gated: self.use_swiglu_ffn,
        }
    }

    /// The encoder at `vars`.
    ///
    /// # Errors
    /// If the sizes cannot be built or the checkpoint does not match.
    pub fn build(&self, vars: &Vars) -> Result<Dinov2> {
        let (width, patch) = (self.hidden_size, self.patch_size);
        check(self.image_size, patch, width, self.num_attention_heads)?;
        let hidden = width.checked_mul(self.mlp_ratio).filter(|&hidden| hidden < 1 << 30);
        let hidden = hidden.ok_or_else(|| {
            Error::Config(format!("mlp_ratio is {}, which no encoder has", self.mlp_ratio))
        })?;
        let embeddings = vars.at("embeddings");
        let init = Init::Normal(0.02);
        if self.use_mask_token {
            // Belongs to the file, so that it is saved again; no forward pass uses it.
            embeddings.param("mask_token", [1, width], Init::Zeros)?;
        }
        let position_count = (self.image_size / patch).pow(2) + 1;
        let block = |i| self.block(&vars.at("encoder.layer").at(i), hidden);
        Ok(Dinov2 {
            geometry: self.geometry(),
            class: embeddings.param("cls_token", [1, 1, width], init)?,
            patches: PatchEmbedding::new(
                &embeddings.at("patch_embeddings.projection"),
                self.num_channels,
                patch,
                width,
                true,
            )?,
            positions: embeddings.param("position_embeddings", [1, position_count, width], init)?,
            blocks: (0..self.num_hidden_layers).map(block).collect::<Result<_>>()?,
            norm: LayerNorm::new(&vars.at("layernorm"), width, self.layer_norm_eps)?,
        })
    }

    fn block(&self, vars: &Vars, hidden: usize) -> Result<Block> {
        let (width, eps) = (self.hidden_size, self.layer_norm_eps);
        let attention = AttentionConfig {
            qkv_bias: self.qkv_bias,
            names: ["attention.query", "attention.key", "attention.value", "output.dense"],
            ..AttentionConfig::new(width, self.num_attention_heads)
        };
        let place = vars.at("mlp");
        let feed_forward = if self.use_swiglu_ffn {
            let hidden = gated_width(hidden);
            FeedForward::Gated {
                input: Linear::new(&place.at("weights_in"), width, 2 * hidden, true)?,
                output: Linear::new(&place.at("weights_out"), hidden, width, true)?,
            }
        } else {
            FeedForward::Mlp(mlp(&place, width, hidden, self.hidden_act)?)
        };
        let scale =
            |name| vars.at(name).param("lambda1", [width], Init::Constant(self.layerscale_value));
        Ok(Block {
            norm1: LayerNorm::new(&vars.at("norm1"), width, eps)?,
            attention: Attention::new(&vars.at("attention"), &attention)?,
            norm2: LayerNorm::new(&vars.at("norm2"), width, eps)?,
            feed_forward,
            scales: Some([scale("layer_scale1")?, scale("layer_scale2")?]),
        })
    }

    #[cfg(test)]
    pub(super) fn examples() -> Vec<Self> {
        let plain = Self {
            hidden_size: 16,
            mlp_ratio: 2,
            num_hidden_layers: 3,
            num_attention_heads: 2,
            image_size: 12,
            patch_size: 4,
            ..Self::default()
        };
        let gated = Self {
            use_swiglu_ffn: true,
            use_mask_token: false,
            qkv_bias: false,
            layerscale_value: 0.5,
            ..plain.clone()
        };
        vec![plain, gated]
    }
}

impl VisionTransformer for Dinov2 {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn embed(&self, pixels: Tensor<4>) -> Tensor<3> {
        let (patches, grid) = self.patches.forward(pixels); // [b, g·g, d]
        let [b, _, d] = patches.dims();
        let class = self.class.tensor().expand([b, 1, d]);
        let trained = self.geometry.image_size / self.geometry.patch_size;
        let table = self.positions.tensor().squeeze_dim(0);
        Tensor::cat(vec![class, patches], 1) + positions(table, 1, trained, grid)
    }

    fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    fn finish(&self, x: Tensor<3>) -> Tensor<3> {
        self.norm.forward(x)
    }

    fn pooled(&self, last: Tensor<3>) -> Option<Tensor<2>> {
        Some(last.narrow(1, 0, 1).squeeze_dim(1))
    }

    fn stage(&self, name: &str) -> Stage {
        match block_number(name, "encoder.layer") {
            Some(block) => Stage::Block(block),
            None if name.starts_with("layernorm.") => Stage::Last,
            None if name == "embeddings.mask_token" => Stage::Never,
            None => Stage::Embedding,
        }
    }
}
