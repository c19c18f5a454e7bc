//! Residual sums with the norms that read them.

use burn::Tensor;
use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{
    norm::{Norm, layer_norm, norm_row, rms_norm},
    piece, rows_per_piece,
};
use crate::{
    bridge::{BackwardPass, Tracked, last_dim, run_as, tensor, tracked, values, written_both},
    lanes::widest,
};

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
    match (of_one_shape(&x, &y), tracked(&weight), tracked(&bias)) {
        (Some(terms), Some(weight), Some(bias)) => {
            let norm = Norm { eps: eps as f32, centred: true };
            let [sum, normed] = norm.of_sum(&terms, &weight, Some(&bias));
            enter(norm, terms, sum, |norm, sum| {
                run_as(norm, [sum, weight, bias], |[x, weight, _]| (normed, (x, weight)))
            })
        }
        _ => {
            let sum = x + y;
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
    match (of_one_shape(&x, &y), tracked(&weight)) {
        (Some(terms), Some(weight)) => {
            let norm = Norm { eps: eps as f32, centred: false };
            let [sum, normed] = norm.of_sum(&terms, &weight, None);
            enter(norm, terms, sum, |norm, sum| {
                run_as(norm, [sum, weight], |[x, weight]| (normed, (x, weight)))
            })
        }
        _ => {
            let sum = x + y;
            [sum.clone(), rms_norm(sum, weight, eps)]
        }
    }
}

/// Both, if they are computed with here.
fn of_one_shape<const D: usize>(x: &Tensor<D>, y: &Tensor<D>) -> Option<[Tracked; 2]> {
    let both = [tracked(x)?, tracked(y)?];
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
    let tracked = tracked(&sum).expect("a sum of what is computed with here");
    [sum, normed(norm, tracked)]
}

/// `x + y`
#[derive(Clone, Debug)]
struct Sum;

impl BackwardPass<2> for Sum {
    type Saved = ();

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 2]) -> [Option<FlexTensor>; 2] {
        [Some(gradient.clone()), Some(gradient)]
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
        let (d, shape) = (last_dim(x), x.shape());
        let [x, y, weight] = [x, y, weight.primitive()].map(values);
        let bias = bias.map(|bias| values(bias.primitive()));
        assert_eq!(weight.len(), d, "the norm has another width");
        let size = rows_per_piece(d) * d;
        // SAFETY: every row is set.
        let both = unsafe {
            written_both(x.len(), |sum, normed| {
                let pieces = sum.par_chunks_mut(size).zip(normed.par_chunks_mut(size));
                pieces.enumerate().for_each(|(i, (sum, normed))| {
                    let terms = [&x, &y].map(|term| piece(term, d, i));
                    let norm = (self.eps, self.centred);
                    forward_of_sum(norm, terms, &weight, bias.as_deref(), sum, normed);
                });
            })
        };
        both.map(|values| tensor(values, shape.clone()))
    }
}
