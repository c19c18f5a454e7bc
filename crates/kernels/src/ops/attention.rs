//! Scaled dot-product attention over heads.

use std::{ops::Range, sync::Arc};

use burn::{Tensor, module, ops::AttentionModuleOptions};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::{
    bridge::{BackwardPass, Kernel, input, run, stored, tensor, values, written, written_both},
    gemm::{Finish, Matrix, Product, Shared, Target, multiply},
    lanes::{exp, max, sum, sum2, widest},
    ops::{heads::Heads, with_scratch},
};

/// `softmax(Q Kᵀ / √k + bias) V` (Vaswani et al., 2017, Eq. 1), the heads joined again. Groups of
/// query heads may share a key head (Ainslie et al., 2023).
///
/// The bias is a constant: no gradient reaches it.
///
/// # Shapes
/// - query: `[b, h, t, k]`
/// - key, value: `[b, h_kv, s, k]`, where `h_kv` divides `h`
/// - bias: `[b or 1, 1, t, s]`
/// - output: `[b, t, h·k]`
pub fn attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<&Tensor<4>>,
) -> Tensor<3> {
    if let (Some(q), Some(k), Some(v)) = (input(&query), input(&key), input(&value))
        && let Some(bias) = bias.map_or(Some(None), |bias| input(bias).map(Some))
    {
        let bias = bias.map(|bias| bias.into_primitive());
        let kernel = Attention { product: Product::here(), bias, scale: scale(&query) as f32 };
        return run(kernel, [q, k, v]);
    }
    reference(query, key, value, bias)
}

/// `1 / √k`
fn scale(query: &Tensor<4>) -> f64 {
    1.0 / (query.dims()[3] as f64).sqrt()
}

pub(super) fn reference(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<&Tensor<4>>,
) -> Tensor<3> {
    let [b, h, t, k] = query.dims();
    let [_, kv_heads, s, _] = key.dims();
    let bias = bias.map(|bias| bias.clone().expand([b, h, t, s]));
    let options = AttentionModuleOptions { scale: Some(scale(&query)), ..Default::default() };
    let repeat = |x| repeat_heads(x, h / kv_heads);
    let out = module::attention(query, repeat(key), repeat(value), None, bias, options);
    out.swap_dims(1, 2).reshape([b, t, h * k])
}

/// `[b, h, s, k]` to `[b, h·groups, s, k]`, each head repeated in place
fn repeat_heads(x: Tensor<4>, groups: usize) -> Tensor<4> {
    if groups == 1 {
        return x;
    }
    let [b, h, s, k] = x.dims();
    x.unsqueeze_dim::<5>(2).expand([b, h, groups, s, k]).reshape([b, h * groups, s, k])
}

#[derive(Clone, Debug)]
struct Attention {
    product: Product,
    bias: Option<FlexTensor>,
    scale: f32,
}

/// Queries that are worked on at a time: memory grows with keys, not with queries times keys.
const TILE: usize = 64;
/// Multiplications below which threads do not pay.
const SMALL: usize = 1 << 18;
/// Scores from here down are hidden, as masks write it.
const HIDDEN: f32 = -1e30;

widest! {
    /// Softmax of each row of `s` scores plus bias; gives the logarithm of each row's sum. Rows of
    /// the bias are `stride` values long.
    fn softmax(scores: &mut [f32], bias: Option<&[f32]>, stride: usize, s: usize, logs: &mut [f32]) {
        for (i, (row, log)) in scores.chunks_exact_mut(s).zip(logs).enumerate() {
            if let Some(bias) = bias {
                row.iter_mut().zip(&bias[i * stride..]).for_each(|(x, bias)| *x += bias);
            }
            let most = max(row);
            // A row that sees nothing attends to nothing.
            if most <= 0.5 * HIDDEN {
                row.fill(0.0);
                *log = f32::INFINITY;
                continue;
            }
            for x in row.iter_mut() {
                *x = exp(*x - most);
            }
            let total = sum(row, |x| x);
            let scale = 1.0 / total;
            for x in row.iter_mut() {
                *x *= scale;
            }
            *log = most + total.ln();
        }
    }
}

widest! {
    /// The same softmax again, from the logarithms.
    fn softmax_again(scores: &mut [f32], bias: Option<&[f32]>, stride: usize, s: usize, logs: &[f32]) {
        for (i, (row, log)) in scores.chunks_exact_mut(s).zip(logs).enumerate() {
            if let Some(bias) = bias {
                row.iter_mut().zip(&bias[i * stride..]).for_each(|(x, bias)| *x += bias);
            }
            for x in row.iter_mut() {
                *x = exp(*x - log);
            }
        }
    }
}

widest! {
    /// The gradient of the scores, in place of that of the chances.
    fn softmax_backward(chances: &[f32], gradient: &mut [f32], s: usize, scale: f32) {
        for (p, g) in chances.chunks_exact(s).zip(gradient.chunks_exact_mut(s)) {
            let along = sum2(p, g, |p, g| p * g);
            for (g, p) in g.iter_mut().zip(p) {
                *g = p * (*g - along) * scale;
            }
        }
    }
}

/// Some queries, and the keys that any of them sees.
#[derive(Clone)]
struct Tile<'a> {
    queries: Range<usize>,
    keys: Range<usize>,
    /// The bias of the first query and key; rows are `stride` apart.
    bias: Option<&'a [f32]>,
    stride: usize,
}

impl<'a> Tile<'a> {
    /// The tiles of `t` queries and `s` keys, for each bias there is: `[biases, t / TILE]`.
    fn all(bias: Option<&'a [f32]>, [t, s]: [usize; 2]) -> Vec<Self> {
        let firsts = || (0..t).step_by(TILE);
        match bias {
            None => firsts().map(|first| Self::new(first, [t, s], None)).collect(),
            Some(bias) => {
                let samples = bias.chunks_exact((t * s).max(1));
                let tiles = samples.flat_map(|bias| firsts().map(move |first| (first, bias)));
                let tiles: Vec<_> = tiles.collect();
                tiles
                    .into_par_iter()
                    .map(|(first, bias)| Self::new(first, [t, s], Some(bias)))
                    .collect()
            }
        }
    }

    /// Those of sample `b`; all samples share them if there is but one bias, or none.
    fn of(all: &[Self], b: usize, t: usize) -> &[Self] {
        let count = t.div_ceil(TILE);
        let start = if all.len() == count { 0 } else { b * count };
        all.get(start..start + count).unwrap_or_default()
    }

    /// Queries from `first` on, and at least one key; `bias` is that of all `t` queries and `s`
    /// keys.
    fn new(first: usize, [t, s]: [usize; 2], bias: Option<&'a [f32]>) -> Self {
        let queries = first..(first + TILE).min(t);
        let Some(bias) = bias else { return Self { queries, keys: 0..s, bias: None, stride: s } };
        let rows = bias.get(queries.start * s..queries.end * s).unwrap_or_default();
        let (mut start, mut end) = (s, 0);
        for row in rows.chunks_exact(s) {
            let seen = |x: &f32| *x > HIDDEN;
            start = start.min(row.iter().position(seen).unwrap_or(s));
            end = end.max(row.iter().rposition(seen).map_or(0, |last| last + 1));
        }
        if start >= end {
            (start, end) = (0, 1);
        }
        let bias = rows.get(start..);
        Self { queries, keys: start..end, bias, stride: s }
    }

    fn len(&self) -> usize {
        self.queries.len() * self.keys.len()
    }
}

impl Attention {
    /// The scores of a tile into `scores`.
    fn scores(&self, tile: &Tile<'_>, query: Matrix<'_>, key: Matrix<'_>, scores: &mut [f32]) {
        let finish = Finish { scale: self.scale, ..Finish::default() };
        let key = key.part(tile.keys.clone()).transposed();
        let query = query.part(tile.queries.clone());
        let target = Target::rows(scores, tile.keys.len());
        multiply(self.product, query, key, target, finish, false);
    }

    /// Sets the gradient of a tile's queries, and adds to those of its keys and values.
    fn backward_of_tile(
        &self,
        tile: &Tile<'_>,
        [query, key, value]: [Matrix<'_>; 3],
        dy: Matrix<'_>,
        logs: &[f32],
        [d_query, d_key, d_value]: [Target<'_>; 3],
    ) {
        let (rows, columns) = (tile.queries.len(), tile.keys.len());
        let (set, add) = (Finish::default(), Finish { accumulate: true, ..Finish::default() });
        with_scratch(2 * tile.len(), |scratch| {
            let (chances, d_scores) = scratch.split_at_mut(tile.len());
            self.scores(tile, query, key, chances);
            softmax_again(chances, tile.bias, tile.stride, columns, logs);
            let p = Matrix::rows(chances, [rows, columns]);
            multiply(self.product, p.transposed(), dy, d_value, add, false);
            let value = value.part(tile.keys.clone()).transposed();
            multiply(self.product, dy, value, Target::rows(d_scores, columns), set, false);
            softmax_backward(chances, d_scores, columns, self.scale);
            let ds = Matrix::rows(d_scores, [rows, columns]);
            multiply(self.product, ds, key.part(tile.keys.clone()), d_query, set, false);
            let query = query.part(tile.queries.clone());
            multiply(self.product, ds.transposed(), query, d_key, add, false);
        });
    }
}

impl Kernel<3> for Attention {
    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let dtype = inputs[0].dtype();
        let [query, key, value] = inputs.clone().map(Heads::new);
        let [b, h, t, k] = query.dims;
        let [_, kv_heads, s, _] = key.dims;
        let groups = h / kv_heads;
        let bias = self.bias.as_ref().map(values);
        let tiles = Tile::all(bias.as_deref(), [t, s]);
        let mut logs = vec![0f32; b * h * t];
        let attend = |out: &mut [f32]| {
            let shared = Shared::new(out);
            let task = |i: usize, tile: usize, logs: &mut [f32]| {
                let (b, head) = (i / h, i % h);
                let tile = &Tile::of(&tiles, b, t)[tile];
                let (first, rows) = (tile.queries.start, tile.queries.len());
                let [query, key] = [query.head(b, head), key.head(b, head / groups)];
                // SAFETY: each task has rows and columns of its own.
                let out =
                    unsafe { shared.part(((b * t + first) * h + head) * k, [rows, k], h * k) };
                with_scratch(tile.len(), |scores| {
                    self.scores(tile, query, key, scores);
                    softmax(scores, tile.bias, tile.stride, tile.keys.len(), logs);
                    let chances = Matrix::rows(scores, [rows, tile.keys.len()]);
                    let value = value.head(b, head / groups).part(tile.keys.clone());
                    multiply(self.product, chances, value, out, Finish::default(), false);
                });
            };
            if b * h * t * s * k < SMALL {
                for (i, logs) in logs.chunks_mut(t.max(1)).enumerate() {
                    let tiles = logs.chunks_mut(TILE).enumerate();
                    tiles.for_each(|(tile, logs)| task(i, tile, logs));
                }
            } else {
                logs.par_chunks_mut(t.max(1)).enumerate().for_each(|(i, logs)| {
                    let tiles = logs.par_chunks_mut(TILE).enumerate();
                    tiles.for_each(|(tile, logs)| task(i, tile, logs));
                });
            }
        };
        // SAFETY: the heads' columns are all there are, and each is set.
        let out = unsafe { written(b * t * h * k, attend) };
        (stored(out, [b, t, h * k].into(), dtype), (inputs, Arc::new(logs)))
    }
}

impl BackwardPass<3> for Attention {
    type Saved = ([FlexTensor; 3], Arc<Vec<f32>>);

    fn backward(
        &self,
        (inputs, logs): Self::Saved,
        gradient: FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [query, key, value] = inputs.map(Heads::new);
        let [b, h, t, k] = query.dims;
        let [_, kv_heads, s, _] = key.dims;
        let groups = h / kv_heads;
        let bias = self.bias.as_ref().map(values);
        let tiles = Tile::all(bias.as_deref(), [t, s]);
        let gradient = values(&gradient);
        let differentiate = |d_query: &mut [f32], d_key: &mut [f32], d_value: &mut [f32]| {
            let shared = [d_query, d_key, d_value].map(Shared::new);
            (0..b * kv_heads).into_par_iter().for_each(|i| {
                let (b, kv_head) = (i / kv_heads, i % kv_heads);
                let (key, value) = (key.head(b, kv_head), value.head(b, kv_head));
                // SAFETY: each task has query and key heads of its own, and uses one part of each at
                // a time.
                let of_keys = |which: usize, keys: &Range<usize>| unsafe {
                    let at = ((b * s + keys.start) * kv_heads + kv_head) * k;
                    shared[which].part(at, [keys.len(), k], kv_heads * k)
                };
                of_keys(1, &(0..s)).clear();
                of_keys(2, &(0..s)).clear();
                for tile in Tile::of(&tiles, b, t) {
                    for head in kv_head * groups..(kv_head + 1) * groups {
                        let first = ((b * t + tile.queries.start) * h + head) * k;
                        // SAFETY: as above.
                        let d_query =
                            unsafe { shared[0].part(first, [tile.queries.len(), k], h * k) };
                        let dy = gradient.get(first..).unwrap_or_default();
                        let logs = logs.get((b * h + head) * t + tile.queries.start..);
                        self.backward_of_tile(
                            tile,
                            [query.head(b, head), key, value],
                            Matrix::new(dy, [tile.queries.len(), k], [h * k, 1]),
                            logs.unwrap_or_default(),
                            [d_query, of_keys(1, &tile.keys), of_keys(2, &tile.keys)],
                        );
                    }
                }
            });
        };
        let (mut d_key, mut d_value) = (Vec::new(), Vec::new());
        // SAFETY: the tiles hold all queries, and the gradients of all keys begin as zeros.
        let d_query = unsafe {
            written(b * t * h * k, |d_query| {
                [d_key, d_value] = written_both(b * s * kv_heads * k, |d_key, d_value| {
                    differentiate(d_query, d_key, d_value);
                });
            })
        };
        let of = |gradient, shape: [usize; 4]| {
            Some(tensor(gradient, shape.into()).permute(&[0, 2, 1, 3]))
        };
        let of_keys = [b, s, kv_heads, k];
        [of(d_query, [b, t, h, k]), of(d_key, of_keys), of(d_value, of_keys)]
    }
}
