//! Linear maps.

use std::ops::Range;

use burn::{Shape, Tensor, module};
use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;

use super::sum_of_rows;
use crate::{
    bridge::{BackwardPass, Kernel, input, run, tensor, values, written},
    gemm::{Finish, Matrix, Product, Target, multiply},
    storage::{Values, written_in_blocks},
};

/// `y = x Wᵀ + b`, with `W` in the checkpoints' `[out, in]` layout. Where `x` is of another number kind,
/// it is computed in that of `W`, and given back in its own.
///
/// # Shapes
/// - x: `[.., in]`
/// - weight: `[out, in]`
/// - bias: `[out]`
/// - output: `[.., out]`
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    if let (Some(x), Some(weight)) = (input(&x), input(&weight)) {
        let kernel = Linear { product: Product::here() };
        return match (bias.as_ref().and_then(input), bias) {
            (Some(bias), _) => run(kernel, [x, weight, bias]),
            (None, None) => run(kernel, [x, weight]),
            (None, Some(bias)) => {
                let y: Tensor<D> = run(kernel, [x, weight]);
                let bias = bias.cast(y.dtype());
                y + bias.unsqueeze()
            }
        };
    }
    let dtype = x.dtype();
    let y = module::linear(x.cast(weight.dtype()), weight.transpose(), bias);
    y.cast(dtype)
}

#[derive(Clone, Debug)]
struct Linear {
    product: Product,
}

/// Rows whose stored values are widened at a time: with what they are multiplied to, they stay in the
/// cache.
const BLOCK: usize = 256;

/// Rows of a block.
fn block(values: &Values<'_>, rows: usize) -> usize {
    if values.is_half() { BLOCK } else { rows }
}

/// The values that lie in these rows of `width`.
fn of_rows(rows: &Range<usize>, width: usize) -> Range<usize> {
    rows.start * width..rows.end * width
}

impl Linear {
    fn forward(
        &self,
        x: &FlexTensor,
        weight: &FlexTensor,
        bias: Option<&FlexTensor>,
    ) -> FlexTensor {
        let [n, k] = weight.shape().dims::<2>();
        let (x_values, weight) = (Values::of(x), values(weight));
        let m = x_values.len() / k;
        let bias = bias.map(values);
        let finish = Finish { bias: bias.as_deref(), ..Finish::default() };
        let b = Matrix::rows(&weight, [n, k]).transposed();
        let mut shape = x.shape();
        let last = shape.num_dims() - 1;
        shape[last] = n;
        let product = |range: Range<usize>, y: &mut [f32]| {
            let rows = range.start / n..range.end / n;
            x_values.part(of_rows(&rows, k), |x| {
                let a = Matrix::rows(x, [rows.len(), k]);
                multiply(self.product, a, b, Target::rows(y, n), finish, true);
            });
        };
        // SAFETY: products set all their values.
        unsafe { written_in_blocks(shape, block(&x_values, m) * n, x.dtype(), product) }
    }

    /// Gradients of `x`, the weight and the bias.
    fn backward(
        &self,
        (x, weight): (FlexTensor, FlexTensor),
        gradient: &FlexTensor,
        [of_x, of_weight, of_bias]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [n, k] = weight.shape().dims::<2>();
        let (dy, x_values, weight_values) = (values(gradient), Values::of(&x), values(&weight));
        let m = dy.len() / n;
        let of_x = of_x.then(|| {
            let (dy, w) = (Matrix::rows(&dy, [m, n]), Matrix::rows(&weight_values, [n, k]));
            // SAFETY: the product sets all its values.
            let dx = unsafe {
                written(m * k, |dx| {
                    let target = Target::rows(dx, k);
                    multiply(self.product, dy, w, target, Finish::default(), true);
                })
            };
            tensor(dx, x.shape())
        });
        let of_weight = of_weight.then(|| {
            let products = |d_weight: &mut [f32]| {
                let size = block(&x_values, m).max(1);
                // At least one, which sets all values.
                for first in (0..m.max(1)).step_by(size) {
                    let rows = first..(first + size).min(m);
                    let dy = Matrix::rows(&dy[of_rows(&rows, n)], [rows.len(), n]);
                    let finish = Finish { accumulate: first > 0, ..Finish::default() };
                    let target = Target::rows(d_weight, k);
                    x_values.part(of_rows(&rows, k), |x| {
                        let x = Matrix::rows(x, [rows.len(), k]);
                        multiply(self.product, dy.transposed(), x, target, finish, true);
                    });
                }
            };
            // SAFETY: the first product sets all values.
            tensor(unsafe { written(n * k, products) }, weight.shape())
        });
        let of_bias = of_bias.then(|| tensor(sum_of_rows(&dy, n), Shape::from([n])));
        [of_x, of_weight, of_bias]
    }
}

impl Kernel<2> for Linear {
    fn forward(&self, [x, weight]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        (self.forward(&x, &weight, None), (x, weight))
    }
}

impl BackwardPass<2> for Linear {
    type Saved = (FlexTensor, FlexTensor);

    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        [of_x, of_weight]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let [x, weight, _] = self.backward(saved, &gradient, [of_x, of_weight, false]);
        [x, weight]
    }
}

impl Kernel<3> for Linear {
    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        (self.forward(&x, &weight, Some(&bias)), (x, weight))
    }
}

impl BackwardPass<3> for Linear {
    type Saved = (FlexTensor, FlexTensor);

    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        self.backward(saved, &gradient, wanted)
    }
}
