//! Operations on what is stored in `bf16`, against the same operations on the same numbers in `f32`.

use burn::{DType, Tensor};

use super::{
    super::{
        attention::attention,
        cross_entropy::mean_cross_entropy,
        elementwise::{Pointwise, gated, pointwise},
        linear::linear,
        norm::{layer_norm, rms_norm},
        residual::{add, add_layer_norm, add_rms_norm, single},
        rope::rotate,
    },
    assert_close, loss, random, rounded,
};
use crate::precision::half_storage;

/// A rounding to `bf16`, and what gradients lose by roundings on their way.
const ROUNDING: f32 = 1.0 / 128.0;

/// Numbers that `bf16` holds, whose gradient is asked for.
fn leaf<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    rounded(random(shape)).without_autodiff().autodiff().require_grad()
}

/// Values and gradients of `f` at inputs `a`, `b` and `c`, stored either way; of `c` only where it is no
/// parameter. What `f` gives is stored as its first input is.
fn check<const A: usize, const B: usize, const C: usize, const O: usize>(
    (a, b, c): ([usize; A], [usize; B], [usize; C]),
    c_is_parameter: bool,
    f: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<O>,
) {
    let (a, b, c) = (leaf(a), leaf(b), leaf(c));
    let c_stored = if c_is_parameter { c.clone() } else { c.clone().cast(DType::BF16) };
    let got = f(a.clone().cast(DType::BF16), b.clone().cast(DType::BF16), c_stored);
    let wanted = f(a.clone(), b.clone(), c.clone());
    assert_eq!(got.dtype(), DType::BF16);
    assert_close(single(got.clone()), wanted.clone(), ROUNDING, "value");
    let (got, wanted) = (loss(single(got)).backward(), loss(wanted).backward());
    assert_close(a.grad(&got).unwrap(), a.grad(&wanted).unwrap(), ROUNDING, "first gradient");
    assert_close(b.grad(&got).unwrap(), b.grad(&wanted).unwrap(), ROUNDING, "second gradient");
    assert_close(c.grad(&got).unwrap(), c.grad(&wanted).unwrap(), ROUNDING, "third gradient");
}

#[test]
fn operations_give_what_they_give_in_single_precision() {
    let shape = [2, 70, 33];
    check((shape, shape, [9, 33]), true, |x, y, w| linear(add(x, y), w, None));
    check((shape, shape, shape), false, |x, y, z| {
        gated(Pointwise::Silu, x, pointwise(Pointwise::Gelu, add(y, z)))
    });
    check((shape, shape, [33]), true, |x, y, w| rms_norm(add(x, y), w, 1e-5));
    check((shape, shape, [33]), true, |x, y, w| layer_norm(add(x, y), w.clone(), w, 1e-5));
    check((shape, shape, [33]), true, |x, y, w| {
        let [sum, normed] = add_rms_norm(x, y, w, 1e-5);
        add(sum, normed)
    });
    check((shape, shape, [33]), true, |x, y, w| {
        let [sum, normed] = add_layer_norm(x, y, w.clone(), w, 1e-5);
        add(sum, normed)
    });
    let heads = |x: Tensor<3>| x.reshape([2, 70, 3, 11]).swap_dims(1, 2);
    check((shape, shape, shape), false, |q, k, v| attention(heads(q), heads(k), heads(v), None));
    let long = [2, 200, 33];
    check((shape, long, long), false, |q, k, v| {
        let [k, v] = [k, v].map(|x| heads(x.narrow(1, 9, 70)));
        attention(heads(q), k, v, None)
    });
    let angles = random([1, 1, 7, 4]).without_autodiff();
    let angles = Tensor::cat(vec![angles.clone(), angles], 3);
    let [cos, sin] = [angles.clone().cos(), angles.sin()];
    let shape = [2, 3, 7, 8];
    check((shape, shape, shape), false, |x, y, z| add(add(rotate(x, &cos, &sin), y), z));
}

#[test]
fn losses_of_what_is_stored_are_single() {
    let (hidden, weight) = (leaf([40, 24]), leaf([50, 24]));
    let targets: Vec<i32> = (0..40).map(|i| i * 7 % 50).collect();
    let stored = hidden.clone().cast(DType::BF16);
    let got = mean_cross_entropy(stored, weight.clone(), targets.clone());
    let wanted = mean_cross_entropy(hidden.clone(), weight.clone(), targets);
    assert_eq!(got.dtype(), DType::F32);
    assert_close(got.clone(), wanted.clone(), 1e-6, "value");
    let (got, wanted) = (got.backward(), wanted.backward());
    assert_close(weight.grad(&got).unwrap(), weight.grad(&wanted).unwrap(), 1e-5, "weight");
    assert_close(hidden.grad(&got).unwrap(), hidden.grad(&wanted).unwrap(), ROUNDING, "hidden");
}

#[test]
fn what_lies_between_norm_and_residual_sum_is_stored_in_half() {
    let (x, y, w) = (random([3, 5, 16]), random([3, 5, 16]), random([16]).require_grad());
    let [sum, normed] = half_storage(|| add_rms_norm(x.clone(), y.clone(), w.clone(), 1e-5));
    assert_eq!([sum.dtype(), normed.dtype()], [DType::F32, DType::BF16]);
    let mapped = linear(normed, random([16, 16]), None);
    assert_eq!(mapped.dtype(), DType::BF16);
    assert_eq!(add(sum, mapped).dtype(), DType::F32);
    let normed = half_storage(|| layer_norm(x.clone(), w.clone(), w.clone(), 1e-5));
    assert_eq!(normed.dtype(), DType::BF16);
    assert_eq!(rms_norm(x, w, 1e-5).dtype(), DType::F32);
}
