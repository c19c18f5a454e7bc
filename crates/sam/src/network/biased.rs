//! Attention within a window, with a learnt bias for each distance.

use burn::{Int, Tensor, TensorData, activation::softmax};
use quintet_kernels::attention;
use quintet_nn::{Init, LayerNorm, Linear, Param, Result, Vars};

/// Normed self-attention whose scores have a bias for how far apart two tokens of the window are
/// (Graham et al., 2021, §4.2: LeViT).
#[derive(Debug)]
pub struct BiasedAttention {
    norm: LayerNorm,
    qkv: Linear,
    out: Linear,
    /// `[h, side²]`: one for each distance down and across.
    biases: Param<2>,
    heads: usize,
    side: usize,
}

impl BiasedAttention {
    /// The layer at `vars`, for windows of `side × side` tokens.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, width: usize, heads: usize, side: usize, eps: f64) -> Result<Self> {
        Ok(Self {
            norm: LayerNorm::new(&vars.at("norm"), width, eps)?,
            qkv: Linear::new(&vars.at("qkv"), width, 3 * width, true)?,
            out: Linear::new(&vars.at("proj"), width, width, true)?,
            biases: vars.param("attention_biases", [heads, side * side], Init::Zeros)?,
            heads,
            side,
        })
    }

    /// # Shapes
    /// - input and output: `[n, side², d]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [n, t, d] = x.dims();
        let k = d / self.heads;
        let qkv = self.qkv.forward(self.norm.forward(x)).reshape([n, t, self.heads, 3 * k]);
        let parts = [0, 1, 2].map(|part| qkv.clone().narrow(3, part * k, k));
        // The fused kernel takes biases for constants.
        let attended = match self.biases.cell().is_trainable() {
            true => plain(parts, self.bias()),
            false => fused(parts, self.bias()),
        };
        self.out.forward(attended.reshape([n, t, d]))
    }

    /// `[h, t, t]`
    fn bias(&self) -> Tensor<3> {
        let tokens = self.side * self.side;
        let place = |token: usize| [token / self.side, token % self.side];
        let distance = |a: usize, b: usize| {
            let [[ya, xa], [yb, xb]] = [place(a), place(b)];
            // Distances are numbered in the order in which they are first met, which is row by row.
            (ya.abs_diff(yb) * self.side + xa.abs_diff(xb)) as i64
        };
        let index: Vec<i64> =
            (0..tokens).flat_map(|a| (0..tokens).map(move |b| distance(a, b))).collect();
        let biases = self.biases.tensor();
        let index = TensorData::new(index, [tokens * tokens]);
        let index = Tensor::<1, Int>::from_data(index, &biases.device());
        biases.select(1, index).reshape([self.heads, tokens, tokens])
    }
}

/// Composed of plain operations, so that a gradient reaches the bias.
///
/// # Shapes
/// - query, key, value and output: `[n, t, h, k]`
/// - bias: `[h, t, t]`
fn plain(parts: [Tensor<4>; 3], bias: Tensor<3>) -> Tensor<4> {
    let [query, key, value] = parts.map(|part| part.swap_dims(1, 2)); // [n, h, t, k]
    let scale = 1.0 / (query.dims()[3] as f64).sqrt();
    let scores = query.matmul(key.swap_dims(2, 3)).mul_scalar(scale);
    softmax(scores + bias.unsqueeze(), 3).matmul(value).swap_dims(1, 2)
}

/// The same with a constant bias. Windows take the place of heads and heads that of samples, since
/// the kernel has one bias for a sample.
fn fused(parts: [Tensor<4>; 3], bias: Tensor<3>) -> Tensor<4> {
    let [n, t, h, k] = parts[0].dims();
    let [query, key, value] = parts.map(|part| part.permute([2, 0, 1, 3])); // [h, n, t, k]
    let attended = attention(query, key, value, Some(&bias.unsqueeze_dim(1))); // [h, t, n·k]
    attended.reshape([h, t, n, k]).permute([2, 1, 0, 3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use quintet_testing::{assert_close, noise};

    #[test]
    fn both_ways_attend_alike() {
        let [n, t, h, k] = [5, 9, 3, 4];
        let parts = [0, 1, 2].map(|seed| noise(seed, [n, t, h, k]));
        let bias = noise(3, [h, t, t]);
        assert_close(fused(parts.clone(), bias.clone()), plain(parts, bias), "attention");
    }
}
