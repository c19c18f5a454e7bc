//! The image encoder of Segment Anything; reference: `image_encoder.py` of `segment-anything`.

use burn::{Int, Tensor, TensorData};
use quintet_kernels::attention;
use quintet_nn::{Init, LayerNorm, Linear, Mlp, Param, Result, Vars};

use super::{
    conv::Conv,
    neck::Neck,
    window::{join, partition},
};
use crate::config::VitConfig;

/// Patches, blocks of which most attend within windows, and a neck.
#[derive(Debug)]
pub struct Vit {
    patches: Conv,
    positions: Option<Param<4>>,
    blocks: Vec<Block>,
    neck: Neck,
}

#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    attention: Attention,
    norm2: LayerNorm,
    mlp: Mlp,
    /// Side of the windows; `None` attends to all patches.
    window: Option<usize>,
}

/// Self-attention that knows how far apart two patches are along each side.
#[derive(Debug)]
struct Attention {
    qkv: Linear,
    out: Linear,
    /// Of rows and of columns, `[2·side - 1, k]`.
    relative: Option<[Param<2>; 2]>,
    heads: usize,
}

impl Vit {
    /// The encoder at `vars`, for `grid × grid` patches.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, config: &VitConfig, grid: usize, output: usize) -> Result<Self> {
        let (width, patch) = (config.width, config.patch_size);
        let block = |i: usize| {
            let window = (!config.global_layers.contains(&i)).then_some(config.window);
            Block::new(&vars.at("blocks").at(i), config, window, grid)
        };
        Ok(Self {
            patches: Conv::new(&vars.at("patch_embed.proj"), [3, width], patch, patch, true)?,
            positions: match config.positions {
                true => Some(vars.param("pos_embed", [1, grid, grid, width], Init::Zeros)?),
                false => None,
            },
            blocks: (0..config.layers).map(block).collect::<Result<_>>()?,
            neck: Neck::new(vars, width, output)?,
        })
    }

    /// # Shapes
    /// - pixels: `[b, 3, s, s]`
    /// - output: `[b, g², d]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let mut x = self.patches.forward(pixels.permute([0, 2, 3, 1]));
        if let Some(positions) = &self.positions {
            x = x + positions.tensor();
        }
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.neck.forward(x)
    }
}

impl Block {
    fn new(vars: &Vars, config: &VitConfig, window: Option<usize>, grid: usize) -> Result<Self> {
        let (width, eps) = (config.width, config.norm_eps);
        let mlp = vars.at("mlp");
        let up = Linear::new(&mlp.at("lin1"), width, config.hidden, true)?;
        let down = Linear::new(&mlp.at("lin2"), config.hidden, width, true)?;
        Ok(Self {
            norm1: LayerNorm::new(&vars.at("norm1"), width, eps)?,
            attention: Attention::new(&vars.at("attn"), config, window.unwrap_or(grid))?,
            norm2: LayerNorm::new(&vars.at("norm2"), width, eps)?,
            mlp: Mlp::new(up, down, config.activation),
            window,
        })
    }

    /// `[b, g, g, d]` to the same.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [b, h, w, _] = x.dims();
        let side = self.window.unwrap_or(h);
        let windows = partition(self.norm1.forward(x.clone()), side);
        let x = x + join(self.attention.forward(windows, side), side, [b, h, w]);
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }
}

impl Attention {
    fn new(vars: &Vars, config: &VitConfig, side: usize) -> Result<Self> {
        let (width, heads) = (config.width, config.heads);
        let table = |name| vars.param(name, [2 * side - 1, width / heads], Init::Zeros);
        Ok(Self {
            qkv: Linear::new(&vars.at("qkv"), width, 3 * width, config.qkv_bias)?,
            out: Linear::new(&vars.at("proj"), width, width, true)?,
            relative: match config.relative_positions {
                true => Some([table("rel_pos_h")?, table("rel_pos_w")?]),
                false => None,
            },
            heads,
        })
    }

    /// `softmax(Q Kᵀ / √k + R) V`, where `R` is the sum of the products of each query with a vector
    /// for the distance along rows and one for that along columns (Li et al., 2022, §3, after MViT).
    ///
    /// # Shapes
    /// - input and output: `[n, side², d]`
    fn forward(&self, x: Tensor<3>, side: usize) -> Tensor<3> {
        let [n, t, d] = x.dims();
        let k = d / self.heads;
        let qkv = self.qkv.forward(x).reshape([n, t, 3, self.heads, k]).permute([2, 0, 3, 1, 4]);
        let part = |i| qkv.clone().narrow(0, i, 1).squeeze_dim::<4>(0); // [n, h, t, k]
        let [query, key, value] = [part(0), part(1), part(2)];
        let Some(tables) = &self.relative else {
            return self.out.forward(attention(query, key, value, None));
        };
        // R is a product too: of the query's products with each distance, and of a key that says
        // where it stands. So it is computed with the scores, and gradients reach the tables.
        let wide = k + 2 * side;
        let ratio = (wide as f64 / k as f64).sqrt();
        let distances = distances(&query, tables, side).mul_scalar((wide as f64).sqrt());
        let query = Tensor::cat(vec![query.mul_scalar(ratio), distances], 3);
        let places = places(side, &key).expand([n, self.heads, t, 2 * side]);
        let nothing = places.zeros_like();
        let key = Tensor::cat(vec![key, places], 3);
        let value = Tensor::cat(vec![value, nothing], 3);
        let joined = attention(query, key, value, None).reshape([n, t, self.heads, wide]);
        self.out.forward(joined.narrow(3, 0, k).reshape([n, t, d]))
    }
}

/// Products of each query with the vectors of its distances to all rows, then to all columns.
///
/// # Shapes
/// - query: `[n, h, side², k]`
/// - output: `[n, h, side², 2·side]`
fn distances(query: &Tensor<4>, tables: &[Param<2>; 2], side: usize) -> Tensor<4> {
    let [n, h, t, k] = query.dims();
    let places = query.clone().reshape([n * h, side, side, k]);
    let along = |table: &Param<2>, queries: Tensor<4>| {
        let queries = queries.reshape([side, n * h * side, k]);
        let vectors = vectors(table, side).swap_dims(1, 2); // [side, k, side]
        queries.matmul(vectors).reshape([side, n * h, side, side])
    };
    let rows = along(&tables[0], places.clone().permute([1, 0, 2, 3])).permute([1, 0, 2, 3]);
    let columns = along(&tables[1], places.permute([2, 0, 1, 3])).permute([1, 2, 0, 3]);
    Tensor::cat(vec![rows, columns], 3).reshape([n, h, t, 2 * side])
}

/// The vector between each two places along a side: `[query, key, k]`.
fn vectors(table: &Param<2>, side: usize) -> Tensor<3> {
    let table = table.tensor();
    let index = (0..side).flat_map(|query| (0..side).map(move |key| query + side - 1 - key));
    let index: Vec<i64> = index.map(|index| index as i64).collect();
    let index = TensorData::new(index, [side * side]);
    let index = Tensor::<1, Int>::from_data(index, &table.device());
    let k = table.dims()[1];
    table.select(0, index).reshape([side, side, k])
}

/// A one in the column of each key's row, and one in that of its column: `[1, 1, side², 2·side]`.
fn places(side: usize, like: &Tensor<4>) -> Tensor<4> {
    let mut values = vec![0f32; side * side * 2 * side];
    for (place, row) in values.chunks_exact_mut(2 * side).enumerate() {
        row[place / side] = 1.0;
        row[side + place % side] = 1.0;
    }
    let data = TensorData::new(values, [1, 1, side * side, 2 * side]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}
