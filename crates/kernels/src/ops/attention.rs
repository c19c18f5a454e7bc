//! Scaled dot-product attention over heads.

use std::sync::Arc;

use burn::{Tensor, module, ops::AttentionModuleOptions};
use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::{
    bridge::{Kernel, permuted, run, tensor, tracked, values, written},
    gemm::{Finish, Matrix, Product, Shared, Target, multiply},
    lanes::{exp, max, sum, sum2, widest},
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
    if let (Some(q), Some(k), Some(v)) = (tracked(&query), tracked(&key), tracked(&value))
        && let Some(bias) = bias.map_or(Some(None), |bias| tracked(bias).map(Some))
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

/// A tensor `[b, h, t, k]` whose last dimension is contiguous.
struct Heads {
    tensor: FlexTensor,
    dims: [usize; 4],
    strides: [usize; 4],
    start: usize,
}

impl Heads {
    fn new(tensor: FlexTensor) -> Self {
        let layout = tensor.layout();
        let plain = layout.strides().last() == Some(&1) && layout.strides().iter().all(|&s| s > 0);
        let tensor = if plain { tensor } else { tensor.to_contiguous() };
        let dims = tensor.shape().dims::<4>();
        let mut strides = [0; 4];
        for (to, from) in strides.iter_mut().zip(tensor.layout().strides()) {
            *to = from.unsigned_abs();
        }
        let start = tensor.layout().start_offset();
        Self { tensor, dims, strides, start }
    }

    /// `[t, k]`
    fn head(&self, b: usize, h: usize) -> Matrix<'_> {
        let [_, _, t, k] = self.dims;
        let start = self.start + b * self.strides[0] + h * self.strides[1];
        let values = self.tensor.storage::<f32>().get(start..).unwrap_or_default();
        Matrix::new(values, [t, k], [self.strides[2], 1])
    }
}

widest! {
    /// Softmax of each row of `s` scores plus bias; gives the logarithm of each row's sum.
    fn softmax(scores: &mut [f32], bias: Option<&[f32]>, s: usize, logs: &mut [f32]) {
        for (i, (row, log)) in scores.chunks_exact_mut(s).zip(logs).enumerate() {
            if let Some(bias) = bias {
                row.iter_mut().zip(&bias[i * s..]).for_each(|(x, bias)| *x += bias);
            }
            let most = max(row);
            // A row that sees nothing attends to nothing.
            if most == f32::NEG_INFINITY {
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
    fn softmax_again(scores: &mut [f32], bias: Option<&[f32]>, s: usize, logs: &[f32]) {
        for (i, (row, log)) in scores.chunks_exact_mut(s).zip(logs).enumerate() {
            if let Some(bias) = bias {
                row.iter_mut().zip(&bias[i * s..]).for_each(|(x, bias)| *x += bias);
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

impl Attention {
    /// The scores of one head into `scores`, `[t, s]`.
    fn scores(&self, query: Matrix<'_>, key: Matrix<'_>, scores: &mut [f32], s: usize) {
        let finish = Finish { scale: self.scale, ..Finish::default() };
        multiply(self.product, query, key.transposed(), Target::rows(scores, s), finish, false);
    }
}

/// The bias of sample `b`, of `size` values, which all samples share if there is but one.
fn bias_of(bias: Option<&[f32]>, b: usize, size: usize) -> Option<&[f32]> {
    let bias = bias?;
    let start = if bias.len() == size { 0 } else { b * size };
    bias.get(start..start + size)
}

impl Kernel<3> for Attention {
    type Saved = ([FlexTensor; 3], Arc<Vec<f32>>);

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let [query, key, value] = inputs.clone().map(Heads::new);
        let [b, h, t, k] = query.dims;
        let [_, kv_heads, s, _] = key.dims;
        let groups = h / kv_heads;
        let bias = self.bias.as_ref().map(values);
        let mut logs = vec![0f32; b * h * t];
        let attend = |out: &mut [f32]| {
            let shared = Shared::new(out);
            logs.par_chunks_mut(t.max(1)).enumerate().for_each(|(i, logs)| {
                let (b, head) = (i / h, i % h);
                let mut scores = vec![0f32; t * s];
                self.scores(query.head(b, head), key.head(b, head / groups), &mut scores, s);
                softmax(&mut scores, bias_of(bias.as_deref(), b, t * s), s, logs);
                // SAFETY: each task has columns of its own.
                let out = unsafe { shared.part((b * t * h + head) * k, [t, k], h * k) };
                let chances = Matrix::rows(&scores, [t, s]);
                let value = value.head(b, head / groups);
                multiply(self.product, chances, value, out, Finish::default(), false);
            });
        };
        // SAFETY: the heads' columns are all there are, and each is set.
        let out = unsafe { written(b * t * h * k, attend) };
        (tensor(out, [b, t, h * k].into()), (inputs, Arc::new(logs)))
    }

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
        let gradient = values(&gradient);
        let sizes = [b * t * h * k, b * s * kv_heads * k, b * s * kv_heads * k];
        let [mut d_query, mut d_key, mut d_value] = sizes.map(|size| vec![0f32; size]);
        let shared = [&mut d_query, &mut d_key, &mut d_value].map(|d| Shared::new(d));
        (0..b * kv_heads).into_par_iter().for_each(|i| {
            let (b, kv_head) = (i / kv_heads, i % kv_heads);
            let (key, value) = (key.head(b, kv_head), value.head(b, kv_head));
            let mut chances = vec![0f32; t * s];
            let mut d_scores = vec![0f32; t * s];
            for head in kv_head * groups..(kv_head + 1) * groups {
                // SAFETY: each task has query and key heads of its own, and uses one part of
                // each at a time.
                let [d_query, d_key, d_value] = unsafe {
                    let at = (b * s * kv_heads + kv_head) * k;
                    [
                        shared[0].part((b * t * h + head) * k, [t, k], h * k),
                        shared[1].part(at, [s, k], kv_heads * k),
                        shared[2].part(at, [s, k], kv_heads * k),
                    ]
                };
                let add = Finish { accumulate: head % groups > 0, ..Finish::default() };
                let query = query.head(b, head);
                let dy = gradient.get((b * t * h + head) * k..).unwrap_or_default();
                let dy = Matrix::new(dy, [t, k], [h * k, 1]);
                self.scores(query, key, &mut chances, s);
                let logs = logs.get((b * h + head) * t..).unwrap_or_default();
                softmax_again(&mut chances, bias_of(bias.as_deref(), b, t * s), s, logs);
                let p = Matrix::rows(&chances, [t, s]);
                multiply(self.product, p.transposed(), dy, d_value, add, false);
                let target = Target::rows(&mut d_scores, s);
                multiply(self.product, dy, value.transposed(), target, Finish::default(), false);
                softmax_backward(&chances, &mut d_scores, s, self.scale);
                let ds = Matrix::rows(&d_scores, [t, s]);
                multiply(self.product, ds, key, d_query, Finish::default(), false);
                multiply(self.product, ds.transposed(), query, d_key, add, false);
            }
        });
        let order = [0, 2, 1, 3];
        [
            Some(permuted(d_query, [b, h, t, k], order)),
            Some(permuted(d_key, [b, kv_heads, s, k], order)),
            Some(permuted(d_value, [b, kv_heads, s, k], order)),
        ]
    }
}
