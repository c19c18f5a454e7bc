//! Cross-entropy of a vocabulary, without ever holding all its logits.

use std::sync::Arc;

use burn::{DType, Int, Shape, Tensor, TensorData, activation};
use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::linear::linear;
use crate::{
    bridge::{BackwardPass, Kernel, input, run, tensor, values},
    gemm::{Finish, Matrix, Product, Target, multiply},
    lanes::{exp, max, sum, widest},
};

/// Logits held at a time.
const HELD: usize = 1 << 21;

/// The mean over rows of `-log softmax(hidden Wᵀ)[target]`.
///
/// Logits are made for some rows at a time. Their gradient is known as soon as they are, up to the
/// factor that comes from above, so that it is taken at once and the logits are let go (as in
/// Liger Kernel, Hsu et al., 2024, §3.2).
///
/// # Shapes
/// - hidden: `[m, d]`
/// - weight: `[classes, d]`
/// - targets: `m`, each below `classes`
/// - output: `[1]`
///
/// # Panics
/// If there are not as many targets as rows, or one is no class.
pub fn mean_cross_entropy(hidden: Tensor<2>, weight: Tensor<2>, targets: Vec<i32>) -> Tensor<1> {
    let ([m, _], [classes, _]) = (hidden.dims(), weight.dims());
    assert!(m > 0 && targets.len() == m, "{} targets for {m} rows", targets.len());
    let known = |target: &i32| usize::try_from(*target).is_ok_and(|target| target < classes);
    assert!(targets.iter().all(known), "a target is none of {classes} classes");
    if let (Some(hidden), Some(weight)) = (input(&hidden), input(&weight)) {
        let wanted = [hidden.is_tracked(), weight.is_tracked()];
        let kernel = CrossEntropy { product: Product::here(), targets: targets.into(), wanted };
        return run(kernel, [hidden, weight]);
    }
    reference(hidden, weight, targets)
}

/// Values that [`mean_cross_entropy`] holds at its end: logits of some rows, and the gradients of
/// `m` hidden states of width `d` and of the weight.
pub fn mean_cross_entropy_values(m: usize, d: usize, classes: usize) -> usize {
    rows_held(classes).min(m) * classes + m * d + classes * d
}

/// Rows whose logits are held at a time.
fn rows_held(classes: usize) -> usize {
    (HELD / classes.max(1)).clamp(16, 512)
}

pub(super) fn reference(hidden: Tensor<2>, weight: Tensor<2>, targets: Vec<i32>) -> Tensor<1> {
    let (device, m) = (hidden.device().without_autodiff(), targets.len());
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [m, 1]), &device);
    let logits = linear(hidden, weight, None);
    let logits = if logits.dtype() == DType::F64 { logits } else { logits.cast(DType::F32) };
    let chances = activation::log_softmax(logits, 1);
    chances.gather(1, targets).mean().neg()
}

#[derive(Clone, Debug)]
struct CrossEntropy {
    product: Product,
    targets: Arc<[i32]>,
    /// Whether hidden states and weight get gradients.
    wanted: [bool; 2],
}

widest! {
    /// The loss of one row; its logits become `(softmax - one-hot) · scale`.
    fn loss_of_row(logits: &mut [f32], target: usize, scale: f32) -> f32 {
        let most = max(logits);
        let score = logits[target] - most;
        for x in logits.iter_mut() {
            *x = exp(*x - most);
        }
        let total = sum(logits, |x| x);
        let by = scale / total;
        for x in logits.iter_mut() {
            *x *= by;
        }
        logits[target] -= scale;
        total.ln() - score
    }
}

impl Kernel<2> for CrossEntropy {
    fn forward(&self, [hidden, weight]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let [m, d] = hidden.shape().dims::<2>();
        let [classes, _] = weight.shape().dims::<2>();
        let (h, w) = (values(&hidden), values(&weight));
        let w = Matrix::rows(&w, [classes, d]);
        let mut of_hidden = self.wanted[0].then(|| vec![0f32; m * d]);
        let mut of_weight = self.wanted[1].then(|| vec![0f32; classes * d]);
        let rows = rows_held(classes);
        let mut logits = vec![0f32; rows.min(m) * classes];
        let mut losses = vec![0f32; m];
        for (i, losses) in losses.chunks_mut(rows).enumerate() {
            let first = i * rows;
            let logits = &mut logits[..losses.len() * classes];
            let h = Matrix::rows(&h[first * d..(first + losses.len()) * d], [losses.len(), d]);
            let target = Target::rows(logits, classes);
            multiply(self.product, h, w.transposed(), target, Finish::default(), true);
            let rows = logits.par_chunks_mut(classes).zip(losses.par_iter_mut());
            rows.zip(&self.targets[first..]).for_each(|((logits, loss), target)| {
                *loss = loss_of_row(logits, *target as usize, 1.0 / m as f32);
            });
            let gradient = Matrix::rows(logits, [losses.len(), classes]);
            if let Some(of_hidden) = &mut of_hidden {
                let part = &mut of_hidden[first * d..(first + losses.len()) * d];
                let target = Target::rows(part, d);
                multiply(self.product, gradient, w, target, Finish::default(), true);
            }
            if let Some(of_weight) = &mut of_weight {
                let finish = Finish { accumulate: first > 0, ..Finish::default() };
                let target = Target::rows(of_weight, d);
                multiply(self.product, gradient.transposed(), h, target, finish, true);
            }
        }
        let loss = losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / m as f64;
        let of_hidden = of_hidden.map(|values| tensor(values, hidden.shape()));
        let of_weight = of_weight.map(|values| tensor(values, weight.shape()));
        (tensor(vec![loss as f32], Shape::from([1])), [of_hidden, of_weight])
    }
}

impl BackwardPass<2> for CrossEntropy {
    /// Gradients of the mean.
    type Saved = [Option<FlexTensor>; 2];

    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        _: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let scale = values(&gradient).first().copied().unwrap_or_default();
        saved.map(|gradient| {
            let gradient = gradient?;
            if scale == 1.0 {
                return Some(gradient);
            }
            let scaled = values(&gradient).par_iter().map(|x| x * scale).collect();
            Some(tensor(scaled, gradient.shape()))
        })
    }
}
