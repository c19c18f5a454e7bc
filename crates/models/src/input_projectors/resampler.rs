//! Perceiver resampler: learnt latents read the features by cross-attention (Flamingo, Alayrac et
//! al., 2022, §2.1 and Fig. 5); reference: `IdeficsPerceiverResampler`.

use burn::Tensor;
use quintet_kernels::{add, attention};
use quintet_nn::{
    Activation, Error, Init, LayerNorm, Linear, Mlp, Param, Result, Vars, attention::split_heads,
};
use serde::{Deserialize, Serialize};

use super::Projector;

/// As in PyTorch's `LayerNorm`, whose default the reference keeps.
const EPS: f64 = 1e-5;

/// Sizes of the resampler; the `resampler_*` fields are `IdeficsPerceiverConfig`'s, with its
/// defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResamplerConfig {
    /// Width of the features and of the latents.
    pub input_dim: usize,
    /// Width of the LLM's tokens. Idefics has no such map, since its LLM reads the latents by
    /// cross-attention: without it the latents are given as they are.
    #[serde(default)]
    pub output_dim: Option<usize>,
    /// Latents.
    #[serde(default = "ResamplerConfig::latents")]
    pub resampler_n_latents: usize,
    /// Blocks.
    #[serde(default = "ResamplerConfig::depth")]
    pub resampler_depth: usize,
    /// Attention heads.
    #[serde(default = "ResamplerConfig::heads")]
    pub resampler_n_heads: usize,
    /// Width of a head.
    #[serde(default = "ResamplerConfig::head_dim")]
    pub resampler_head_dim: usize,
    /// Whether queries and keys are normed head by head.
    #[serde(default)]
    pub qk_layer_norms_perceiver: bool,
}

/// Latents, blocks, a norm, and the map to the LLM's width.
#[derive(Debug)]
pub struct Resampler {
    latents: Param<2>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    projection: Option<Linear>,
}

#[derive(Debug)]
struct Block {
    attention: CrossAttention,
    mlp_norm: LayerNorm,
    mlp: Mlp,
}

/// Attention from the latents to the features and the latents themselves.
#[derive(Debug)]
struct CrossAttention {
    context_norm: LayerNorm,
    latents_norm: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    /// Norms of queries and keys, over a head's width.
    qk_norms: Option<[LayerNorm; 2]>,
    heads: usize,
}

impl ResamplerConfig {
    fn latents() -> usize {
        64
    }

    fn depth() -> usize {
        6
    }

    fn heads() -> usize {
        16
    }

    fn head_dim() -> usize {
        96
    }

    /// Widths of the features and of the LLM's tokens.
    pub fn dims(&self) -> [usize; 2] {
        [self.input_dim, self.output_dim.unwrap_or(self.input_dim)]
    }

    /// The projector at `vars`.
    ///
    /// # Errors
    /// If the sizes cannot be built or the checkpoint does not match.
    pub fn build(&self, vars: &Vars) -> Result<Resampler> {
        let d = self.input_dim;
        let inner = self.resampler_n_heads.checked_mul(self.resampler_head_dim);
        if d == 0 || d.checked_mul(4).is_none() || inner.is_none_or(|inner| inner == 0) {
            return Err(Error::Config(format!(
                "a resampler cannot have width {d} and {} heads of width {}",
                self.resampler_n_heads, self.resampler_head_dim
            )));
        }
        let block = |i| self.block(&vars.at("blocks").at(i));
        Ok(Resampler {
            latents: vars.param("latents", [self.resampler_n_latents, d], Init::Normal(1.0))?,
            blocks: (0..self.resampler_depth).map(block).collect::<Result<_>>()?,
            norm: LayerNorm::new(&vars.at("layer_norm"), d, EPS)?,
            projection: match self.output_dim {
                Some(output) => Some(Linear::new(&vars.at("projection"), d, output, true)?),
                None => None,
            },
        })
    }

    fn block(&self, vars: &Vars) -> Result<Block> {
        let d = self.input_dim;
        let (attention, mlp) = (vars.at(0), vars.at(1));
        let inner = self.resampler_n_heads * self.resampler_head_dim;
        let qk_norm = |name| LayerNorm::new(&attention.at(name), self.resampler_head_dim, EPS);
        Ok(Block {
            attention: CrossAttention {
                context_norm: LayerNorm::new(&attention.at("context_layer_norm"), d, EPS)?,
                latents_norm: LayerNorm::new(&attention.at("latents_layer_norm"), d, EPS)?,
                query: Linear::new(&attention.at("q_proj"), d, inner, false)?,
                key: Linear::new(&attention.at("k_proj"), d, inner, false)?,
                value: Linear::new(&attention.at("v_proj"), d, inner, false)?,
                out: Linear::new(&attention.at("output_proj"), inner, d, false)?,
                qk_norms: match self.qk_layer_norms_perceiver {
                    true => Some([qk_norm("q_layer_norm")?, qk_norm("k_layer_norm")?]),
                    false => None,
                },
                heads: self.resampler_n_heads,
            },
            mlp_norm: LayerNorm::new(&mlp.at("ln"), d, EPS)?,
            mlp: Mlp::new(
                Linear::new(&mlp.at("fc"), d, 4 * d, false)?,
                Linear::new(&mlp.at("c_proj"), 4 * d, d, false)?,
                Activation::Relu,
            ),
        })
    }

    #[cfg(test)]
    pub(super) fn examples() -> Vec<Self> {
        let plain = Self {
            input_dim: 12,
            output_dim: Some(20),
            resampler_n_latents: 3,
            resampler_depth: 2,
            resampler_n_heads: 2,
            resampler_head_dim: 8,
            qk_layer_norms_perceiver: false,
        };
        vec![Self { qk_layer_norms_perceiver: true, output_dim: None, ..plain.clone() }, plain]
    }
}

impl CrossAttention {
    /// Latents `[b, n, d]` and context `[b, v, d]` to `[b, n, d]`
    fn forward(&self, latents: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        let latents = self.latents_norm.forward(latents);
        let source = Tensor::cat(vec![self.context_norm.forward(context), latents.clone()], 1);
        let mut query = split_heads(self.query.forward(latents), self.heads);
        let mut key = split_heads(self.key.forward(source.clone()), self.heads);
        let value = split_heads(self.value.forward(source), self.heads); // [b, h, v + n, k]
        if let Some([query_norm, key_norm]) = &self.qk_norms {
            query = query_norm.forward(query);
            key = key_norm.forward(key);
        }
        self.out.forward(attention(query, key, value, None))
    }
}

impl Projector for Resampler {
    fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let [n, d] = self.latents.dims();
        let mut x = self.latents.tensor().unsqueeze::<3>().expand([features.dims()[0], n, d]);
        for block in &self.blocks {
            x = add(x.clone(), block.attention.forward(x, features.clone()));
            x = add(x.clone(), block.mlp.forward(block.mlp_norm.forward(x)));
        }
        let x = self.norm.forward(x);
        match &self.projection {
            Some(projection) => projection.forward(x),
            None => x,
        }
    }

    fn token_count(&self, _: usize) -> crate::Result<usize> {
        Ok(self.latents.dims()[0])
    }
}
