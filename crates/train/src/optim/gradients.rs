//! Gradients of one step: gathered, accumulated over micro-batches, measured.

use std::sync::Arc;

use burn::{DType, Device, Gradients, Tensor, TensorData};
use quintet_nn::param::ParamCell;
use rayon::prelude::*;

use super::CHUNK;

/// A parameter's gradient, where the optimiser updates the parameter.
pub(super) enum Gradient {
    /// `f32` values in this machine's memory.
    Host(TensorData),
    /// A tensor on another device.
    Device(Tensor<1>),
}

/// The weighted sum of the gradients of a step's micro-batches.
///
/// Micro-batches are joined as one large batch would be: the gradient of a mean over `w`
/// terms counts `w` times.
pub struct GradientSum {
    cells: Vec<Arc<ParamCell>>,
    pub(super) sums: Vec<Option<Gradient>>,
    weight: f64,
}

impl GradientSum {
    /// An empty sum over these parameters.
    pub fn new(cells: Vec<Arc<ParamCell>>) -> Self {
        let sums = cells.iter().map(|_| None).collect();
        Self { cells, sums, weight: 0.0 }
    }

    /// Takes what a backward pass left. The caller multiplied the loss by `weight`.
    pub fn add(&mut self, grads: &mut Gradients, weight: f64) {
        self.weight += weight;
        for (cell, sum) in self.cells.iter().zip(&mut self.sums) {
            let Some(grad) = cell.take_grad(grads) else { continue };
            *sum = Some(match (sum.take(), Gradient::new(grad)) {
                (None, new) => new,
                (Some(Gradient::Host(old)), Gradient::Host(new)) => Gradient::Host(plus(old, &new)),
                (Some(Gradient::Device(old)), Gradient::Device(new)) => Gradient::Device(old + new),
                _ => unreachable!("a parameter stays on its device within a step"),
            });
        }
    }

    /// What turns the sum into the gradient of the mean: one over the sum of all weights.
    pub fn mean_scale(&self) -> f64 {
        1.0 / self.weight
    }

    /// L2 norm of the gradient of the mean, over all parameters together.
    ///
    /// The same bits whatever the number of threads.
    pub fn norm(&self) -> f64 {
        let squares: f64 = self.sums.iter().flatten().map(Gradient::sum_of_squares).sum();
        squares.sqrt() * self.mean_scale()
    }

    /// Names of the parameters that no backward pass reached.
    pub fn unreached(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().zip(&self.sums).filter(|(_, sum)| sum.is_none()).map(|(c, _)| c.name())
    }
}

impl Gradient {
    fn new(grad: Tensor<1>) -> Self {
        if grad.device() == Device::flex() {
            Self::Host(grad.into_data_dtype(DType::F32))
        } else {
            Self::Device(grad)
        }
    }

    fn sum_of_squares(&self) -> f64 {
        match self {
            Self::Host(data) => {
                values(data).par_chunks(CHUNK).map(squares).collect::<Vec<_>>().iter().sum()
            }
            Self::Device(grad) => {
                let grad = grad.clone().cast(DType::F32);
                f64::from((grad.clone() * grad).sum().into_scalar::<f32>())
            }
        }
    }
}

/// Sum of squares of a chunk, in lanes that the compiler can keep in one vector register.
fn squares(chunk: &[f32]) -> f64 {
    const LANES: usize = 16;
    let mut lanes = [0f32; LANES];
    let (parts, rest) = chunk.as_chunks::<LANES>();
    for part in parts {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *lane += x * x;
        }
    }
    let rest: f32 = rest.iter().map(|x| x * x).sum();
    lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>() + f64::from(rest)
}

fn plus(mut old: TensorData, new: &TensorData) -> TensorData {
    values_mut(&mut old)
        .par_chunks_mut(CHUNK)
        .zip(values(new).par_chunks(CHUNK))
        .for_each(|(old, new)| old.iter_mut().zip(new).for_each(|(old, new)| *old += new));
    old
}

/// The values of data that is known to be `f32`.
pub(super) fn values(data: &TensorData) -> &[f32] {
    data.as_slice().expect("converted to f32 when it was taken")
}

/// As [`values`], to write.
pub(super) fn values_mut(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice().expect("converted to f32 when it was taken")
}
