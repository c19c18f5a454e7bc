//! Attention between prompts and image, both ways; reference: `transformer.py` of
//! `segment-anything`.
//!
//! Letters: `b` prompts, `t` tokens of a prompt, `v` tokens of the image, `d` width.

use burn::{Tensor, activation::softmax};
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

/// The tokens of an image, as the first block finds them.
#[derive(Clone, Debug)]
pub struct Image {
    /// `[1 or b, v, d]`
    tokens: Tensor<3>,
    /// `[1, v, d]`
    positions: Tensor<3>,
    /// What the first block makes of tokens that all prompts share.
    shared: Option<Shared>,
}

/// What does not depend on the prompts.
#[derive(Clone, Debug)]
struct Shared {
    /// Heads by which prompts find what to read, `[1, h, v, k]`.
    key: Tensor<4>,
    /// Heads that they read, `[1, h, v, k]`.
    value: Tensor<4>,
    /// The tokens with their positions, `[1, v, d]`.
    placed: Tensor<3>,
}

impl Image {
    /// An image for each of `b` prompts: `[b, v, d]`.
    pub fn each(tokens: Tensor<3>, positions: Tensor<3>) -> Self {
        Self { tokens, positions, shared: None }
    }
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

    /// One image for any number of prompts, with what does not depend on them.
    ///
    /// # Shapes
    /// - tokens and positions: `[1, v, d]`
    pub fn share(&self, tokens: Tensor<3>, positions: Tensor<3>) -> Image {
        let shared = self.blocks.first().map(|block| {
            let placed = tokens.clone() + positions.clone();
            Shared {
                key: block.to_image.heads(&block.to_image.key, placed.clone()),
                value: block.to_image.heads(&block.to_image.value, tokens.clone()),
                placed,
            }
        });
        Image { tokens, positions, shared }
    }

    /// What the tokens of the prompts, and of the image for each of them, have become.
    ///
    /// # Shapes
    /// - tokens: `[b, t, d]`
    /// - output: `[b, t, d]` and `[b, v, d]`
    pub fn forward(&self, tokens: Tensor<3>, image: &Image) -> (Tensor<3>, Tensor<3>) {
        let Image { positions, shared, tokens: first } = image;
        let (mut x, mut image) = (tokens.clone(), first.clone());
        for (i, block) in self.blocks.iter().enumerate() {
            // The first block has nothing yet to add its tokens to.
            x = if i == 0 {
                block.own.forward(x.clone(), x.clone(), x)
            } else {
                let placed = x.clone() + tokens.clone();
                x.clone() + block.own.forward(placed.clone(), placed, x)
            };
            (x, image) = match shared {
                Some(shared) if i == 0 => block.read_shared(x, image, &tokens, shared),
                _ => block.read(x, image, &tokens, positions),
            };
        }
        let placed = image.clone() + positions.clone();
        let read = self.to_image.gather(x.clone() + tokens, placed, image.clone());
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

    /// The block after its self-attention, for an image of each prompt: `x` `[b, t, d]`, `image`
    /// `[b, v, d]`.
    fn read(
        &self,
        x: Tensor<3>,
        image: Tensor<3>,
        tokens: &Tensor<3>,
        positions: &Tensor<3>,
    ) -> (Tensor<3>, Tensor<3>) {
        let x = self.norms[0].forward(x);
        let placed = image.clone() + positions.clone();
        let read = self.to_image.gather(x.clone() + tokens.clone(), placed.clone(), image.clone());
        let x = self.feed(x + read);
        let read = self.to_prompt.spread(placed, x.clone() + tokens.clone(), x.clone());
        (x, self.norms[3].forward(image + read))
    }

    /// The same for an image that the prompts share: `image` `[1, v, d]`.
    fn read_shared(
        &self,
        x: Tensor<3>,
        image: Tensor<3>,
        tokens: &Tensor<3>,
        shared: &Shared,
    ) -> (Tensor<3>, Tensor<3>) {
        let x = self.norms[0].forward(x);
        let [b, t, d] = x.dims();
        let Shared { key, value, placed } = shared.clone();
        // Tokens do not see one another here: those of all prompts can read one image together.
        let asked = (x.clone() + tokens.clone()).reshape([1, b * t, d]);
        let asked = self.to_image.heads(&self.to_image.query, asked);
        let read = self.to_image.out.forward(attention(asked, key, value, None));
        let x = self.feed(x + read.reshape([b, t, d]));
        let read = self.to_prompt.spread(placed, x.clone() + tokens.clone(), x.clone());
        (x, self.norms[3].forward(read + image))
    }

    fn feed(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.norms[1].forward(x);
        self.norms[2].forward(x.clone() + self.mlp.forward(x))
    }
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

    /// `[b, n, d]` to `[b, h, n, k]`, by one of its maps.
    fn heads(&self, map: &Linear, x: Tensor<3>) -> Tensor<4> {
        split_heads(map.forward(x), self.heads)
    }

    /// # Shapes
    /// - query: `[b, t, d]`
    /// - key, value: `[b, s, d]`
    /// - output: `[b, t, d]`
    fn forward(&self, query: Tensor<3>, key: Tensor<3>, value: Tensor<3>) -> Tensor<3> {
        let query = self.heads(&self.query, query);
        let key = self.heads(&self.key, key);
        let value = self.heads(&self.value, value);
        self.out.forward(attention(query, key, value, None))
    }

    /// The same for many queries and few keys, whose number times that of the heads is less than
    /// `d`: the maps of queries and results are applied to keys and values, as below.
    ///
    /// # Shapes
    /// - query: `[1 or b, s, d]`
    fn spread(&self, query: Tensor<3>, key: Tensor<3>, value: Tensor<3>) -> Tensor<3> {
        let key = self.heads(&self.key, key);
        let value = self.heads(&self.value, value);
        let ([b, h, t, k], [_, s, d]) = (key.dims(), query.dims());
        if self.query.lora().is_some() || self.out.lora().is_some() || h * t >= d {
            let query = self.heads(&self.query, query).expand([b, h, s, k]);
            return self.out.forward(attention(query, key, value, None));
        }
        let key = key.mul_scalar(1.0 / (k as f64).sqrt());
        let offsets = key.clone().matmul(self.nothing(&self.query).reshape([1, h, k, 1]));
        let keys = key.matmul(self.query.weight().tensor().reshape([1, h, k, d]));
        let scores = query.matmul(keys.reshape([b, h * t, d]).swap_dims(1, 2));
        let scores = (scores + offsets.reshape([b, 1, h * t])).reshape([b, s, h, t]);
        let chances = softmax(scores, 3).reshape([b, s, h * t]);
        let out = self.out.weight().tensor().reshape([1, d, h, k]).permute([0, 2, 3, 1]);
        // The chances of all heads sum to their number.
        let bias = self.nothing(&self.out).div_scalar(h as f64);
        chances.matmul(value.matmul(out).reshape([b, h * t, d]) + bias)
    }

    /// The same for few queries and many keys, whose own maps are then the most of the work: so they
    /// are applied to the queries and to what these gather, `q·(W x) = (Wᵀ q)·x` and
    /// `Σ a (W x) = W Σ a x` (as DeepSeek-AI, 2024, §2.1 absorbs them). The key's bias adds the same
    /// to all scores of a query, which is nothing to the softmax.
    fn gather(&self, query: Tensor<3>, key: Tensor<3>, value: Tensor<3>) -> Tensor<3> {
        if self.key.lora().is_some() || self.value.lora().is_some() {
            return self.forward(query, key, value);
        }
        let query = self.heads(&self.query, query);
        let ([b, h, t, k], d) = (query.dims(), key.dims()[2]);
        let by_head = |map: &Linear| map.weight().tensor().reshape([1, h, k, d]);
        let scale = (d as f64 / k as f64).sqrt();
        let query = query.matmul(by_head(&self.key)).mul_scalar(scale).reshape([b, 1, h * t, d]);
        let gathered = attention(query, key.unsqueeze_dim(1), value.unsqueeze_dim(1), None);
        let gathered = gathered.reshape([b, h, t, d]).matmul(by_head(&self.value).swap_dims(2, 3));
        let gathered = gathered.swap_dims(1, 2).reshape([b, t, h * k]);
        // What is gathered has a weight of one.
        self.out.forward(gathered + self.nothing(&self.value))
    }

    /// What a map makes of nothing, which is its bias: `[1, 1, out]`.
    fn nothing(&self, map: &Linear) -> Tensor<3> {
        let weight = map.weight().tensor();
        let [_, input] = weight.dims();
        map.forward(Tensor::zeros([1, 1, input], (&weight.device(), weight.dtype())))
    }
}

#[cfg(test)]
mod tests {
    use burn::Device;
    use quintet_testing::{assert_close, noise, scramble};

    use super::*;

    #[test]
    fn maps_of_the_many_may_be_applied_to_the_few() {
        let vars = Vars::random(1, &Device::flex());
        let attention = Attention::new(&vars, 32, 16, 4).unwrap();
        scramble(&vars.finish().unwrap(), 0.3);
        let (few, many) = (noise(1, [3, 5, 32]), noise(2, [3, 50, 32]));
        let value = |x: &Tensor<3>| x.clone().flip([2]);
        let [plain, moved] = [Attention::forward, Attention::gather]
            .map(|attend| attend(&attention, few.clone(), many.clone(), value(&many)));
        assert_close(moved, plain, "what few gather");
        let [plain, moved] = [Attention::forward, Attention::spread]
            .map(|attend| attend(&attention, many.clone(), few.clone(), value(&few)));
        assert_close(moved, plain, "what is spread to many");
        let one = many.clone().narrow(0, 0, 1);
        let shared = attention.spread(one.clone(), few.clone(), value(&few));
        let each = attention.forward(one.expand([3, 50, 32]), few.clone(), value(&few));
        assert_close(shared, each, "what is spread to many that are shared");
        // As many keys times heads as the width is: nothing is moved.
        let keys = noise(3, [3, 8, 32]);
        let [plain, kept] = [Attention::forward, Attention::spread]
            .map(|attend| attend(&attention, many.clone(), keys.clone(), value(&keys)));
        assert_close(kept, plain, "many keys");
    }
}
