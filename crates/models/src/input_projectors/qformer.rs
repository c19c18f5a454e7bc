//! Q-Former: learnt queries in a BERT that also attends to the features (BLIP-2, Li et al., 2023,
//! §3.1), and a linear map to the LLM; reference: `Blip2ForConditionalGeneration`.

use burn::Tensor;
use quintet_kernels::add;
use quintet_nn::{
    Activation, Attention, AttentionConfig, Error, Init, LayerNorm, Linear, Mlp, Param, Result,
    Vars,
};
use serde::{Deserialize, Serialize};

use super::Projector;

/// `Blip2QFormerConfig` with its defaults, the number of queries, and the LLM's width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QFormerConfig {
    /// Width of the queries.
    pub hidden_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward halves.
    pub intermediate_size: usize,
    /// Non-linearity of the feed-forward halves.
    pub hidden_act: Activation,
    /// Added to variances.
    pub layer_norm_eps: f64,
    /// Every so many blocks, the first included, attend to the features.
    pub cross_attention_frequency: usize,
    /// Width of the features.
    pub encoder_hidden_size: usize,
    /// Queries.
    pub num_query_tokens: usize,
    /// Width of the LLM's tokens: the `hidden_size` of its configuration.
    pub output_dim: usize,
}

impl Default for QFormerConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: Activation::Gelu,
            layer_norm_eps: 1e-12,
            cross_attention_frequency: 2,
            encoder_hidden_size: 1408,
            num_query_tokens: 32,
            output_dim: 2560,
        }
    }
}

/// `query_tokens`, `qformer` and `language_projection`.
#[derive(Debug)]
pub struct QFormer {
    queries: Param<3>,
    norm: LayerNorm,
    blocks: Vec<Block>,
    projection: Linear,
}

#[derive(Debug)]
struct Block {
    attention: NormedAttention,
    cross: Option<NormedAttention>,
    mlp: Mlp,
    mlp_norm: LayerNorm,
}

/// Attention with the residual and the norm after it, as in BERT.
#[derive(Debug)]
struct NormedAttention {
    attention: Attention,
    norm: LayerNorm,
}

impl QFormerConfig {
    /// Widths of the features and of the LLM's tokens.
    pub fn dims(&self) -> [usize; 2] {
        [self.encoder_hidden_size, self.output_dim]
    }

    /// The projector at `vars`.
    ///
    /// # Errors
    /// If the sizes cannot be built or the checkpoint does not match.
    pub fn build(&self, vars: &Vars) -> Result<QFormer> {
        let (d, heads) = (self.hidden_size, self.num_attention_heads);
        if heads == 0 || d == 0 || !d.is_multiple_of(heads) {
            return Err(Error::Config(format!(
                "num_attention_heads {heads} does not divide hidden_size {d}"
            )));
        }
        if self.cross_attention_frequency == 0 {
            return Err(Error::Config("cross_attention_frequency is 0; give at least 1".into()));
        }
        let qformer = vars.at("qformer");
        let queries = [1, self.num_query_tokens, d];
        let block = |i| self.block(&qformer.at("encoder.layer").at(i), i);
        Ok(QFormer {
            queries: vars.param("query_tokens", queries, Init::Normal(0.02))?,
            norm: LayerNorm::new(&qformer.at("layernorm"), d, self.layer_norm_eps)?,
            blocks: (0..self.num_hidden_layers).map(block).collect::<Result<_>>()?,
            projection: Linear::new(&vars.at("language_projection"), d, self.output_dim, true)?,
        })
    }

    fn block(&self, vars: &Vars, index: usize) -> Result<Block> {
        let (d, hidden) = (self.hidden_size, self.intermediate_size);
        let output = vars.at("output_query");
        Ok(Block {
            attention: self.attention(&vars.at("attention"), d)?,
            cross: match index % self.cross_attention_frequency {
                0 => Some(self.attention(&vars.at("crossattention"), self.encoder_hidden_size)?),
                _ => None,
            },
            mlp: Mlp::new(
                Linear::new(&vars.at("intermediate_query.dense"), d, hidden, true)?,
                Linear::new(&output.at("dense"), hidden, d, true)?,
                self.hidden_act,
            ),
            mlp_norm: LayerNorm::new(&output.at("LayerNorm"), d, self.layer_norm_eps)?,
        })
    }

    fn attention(&self, vars: &Vars, source_dim: usize) -> Result<NormedAttention> {
        let config = AttentionConfig {
            source_dim,
            names: ["attention.query", "attention.key", "attention.value", "output.dense"],
            ..AttentionConfig::new(self.hidden_size, self.num_attention_heads)
        };
        let norm = vars.at("output.LayerNorm");
        Ok(NormedAttention {
            attention: Attention::new(vars, &config)?,
            norm: LayerNorm::new(&norm, self.hidden_size, self.layer_norm_eps)?,
        })
    }

    #[cfg(test)]
    pub(super) fn examples() -> Vec<Self> {
        vec![Self {
            hidden_size: 16,
            num_hidden_layers: 3,
            num_attention_heads: 2,
            intermediate_size: 24,
            encoder_hidden_size: 12,
            num_query_tokens: 3,
            output_dim: 20,
            ..Self::default()
        }]
    }
}

impl NormedAttention {
    fn forward(&self, x: Tensor<3>, source: Tensor<3>) -> Tensor<3> {
        self.norm.forward(add(x.clone(), self.attention.cross(x, source, None)))
    }
}

impl Projector for QFormer {
    fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let [_, n, d] = self.queries.dims();
        let queries = self.queries.tensor().expand([features.dims()[0], n, d]);
        let mut x = self.norm.forward(queries); // [b, n, d]
        for block in &self.blocks {
            x = block.attention.forward(x.clone(), x);
            if let Some(cross) = &block.cross {
                x = cross.forward(x, features.clone());
            }
            x = block.mlp_norm.forward(add(x.clone(), block.mlp.forward(x)));
        }
        self.projection.forward(x)
    }

    fn token_count(&self, _: usize) -> crate::Result<usize> {
        Ok(self.queries.dims()[1])
    }
}
