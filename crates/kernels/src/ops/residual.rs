//! Residual sums, with the norms that read them.

use std::ops::Range;

use burn::{DType, Tensor};
use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;

use super::norm::{Norm, layer_norm, norm_row, rms_norm};
use crate::{
    bridge::{BackwardPass, Kernel, Tracked, input, last_dim, run, run_as, tensor, values},
    lanes::widest,
    storage::{Values, written_in_pieces},
};

/// The same values in `f32`, as their gradients are.
pub fn single<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match input(&x) {
        Some(stored) if x.dtype() == DType::BF16 => run(Single, [stored]),
        _ => x.cast(DType::F32),
    }
}

#[derive(Clone, Debug)]
struct Single;

impl Kernel<1> for Single {
    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
        (tensor(values(&x).into_owned(), x.shape()), ())
    }
}

impl BackwardPass<1> for Single {
    type Saved = ();

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(gradient)]
    }
}

/// `x + y`, stored as `x` is.
///
/// # Shapes
/// - x, y and output: the same
pub fn add<const D: usize>(x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    match of_one_shape(&x, &y) {
        Some(terms) if [x.dtype(), y.dtype()] != [DType::F32; 2] => run(Sum, terms),
        _ => x + y,
    }
}

/// `x + y` and its [`layer_norm`], in one pass.
///
/// # Shapes
/// - x, y and both outputs: `[.., d]`
/// - weight, bias: `[d]`
pub fn add_layer_norm<const D: usize>(
    x: Tensor<D>,
    y: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
) -> [Tensor<D>; 2] {
    match (of_one_shape(&x, &y), input(&weight), input(&bias)) {
        (Some(terms), Some(weight), Some(bias)) => {
            let norm = Norm::new(eps, true, &terms[0]);
            let [sum, normed] = norm.of_sum(&terms, &weight, Some(&bias));
            enter(norm, terms, sum, |norm, sum| {
                run_as(norm, [sum, weight, bias], |[x, weight, _]| (normed, (x, weight)))
            })
        }
        _ => {
            let sum = add(x, y);
            [sum.clone(), layer_norm(sum, weight, bias, eps)]
        }
    }
}

/// `x + y` and its [`rms_norm`], in one pass.
///
/// # Shapes
/// - x, y and both outputs: `[.., d]`
/// - weight: `[d]`
pub fn add_rms_norm<const D: usize>(
    x: Tensor<D>,
    y: Tensor<D>,
    weight: Tensor<1>,
    eps: f64,
) -> [Tensor<D>; 2] {
    match (of_one_shape(&x, &y), input(&weight)) {
        (Some(terms), Some(weight)) => {
            let norm = Norm::new(eps, false, &terms[0]);
            let [sum, normed] = norm.of_sum(&terms, &weight, None);
            enter(norm, terms, sum, |norm, sum| {
                run_as(norm, [sum, weight], |[x, weight]| (normed, (x, weight)))
            })
        }
        _ => {
            let sum = add(x, y);
            [sum.clone(), rms_norm(sum, weight, eps)]
        }
    }
}

/// Both, if they are computed with here.
fn of_one_shape<const D: usize>(x: &Tensor<D>, y: &Tensor<D>) -> Option<[Tracked; 2]> {
    let both = [input(x)?, input(y)?];
    (x.dims() == y.dims()).then_some(both)
}

/// Enters a sum that is known into the graph, and what `normed` makes of it.
fn enter<const D: usize>(
    norm: Norm,
    terms: [Tracked; 2],
    sum: FlexTensor,
    normed: impl FnOnce(Norm, Tracked) -> Tensor<D>,
) -> [Tensor<D>; 2] {
    let sum: Tensor<D> = run_as(Sum, terms, |_| (sum, ()));
    let tracked = input(&sum).expect("a sum of what is computed with here");
    [sum, normed(norm, tracked)]
}

/// `x + y`
#[derive(Clone, Debug)]
struct Sum;

impl Kernel<2> for Sum {
    fn forward(&self, terms: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let [x, y] = terms.each_ref().map(Values::of);
        let piece = |range: Range<usize>, [sum]: [&mut [f32]; 1]| {
            x.part(range.clone(), |x| y.part(range, |y| add_terms(x, y, sum)));
        };
        let (shape, dtype) = (terms[0].shape(), terms[0].dtype());
        // SAFETY: every piece is set.
        let ([sum], _) = unsafe { written_in_pieces(&shape, 1, [dtype], piece) };
        (sum, ())
    }
}

impl BackwardPass<2> for Sum {
    type Saved = ();

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 2]) -> [Option<FlexTensor>; 2] {
        [Some(gradient.clone()), Some(gradient)]
    }
}

widest! {
    fn add_terms(x: &[f32], y: &[f32], sum: &mut [f32]) {
        for ((sum, x), y) in sum.iter_mut().zip(x).zip(y) {
            *sum = x + y;
        }
    }
}

widest! {
    fn forward_of_sum(
        norm: (f32, bool),
        terms: [&[f32]; 2],
        weight: &[f32],
        bias: Option<&[f32]>,
        sum: &mut [f32],
        normed: &mut [f32],
    ) {
        let d = weight.len();
        let terms = terms[0].chunks_exact(d).zip(terms[1].chunks_exact(d));
        let rows = sum.chunks_exact_mut(d).zip(normed.chunks_exact_mut(d));
        for ((x, y), (sum, normed)) in terms.zip(rows) {
            for ((sum, x), y) in sum.iter_mut().zip(x).zip(y) {
                *sum = x + y;
            }
            norm_row(norm, sum, weight, bias, normed);
        }
    }
}

impl Norm {
    /// The sum of the terms, and its norm.
    fn of_sum(
        &self,
        terms: &[Tracked; 2],
        weight: &Tracked,
        bias: Option<&Tracked>,
    ) -> [FlexTensor; 2] {
        let [x, y] = terms.each_ref().map(Tracked::primitive);
        let (d, shape, dtype) = (last_dim(x), x.shape(), x.dtype());
        let [x, y] = [x, y].map(Values::of);
        let (weight, bias) = (values(weight.primitive()), bias.map(|b| values(b.primitive())));
        assert_eq!(weight.len(), d, "the norm has another width");
        let norm = (self.eps, self.centred);
        let rows = |range: Range<usize>, [sum, normed]: [&mut [f32]; 2]| {
            x.part(range.clone(), |x| {
                y.part(range, |y| {
                    forward_of_sum(norm, [x, y], &weight, bias.as_deref(), sum, normed);
                });
            });
        };
        // SAFETY: every row is set.
        unsafe { written_in_pieces(&shape, d, [dtype, self.dtype], rows).0 }
    }
}
