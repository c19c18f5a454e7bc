//! Linear maps.

use burn::{Shape, Tensor, module};
use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;

use super::sum_of_rows;
use crate::{
    bridge::{BackwardPass, Kernel, last_dim, run, tensor, tracked, values, written},
    gemm::{Finish, Matrix, Product, Target, multiply},
};

/// `y = x Wᵀ + b`, with `W` in the checkpoints' `[out, in]` layout.
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
    if let (Some(x), Some(weight)) = (tracked(&x), tracked(&weight)) {
        let kernel = Linear { product: Product::here() };
        return match (bias.as_ref().and_then(tracked), bias) {
            (Some(bias), _) => run(kernel, [x, weight, bias]),
            (None, None) => run(kernel, [x, weight]),
            (None, Some(bias)) => run::<_, 2, D>(kernel, [x, weight]) + bias.unsqueeze(),
        };
    }
    module::linear(x, weight.transpose(), bias)
}

#[derive(Clone, Debug)]
struct Linear {
    product: Product,
}

impl Linear {
    fn forward(
        &self,
        x: &FlexTensor,
        weight: &FlexTensor,
        bias: Option<&FlexTensor>,
    ) -> FlexTensor {
        let [n, k] = weight.shape().dims::<2>();
        let (x_values, weight) = (values(x), values(weight));
        let m = x_values.len() / k;
        let bias = bias.map(values);
        let finish = Finish { bias: bias.as_deref(), ..Finish::default() };
        let (a, b) = (Matrix::rows(&x_values, [m, k]), Matrix::rows(&weight, [n, k]).transposed());
        // SAFETY: the product sets all its values.
        let y = unsafe {
            written(m * n, |y| multiply(self.product, a, b, Target::rows(y, n), finish, true))
        };
        let mut shape = x.shape();
        let last = shape.num_dims() - 1;
        shape[last] = n;
        tensor(y, shape)
    }

    /// Gradients of `x`, the weight and the bias.
    fn backward(
        &self,
        (x, weight): (FlexTensor, FlexTensor),
        gradient: &FlexTensor,
        [of_x, of_weight, of_bias]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [n, k] = weight.shape().dims::<2>();
        let (dy, x_values, weight_values) = (values(gradient), values(&x), values(&weight));
        let m = dy.len() / n;
        let dy = Matrix::rows(&dy, [m, n]);
        let product = |a, b, size: usize, width| {
            let finish = Finish::default();
            // SAFETY: the product sets all its values.
            unsafe {
                written(size, |c| {
                    multiply(self.product, a, b, Target::rows(c, width), finish, true);
                })
            }
        };
        let of_x = of_x.then(|| {
            tensor(product(dy, Matrix::rows(&weight_values, [n, k]), m * k, k), x.shape())
        });
        let of_weight = of_weight.then(|| {
            let x = Matrix::rows(&x_values, [m, k]);
            tensor(product(dy.transposed(), x, n * k, k), weight.shape())
        });
        let of_bias = of_bias
            .then(|| tensor(sum_of_rows(&values(gradient), last_dim(gradient)), Shape::from([n])));
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
