//! Attention between prompts and image, both ways; reference: `transformer.py` of
//! `segment-anything`.
//!
//! Letters: `b` prompts, `t` tokens of a prompt, `v` tokens of the image, `d` width.

use burn::Tensor;
use quintet_kernels::attention;
use quintet_nn::{Activation, LayerNorm, Linear, Mlp, Result, Vars, attention::split_heads};

use crate::config::DecoderConfig;

/// Added to variances in the last norm.
const LAST_EPS: f64 = 1e-5;

/// Blocks that let the tokens of prompts and of the image read each other.
#[derive(Debug)]
pub struct TwoWay {
    blocks: Vec<Block>,
    to_image: Attention,
    norm: LayerNorm,
}

#[derive(Debug)]
struct Block {
    own: Attention,
    to_image: Attention,
    mlp: Mlp,
    to_prompt: Attention,
    norms: [LayerNorm; 4],
}

/// Attention whose keys and values have unlike sources.
#[derive(Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
}

impl TwoWay {
    /// The transformer at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, width: usize, config: &DecoderConfig) -> Result<Self> {
        let inner = width / config.downsample;
        let block = |i| Block::new(&vars.at("layers").at(i), width, config);
        let last = vars.at("final_attn_token_to_image");
        Ok(Self {
            blocks: (0..config.layers).map(block).collect::<Result<_>>()?,
            to_image: Attention::new(&last, width, inner, config.heads)?,
            norm: LayerNorm::new(&vars.at("norm_final_attn"), width, LAST_EPS)?,
        })
    }

    /// What the tokens of the prompts, and of the image for each of them, have become.
    ///
    /// # Shapes
    /// - tokens: `[b, t, d]`
    /// - image: `[1 or b, v, d]`
    /// - positions: `[1, v, d]`
    /// - output: `[b, t, d]` and `[b, v, d]`
    pub fn forward(
        &self,
        tokens: Tensor<3>,
        image: Tensor<3>,
        positions: Tensor<3>,
    ) -> (Tensor<3>, Tensor<3>) {
        let (mut x, mut image) = (tokens.clone(), image);
        for (i, block) in self.blocks.iter().enumerate() {
            (x, image) = block.forward(x, image, &tokens, &positions, i == 0);
        }
        let placed = image.clone() + positions;
        let read = self.to_image.forward(x.clone() + tokens, placed, image.clone());
        (self.norm.forward(x + read), image)
    }
}

impl Block {
    fn new(vars: &Vars, width: usize, config: &DecoderConfig) -> Result<Self> {
        let inner = width / config.downsample;
        let cross = |name| Attention::new(&vars.at(name), width, inner, config.heads);
        let norm = |i| LayerNorm::new(&vars.at(format!("norm{i}")), width, config.norm_eps);
        let mlp = vars.at("mlp");
        let up = Linear::new(&mlp.at("lin1"), width, config.hidden, true)?;
        let down = Linear::new(&mlp.at("lin2"), config.hidden, width, true)?;
        Ok(Self {
            own: Attention::new(&vars.at("self_attn"), width, width, config.heads)?,
            to_image: cross("cross_attn_token_to_image")?,
            mlp: Mlp::new(up, down, Activation::Relu),
            to_prompt: cross("cross_attn_image_to_token")?,
            norms: [norm(1)?, norm(2)?, norm(3)?, norm(4)?],
        })
    }

    /// One block. The first has nothing yet to add its tokens to.
    fn forward(
        &self,
        x: Tensor<3>,
        image: Tensor<3>,
        tokens: &Tensor<3>,
        positions: &Tensor<3>,
        first: bool,
    ) -> (Tensor<3>, Tensor<3>) {
        let [norm1, norm2, norm3, norm4] = &self.norms;
        let x = if first {
            self.own.forward(x.clone(), x.clone(), x)
        } else {
            let placed = x.clone() + tokens.clone();
            x.clone() + self.own.forward(placed.clone(), placed, x)
        };
        let x = norm1.forward(x);
        let image_placed = image.clone() + positions.clone();
        let read =
            self.to_image.forward(x.clone() + tokens.clone(), image_placed.clone(), image.clone());
        let x = norm2.forward(x + read);
        let x = norm3.forward(x.clone() + self.mlp.forward(x));
        let read = self.to_prompt.forward(image_placed, x.clone() + tokens.clone(), x.clone());
        (x, norm4.forward(image + read))
    }
}

impl Attention {
    fn new(vars: &Vars, width: usize, inner: usize, heads: usize) -> Result<Self> {
        Ok(Self {
            query: Linear::new(&vars.at("q_proj"), width, inner, true)?,
            key: Linear::new(&vars.at("k_proj"), width, inner, true)?,
            value: Linear::new(&vars.at("v_proj"), width, inner, true)?,
            out: Linear::new(&vars.at("out_proj"), inner, width, true)?,
            heads,
        })
    }

    /// One sample of queries, or one of keys and values, serves any number of the other.
    ///
    /// # Shapes
    /// - query: `[b or 1, t, d]`
    /// - key, value: `[b or 1, s, d]`
    /// - output: `[b, t, d]`
    fn forward(&self, query: Tensor<3>, key: Tensor<3>, value: Tensor<3>) -> Tensor<3> {
        let ([b, t, d], samples) = (query.dims(), key.dims()[0]);
        // Queries do not see one another: those of all prompts can read one image together.
        let folded = samples == 1;
        let query = if folded { query.reshape([1, b * t, d]) } else { query };
        let mut query = split_heads(self.query.forward(query), self.heads);
        let key = split_heads(self.key.forward(key), self.heads);
        let value = split_heads(self.value.forward(value), self.heads);
        if !folded {
            let [_, h, t, k] = query.dims();
            query = query.expand([samples, h, t, k]);
        }
        let out = self.out.forward(attention(query, key, value, None));
        if folded { out.reshape([b, t, d]) } else { out }
    }
}
