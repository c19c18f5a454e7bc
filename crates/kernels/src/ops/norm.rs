//! LayerNorm and RMSNorm over the last dimension.

use std::ops::Range;

use burn::{DType, Shape, Tensor, module};
use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;

use super::sum_all;
use crate::{
    bridge::{BackwardPass, Kernel, Tracked, input, last_dim, run, tensor, values},
    lanes::{sum, sum2, widest},
    precision,
    storage::{Values, written_in_pieces},
};

/// `(x - mean) / √(variance + eps) · weight + bias` (Ba et al., 2016).
///
/// # Shapes
/// - x and output: `[.., d]`
/// - weight, bias: `[d]`
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
) -> Tensor<D> {
    match (input(&x), input(&weight), input(&bias)) {
        (Some(x), Some(weight), Some(bias)) => run(Norm::new(eps, true, &x), [x, weight, bias]),
        _ => module::layer_norm(x, weight, Some(bias), eps),
    }
}

/// `x / √(mean of x² + eps) · weight` (Zhang and Sennrich, 2019).
///
/// # Shapes
/// - x and output: `[.., d]`
/// - weight: `[d]`
pub fn rms_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, eps: f64) -> Tensor<D> {
    match (input(&x), input(&weight)) {
        (Some(x), Some(weight)) => run(Norm::new(eps, false, &x), [x, weight]),
        _ => {
            let rms = x.clone().square().mean_dim(D - 1).add_scalar(eps).sqrt();
            x / rms * weight.unsqueeze()
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Norm {
    pub eps: f32,
    /// Whether the mean is taken off.
    pub centred: bool,
    /// Of the output.
    pub dtype: DType,
}

/// The mean and one over the standard deviation of a row.
#[inline(always)]
fn moments(row: &[f32], eps: f32, centred: bool) -> (f32, f32) {
    let d = row.len() as f32;
    let mean = if centred { sum(row, |x| x) / d } else { 0.0 };
    let variance = sum(row, |x| (x - mean) * (x - mean)) / d;
    (mean, 1.0 / (variance + eps).sqrt())
}

/// The norm of a row, by epsilon and whether the mean is taken off.
#[inline(always)]
pub(super) fn norm_row(
    norm: (f32, bool),
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let (mean, scale) = moments(x, norm.0, norm.1);
    match bias {
        Some(bias) => {
            for (((y, x), w), b) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                *y = (x - mean) * scale * w + b;
            }
        }
        None => {
            for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                *y = (x - mean) * scale * w;
            }
        }
    }
}

widest! {
    fn forward(
        norm: (f32, bool),
        x: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        y: &mut [f32],
    ) {
        let d = weight.len();
        for (x, y) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
            norm_row(norm, x, weight, bias, y);
        }
    }
}

widest! {
    fn backward(
        norm: (f32, bool),
        x: &[f32],
        weight: &[f32],
        dy: &[f32],
        dx: &mut [f32],
        d_weight: &mut [f32],
        d_bias: &mut [f32],
    ) {
        let d = weight.len();
        let mut g = vec![0f32; d];
        let mut normed = vec![0f32; d];
        let rows = x.chunks_exact(d).zip(dy.chunks_exact(d)).zip(dx.chunks_exact_mut(d));
        for ((x, dy), dx) in rows {
            let (mean, scale) = moments(x, norm.0, norm.1);
            for i in 0..d {
                normed[i] = (x[i] - mean) * scale;
                g[i] = dy[i] * weight[i];
                d_weight[i] += dy[i] * normed[i];
                d_bias[i] += dy[i];
            }
            let along = sum2(&g, &normed, |g, n| g * n) / d as f32;
            let level = if norm.1 { sum(&g, |g| g) / d as f32 } else { 0.0 };
            for i in 0..d {
                dx[i] = scale * (g[i] - level - normed[i] * along);
            }
        }
    }
}

impl Norm {
    /// For the moments of `x`.
    pub fn new(eps: f64, centred: bool, x: &Tracked) -> Self {
        Self { eps: eps as f32, centred, dtype: precision::normed(x.dtype()) }
    }

    fn forward(
        &self,
        x: &FlexTensor,
        weight: &FlexTensor,
        bias: Option<&FlexTensor>,
    ) -> FlexTensor {
        let d = last_dim(x);
        let (x_values, weight, bias) = (Values::of(x), values(weight), bias.map(values));
        assert_eq!(weight.len(), d, "the norm has another width");
        let norm = (self.eps, self.centred);
        let rows = |range: Range<usize>, [y]: [&mut [f32]; 1]| {
            x_values.part(range, |x| forward(norm, x, &weight, bias.as_deref(), y));
        };
        // SAFETY: every row is set.
        let ([y], _) = unsafe { written_in_pieces(&x.shape(), d, [self.dtype], rows) };
        y
    }

    /// Gradients of `x`, the weight and the bias.
    fn backward(
        &self,
        (x, weight): (FlexTensor, FlexTensor),
        dy: &FlexTensor,
    ) -> [Option<FlexTensor>; 3] {
        let d = last_dim(&x);
        let (x_values, weight_values, dy) = (Values::of(&x), values(&weight), Values::of(dy));
        let norm = (self.eps, self.centred);
        let rows = |range: Range<usize>, [dx]: [&mut [f32]; 1]| {
            let (mut d_weight, mut d_bias) = (vec![0f32; d], vec![0f32; d]);
            x_values.part(range.clone(), |x| {
                dy.part(range, |dy| {
                    backward(norm, x, &weight_values, dy, dx, &mut d_weight, &mut d_bias);
                });
            });
            (d_weight, d_bias)
        };
        // SAFETY: every row is set.
        let ([dx], sums) = unsafe { written_in_pieces(&x.shape(), d, [DType::F32], rows) };
        let (d_weight, d_bias) = sums.into_iter().unzip();
        let of = |partial| Some(tensor(sum_all(partial, d), Shape::from([d])));
        [Some(dx), of(d_weight), of(d_bias)]
    }
}

impl Kernel<3> for Norm {
    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        (self.forward(&x, &weight, Some(&bias)), (x, weight))
    }
}

impl BackwardPass<3> for Norm {
    type Saved = (FlexTensor, FlexTensor);

    fn backward(
        &self,
        saved: Self::Saved,
        dy: FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        self.backward(saved, &dy)
    }
}

impl Kernel<2> for Norm {
    fn forward(&self, [x, weight]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        (self.forward(&x, &weight, None), (x, weight))
    }
}

impl BackwardPass<2> for Norm {
    type Saved = (FlexTensor, FlexTensor);

    fn backward(
        &self,
        saved: Self::Saved,
        dy: FlexTensor,
        _: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let [x, weight, _] = self.backward(saved, &dy);
        [x, weight]
    }
}
