//! SigLIP's vision transformer (Zhai et al., 2023); reference: `SiglipVisionModel`.

use burn::Tensor;
use quintet_kernels::{attention, linear};
use quintet_nn::{
    Activation, Init, LayerNorm, Linear, Mlp, Param, Result, Vars, attention::split_heads,
};
use serde::{Deserialize, Serialize};

use super::{
    Geometry, Stage, VisionTransformer,
    block::{Block, block_number, mlp},
    clip::{below_vision_model, vision_model},
    embedding::{PatchEmbedding, check, positions},
};

/// `SiglipVisionConfig`; the defaults are base-patch16-224's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SiglipConfig {
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
    /// Whether the file has the attention-pooling head.
    pub vision_use_head: bool,
}

impl Default for SiglipConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 16,
            hidden_act: Activation::GeluTanh,
            layer_norm_eps: 1e-6,
            vision_use_head: true,
        }
    }
}

/// Patches without a CLS token, blocks, a norm and a pooling head.
#[derive(Debug)]
pub struct Siglip {
    geometry: Geometry,
    patches: PatchEmbedding,
    positions: Param<2>,
    blocks: Vec<Block>,
    post_norm: LayerNorm,
    head: Option<PoolingHead>,
}

/// Attention of one learnt query over all tokens (Zhai et al., 2022, §3.3), and an MLP.
#[derive(Debug)]
struct PoolingHead {
    probe: Param<3>,
    /// Query, key and value maps in one, `[3·d, d]`, as `torch.nn.MultiheadAttention` packs them.
    weight: Param<2>,
    bias: Param<1>,
    out: Linear,
    norm: LayerNorm,
    mlp: Mlp,
    heads: usize,
}

impl SiglipConfig {
    /// Sizes of the images, the tokens and the blocks.
    pub fn geometry(&self) -> Geometry {
        Geometry {
            image_size: self.image_size,
            patch_size: self.patch_size,
            width: self.hidden_size,
            class_token: false,
            layers: self.num_hidden_layers,
            mlp_width: self.intermediate_size,
            gated: false,
        }
    }

    /// The encoder at `vars`.
    ///
    /// # Errors
    /// If the sizes cannot be built or the checkpoint does not match.
    pub fn build(&self, vars: &Vars) -> Result<Siglip> {
        let (width, patch, eps) = (self.hidden_size, self.patch_size, self.layer_norm_eps);
        let (heads, hidden) = (self.num_attention_heads, self.intermediate_size);
        check(self.image_size, patch, width, heads)?;
        let vars = vision_model(vars);
        let embeddings = vars.at("embeddings");
        let block = |i| {
            let place = vars.at("encoder.layers").at(i);
            Block::clip(&place, width, heads, hidden, self.hidden_act, eps)
        };
        Ok(Siglip {
            geometry: self.geometry(),
            patches: PatchEmbedding::new(
                &embeddings.at("patch_embedding"),
                self.num_channels,
                patch,
                width,
                true,
            )?,
            positions: embeddings.at("position_embedding").param(
                "weight",
                [(self.image_size / patch).pow(2), width],
                Init::Grid { leading: 0, side: self.image_size / patch, scale: 0.3 },
            )?,
            blocks: (0..self.num_hidden_layers).map(block).collect::<Result<_>>()?,
            post_norm: LayerNorm::new(&vars.at("post_layernorm"), width, eps)?,
            head: match self.vision_use_head {
                true => Some(PoolingHead::new(&vars.at("head"), self)?),
                false => None,
            },
        })
    }

    #[cfg(test)]
    pub(super) fn examples() -> Vec<Self> {
        let with_head = Self {
            hidden_size: 16,
            intermediate_size: 24,
            num_hidden_layers: 3,
            num_attention_heads: 2,
            image_size: 12,
            patch_size: 4,
            ..Self::default()
        };
        vec![Self { vision_use_head: false, ..with_head.clone() }, with_head]
    }
}

impl PoolingHead {
    fn new(vars: &Vars, config: &SiglipConfig) -> Result<Self> {
        let width = config.hidden_size;
        let attention = vars.at("attention");
        let init = Init::Normal(0.02);
        Ok(Self {
            probe: vars.param("probe", [1, 1, width], init)?,
            weight: attention.param("in_proj_weight", [3 * width, width], init)?,
            bias: attention.param("in_proj_bias", [3 * width], Init::Zeros)?,
            out: Linear::new(&attention.at("out_proj"), width, width, true)?,
            norm: LayerNorm::new(&vars.at("layernorm"), width, config.layer_norm_eps)?,
            mlp: mlp(&vars.at("mlp"), width, config.intermediate_size, config.hidden_act)?,
            heads: config.num_attention_heads,
        })
    }

    /// `[b, v, d]` to `[b, d]`
    fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let [b, _, d] = x.dims();
        let (weight, bias) = (self.weight.tensor(), self.bias.tensor());
        let project = |x: Tensor<3>, part: usize| {
            let weight = weight.clone().narrow(0, part * d, d);
            let bias = bias.clone().narrow(0, part * d, d);
            split_heads(linear(x, weight, Some(bias)), self.heads)
        };
        let query = project(self.probe.tensor().expand([b, 1, d]), 0);
        let pooled = attention(query, project(x.clone(), 1), project(x, 2), None); // [b, 1, d]
        let pooled = self.out.forward(pooled);
        let pooled = pooled.clone() + self.mlp.forward(self.norm.forward(pooled));
        pooled.squeeze_dim(1)
    }
}

impl VisionTransformer for Siglip {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn embed(&self, pixels: Tensor<4>) -> Tensor<3> {
        let (patches, grid) = self.patches.forward(pixels);
        let trained = self.geometry.image_size / self.geometry.patch_size;
        patches + positions(self.positions.tensor(), 0, trained, grid)
    }

    fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    fn finish(&self, x: Tensor<3>) -> Tensor<3> {
        self.post_norm.forward(x)
    }

    fn pooled(&self, last: Tensor<3>) -> Option<Tensor<2>> {
        self.head.as_ref().map(|head| head.forward(last))
    }

    fn stage(&self, name: &str) -> Stage {
        let name = below_vision_model(name);
        match block_number(name, "encoder.layers") {
            Some(block) => Stage::Block(block),
            None if name.starts_with("post_layernorm.") => Stage::Last,
            None if name.starts_with("head.") => Stage::Pooled,
            None => Stage::Embedding,
        }
    }
}
