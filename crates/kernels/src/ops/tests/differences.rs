//! Gradients of every operation against central differences of its plain composition in `f64`, and
//! the law that what trains gets a finite gradient that is not zero.

use burn::{DType, Device, Tensor, TensorData};

use super::{
    super::{
        attention::attention,
        cross_entropy::mean_cross_entropy,
        elementwise::{Pointwise, gated, pointwise},
        embedding::embedding,
        linear::linear,
        norm::{layer_norm, rms_norm},
        residual::{add_layer_norm, add_rms_norm},
        rope::rotate,
    },
    random,
};

/// Step of the differences: the cube root of the precision, where rounding and curvature balance.
const STEP: f64 = 1e-5;

/// What `f` makes of its flat inputs, as one number: each output counts by a weight of its own.
fn number(y: Tensor<1>) -> Tensor<1> {
    let weights = Tensor::<1, burn::Int>::arange(0..y.dims()[0] as i64, &y.device()).float();
    (y.clone() * weights.mul_scalar(0.7).add_scalar(1.0).sin().cast(y.dtype())).sum()
}

/// Checks every coordinate of every input. `f` gets flat inputs and gives a flat output; in `f64`
/// the operations take their plain compositions.
fn check<const N: usize>(sizes: [usize; N], f: impl Fn([Tensor<1>; N]) -> Tensor<1>) {
    let values: [Vec<f64>; N] =
        sizes.map(|size| random([size]).into_data().iter::<f64>().collect());
    let inputs = values.each_ref().map(|values| {
        let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
        Tensor::<1>::from_data(TensorData::from(&values[..]), &super::device()).require_grad()
    });
    let gradients = number(f(inputs.clone())).backward();
    let at = |values: &[Vec<f64>; N]| {
        let inputs = values.each_ref().map(|values| {
            Tensor::<1>::from_data(TensorData::from(&values[..]), (&Device::flex(), DType::F64))
        });
        number(f(inputs)).into_scalar::<f64>()
    };
    for (i, input) in inputs.iter().enumerate() {
        let gradient = input.grad(&gradients).expect("what trains gets a gradient");
        let gradient: Vec<f64> = gradient.into_data().iter::<f64>().collect();
        let largest = gradient.iter().fold(0.0, |most, g| g.abs().max(most));
        assert!(largest.is_finite() && largest > 0.0, "input {i}: the largest is {largest}");
        for (j, &found) in gradient.iter().enumerate() {
            let shifted = |by: f64| {
                let mut values = values.clone();
                values[i][j] += by;
                at(&values)
            };
            let wanted = (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP);
            let off = (found - wanted).abs();
            assert!(off <= 1e-4 * largest.max(1e-2), "input {i}, {j}: {found}, not {wanted}");
        }
    }
}

#[test]
fn linear_maps() {
    check([2 * 3 * 5, 4 * 5, 4], |[x, w, b]| {
        linear(x.reshape([2, 3, 5]), w.reshape([4, 5]), Some(b)).flatten(0, 2)
    });
}

#[test]
fn attention_with_groups_and_hidden_keys() {
    let (t, s, k) = (3, 5, 4);
    for hides in [false, true] {
        check([4 * t * k, 2 * s * k, 2 * s * k], |[q, key, value]| {
            // The first query sees three keys, the second four, the third five.
            let bias: Vec<f64> =
                (0..t * s).map(|i| if i % s > 2 + i / s { -1e30 } else { 0.0 }).collect();
            let bias = TensorData::new(bias, [1, 1, t, s]);
            let bias = Tensor::<4>::from_data(bias, (&Device::flex(), q.dtype()));
            let bias = hides.then_some(&bias);
            let heads = |x: Tensor<1>, h, t| x.reshape([1, h, t, k]);
            attention(heads(q, 4, t), heads(key, 2, s), heads(value, 2, s), bias).flatten(0, 2)
        });
    }
}

#[test]
fn norms() {
    check([3 * 7, 7, 7], |[x, w, b]| layer_norm(x.reshape([3, 7]), w, b, 1e-5).flatten(0, 1));
    check([3 * 7, 7], |[x, w]| rms_norm(x.reshape([3, 7]), w, 1e-5).flatten(0, 1));
}

#[test]
fn residual_sums_and_norms() {
    let both = |both: [Tensor<2>; 2]| Tensor::cat(both.into(), 0).flatten(0, 1);
    check([3 * 7, 3 * 7, 7, 7], |[x, y, w, b]| {
        both(add_layer_norm(x.reshape([3, 7]), y.reshape([3, 7]), w, b, 1e-5))
    });
    check([3 * 7, 3 * 7, 7], |[x, y, w]| {
        both(add_rms_norm(x.reshape([3, 7]), y.reshape([3, 7]), w, 1e-5))
    });
}

#[test]
fn tables() {
    check([5 * 3], |[table]| {
        let ids = TensorData::new(vec![4, 0, 4, 2], [2, 2]);
        let ids = Tensor::from_data(ids, &table.device());
        embedding(table.reshape([5, 3]), ids).flatten(0, 2)
    });
}

#[test]
fn functions_and_gates() {
    for function in [
        Pointwise::Gelu,
        Pointwise::GeluTanh,
        Pointwise::QuickGelu,
        Pointwise::Silu,
        Pointwise::Relu,
    ] {
        check([20], |[x]| pointwise(function, x));
        check([20, 20], |[gate, up]| gated(function, gate, up));
    }
}

#[test]
fn rotation() {
    check([2 * 3 * 8], |[x]| {
        let angles: Vec<f64> = (0..3 * 8).map(|i| f64::from(i / 8 * (1 + i % 4)) * 0.3).collect();
        let turned = |f: fn(f64) -> f64| {
            let values: Vec<f64> = angles.iter().map(|&angle| f(angle)).collect();
            Tensor::<4>::from_data(
                TensorData::new(values, [1, 1, 3, 8]),
                (&Device::flex(), x.dtype()),
            )
        };
        rotate(x.clone().reshape([1, 2, 3, 8]), &turned(f64::cos), &turned(f64::sin)).flatten(0, 3)
    });
}

#[test]
fn cross_entropy() {
    check([4 * 3, 6 * 3], |[hidden, weight]| {
        mean_cross_entropy(hidden.reshape([4, 3]), weight.reshape([6, 3]), vec![0, 5, 2, 2])
    });
}
