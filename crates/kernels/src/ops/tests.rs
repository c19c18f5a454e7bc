//! Every operation against the plain composition of tensor operations: values and gradients.

mod differences;
mod storage;

use std::cell::Cell;

use burn::{Device, Tensor, TensorData, module};

use super::{
    attention::{attention, reference},
    cross_entropy::{self, mean_cross_entropy},
    elementwise::{Pointwise, gated, pointwise},
    embedding::embedding,
    linear::linear,
    norm::{layer_norm, rms_norm},
    residual::{add_layer_norm, add_rms_norm},
    rope::{self, rotate},
};
use crate::precision::{has_fast_bf16, mixed_precision};

fn device() -> Device {
    Device::flex().autodiff()
}

thread_local! {
    static DRAWN: Cell<u32> = const { Cell::new(0) };
}

/// Values from -2 to 2 that look random, and are the same whatever other tests draw meanwhile.
fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let n = shape.iter().product::<usize>();
    let mut state = DRAWN.replace(DRAWN.get() + 1).wrapping_mul(0x9E37_79B9);
    let values: Vec<f32> = (0..n)
        .map(|_| {
            // A linear congruential generator (Numerical Recipes, 3rd edition, 7.1).
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 22) as f32 - 2.0
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &device())
}

/// Rounds as the tile unit does, without touching the graph.
fn rounded<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(burn::DType::BF16).cast(burn::DType::F32)
}

/// A weighted sum, so that every output has a gradient of its own.
fn loss<const D: usize>(y: Tensor<D>) -> Tensor<1> {
    let n = y.shape().num_elements();
    let y = y.reshape([n]);
    let weights = Tensor::<1, burn::Int>::arange(0..n as i64, &y.device()).float();
    (y * weights.mul_scalar(0.7).sin()).sum()
}

fn assert_close<const D: usize>(got: Tensor<D>, wanted: Tensor<D>, tolerance: f32, what: &str) {
    assert_eq!(got.dims(), wanted.dims(), "{what}");
    let largest = wanted.clone().abs().max().into_scalar::<f32>().max(1e-3);
    let error = (got - wanted).abs().max().into_scalar::<f32>();
    assert!(error <= tolerance * largest, "{what}: off by {error} of {largest}");
}

/// Values and gradients of `f` and `plain` at random inputs of these shapes.
fn check<const A: usize, const B: usize, const C: usize, const O: usize>(
    (a, b, c): ([usize; A], [usize; B], [usize; C]),
    tolerance: f32,
    f: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<O>,
    plain: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<O>,
) {
    let (a, b, c) = (random(a).require_grad(), random(b).require_grad(), random(c).require_grad());
    let got = f(a.clone(), b.clone(), c.clone());
    let wanted = plain(a.clone(), b.clone(), c.clone());
    assert_close(got.clone(), wanted.clone(), tolerance, "value");
    let (got, wanted) = (loss(got).backward(), loss(wanted).backward());
    assert_close(a.grad(&got).unwrap(), a.grad(&wanted).unwrap(), tolerance, "first gradient");
    assert_close(b.grad(&got).unwrap(), b.grad(&wanted).unwrap(), tolerance, "second gradient");
    assert_close(c.grad(&got).unwrap(), c.grad(&wanted).unwrap(), tolerance, "third gradient");
}

#[test]
fn linear_in_mixed_precision_is_the_product_of_rounded_factors() {
    if !has_fast_bf16() {
        return;
    }
    for [m, k, n] in
        [[1, 1, 1], [3, 5, 7], [16, 32, 16], [33, 65, 47], [130, 300, 31], [257, 2100, 64]]
    {
        let (x, w, b) = (random([m, k]), random([n, k]), random([n]));
        let got = mixed_precision(|| linear(x.clone(), w.clone(), Some(b.clone())));
        let wanted = module::linear(rounded(x), rounded(w).transpose(), Some(b));
        assert_close(got, wanted, 1e-5, "value");
    }
}

fn within<T>(mixed: bool, f: impl FnOnce() -> T) -> T {
    if mixed { mixed_precision(f) } else { f() }
}

/// Factors in mixed precision have 8 bits of mantissa.
fn tolerance(mixed: bool) -> f32 {
    if mixed && has_fast_bf16() { 3e-2 } else { 2e-5 }
}

#[test]
fn linear_has_the_gradients_of_the_plain_product() {
    for [m, k, n] in [[3, 5, 7], [40, 64, 33], [200, 100, 90], [27, 530, 99], [300, 515, 6]] {
        for mixed in [false, true] {
            check(
                ([2, m, k], [n, k], [n]),
                tolerance(mixed),
                |x, w, b| within(mixed, || linear(x, w, Some(b))),
                |x, w, b| module::linear(x, w.transpose(), Some(b)),
            );
        }
    }
}

#[test]
fn attention_is_softmax_of_products() {
    for ([b, h, kv, t, s, k], hides) in [
        ([1, 1, 1, 1, 1, 4], false),
        ([2, 4, 2, 5, 9, 8], true),
        ([2, 3, 3, 37, 37, 16], true),
        ([1, 4, 1, 70, 40, 64], false),
    ] {
        let bias = hides.then(|| {
            random([b, 1, t, s]).without_autodiff().greater_elem(0.8).float().mul_scalar(-1e9)
        });
        for mixed in [false, true] {
            check(
                ([b, h, t, k], [b, kv, s, k], [b, kv, s, k]),
                tolerance(mixed),
                |q, k, v| within(mixed, || attention(q, k, v, bias.as_ref())),
                |q, k, v| reference(q, k, v, bias.as_ref()),
            );
        }
    }
}

#[test]
fn a_query_that_sees_nothing_attends_to_nothing() {
    for (hidden, seen) in [(f32::NEG_INFINITY, 1), (-1.0e30, 1), (-1.0e30, 0)] {
        let bias = Tensor::<4>::full([1, 1, 2, 3], hidden, &Device::flex());
        let zeros = Tensor::zeros([1, 1, seen, 3], &Device::flex());
        let bias = bias.slice_assign([0..1, 0..1, 2 - seen..2, 0..3], zeros);
        let x = random([1, 1, 3, 4]).require_grad();
        let query = random([1, 1, 2, 4]);
        let out = attention(query, x.clone(), x.clone(), Some(&bias));
        let blind = out.clone().narrow(1, 0, 2 - seen);
        assert_eq!(blind.abs().sum().into_scalar::<f32>(), 0.0);
        let gradient = x.grad(&loss(out).backward()).unwrap().abs().sum().into_scalar::<f32>();
        assert!(gradient.is_finite() && (seen > 0 || gradient == 0.0), "{gradient}");
    }
}

#[test]
fn attention_leaves_out_only_what_is_hidden() {
    let (b, h, t) = (2, 2, 150);
    // Causal, with two segments that share the first 20 tokens.
    let sees = |query, key| key <= query && (key < 20 || query < 80 || key >= 80);
    let bias: Vec<f32> =
        (0..b * t * t).map(|i| if sees(i / t % t, i % t) { 0.0 } else { -1.0e30 }).collect();
    let bias = Tensor::<4>::from_data(TensorData::new(bias, [b, 1, t, t]), &Device::flex());
    check(
        ([b, h, t, 8], [b, h, t, 8], [b, h, t, 8]),
        2e-5,
        |q, k, v| attention(q, k, v, Some(&bias)),
        |q, k, v| reference(q, k, v, Some(&bias)),
    );
}

#[test]
fn attention_takes_views() {
    let (b, h, t, k) = (2, 3, 10, 8);
    let heads = |x: Tensor<3>| x.reshape([b, t, h, k]).swap_dims(1, 2);
    for mixed in [false, true] {
        check(
            ([b, t, h * k], [b, t, h * k], [b, t, h * k]),
            tolerance(mixed),
            |q, k, v| within(mixed, || attention(heads(q), heads(k), heads(v), None)),
            |q, k, v| reference(heads(q), heads(k), heads(v), None),
        );
    }
}

#[test]
fn norms_are_what_they_say() {
    for [m, d] in [[1, 3], [7, 64], [300, 257]] {
        check(
            ([m, d], [d], [d]),
            2e-5,
            |x, w, b| layer_norm(x, w, b, 1e-5),
            |x, w, b| {
                let mean = x.clone().mean_dim(1);
                let x = x - mean;
                let deviation = x.clone().square().mean_dim(1).add_scalar(1e-5).sqrt();
                x / deviation * w.unsqueeze() + b.unsqueeze()
            },
        );
        check(
            ([m, d], [d], [1]),
            2e-5,
            |x, w, b| rms_norm(x, w, 1e-5) * b.unsqueeze(),
            |x, w, b| {
                let rms = x.clone().square().mean_dim(1).add_scalar(1e-5).sqrt();
                x / rms * w.unsqueeze() * b.unsqueeze()
            },
        );
    }
}

#[test]
fn sums_and_their_norms_are_those_of_two_steps() {
    for [m, d] in [[1, 3], [7, 64], [300, 257]] {
        for by_rows in [false, true] {
            let bias = random([d]).require_grad();
            // A view out of order too.
            let turned = |y: Tensor<2>| if by_rows { y } else { y.reshape([d, m]).transpose() };
            let both = |both: [Tensor<2>; 2]| Tensor::cat(both.into(), 0);
            check(
                ([m, d], [m, d], [d]),
                2e-5,
                |x, y, w| both(add_layer_norm(x, turned(y), w, bias.clone(), 1e-5)),
                |x, y, w| {
                    let sum = x + turned(y);
                    both([sum.clone(), layer_norm(sum, w, bias.clone(), 1e-5)])
                },
            );
            check(
                ([m, d], [m, d], [d]),
                2e-5,
                |x, y, w| both(add_rms_norm(x, turned(y), w, 1e-5)),
                |x, y, w| {
                    let sum = x + turned(y);
                    both([sum.clone(), rms_norm(sum, w, 1e-5)])
                },
            );
        }
    }
}

#[test]
fn rows_looked_up_get_the_gradients_of_all_their_places() {
    for ([count, d], [b, t]) in [([1, 1], [1, 1]), ([50, 7], [3, 40]), ([1000, 64], [2, 500])] {
        let ids: Vec<i32> = (0..b * t).map(|i| (i * 7919 % count * 3 / 4) as i32).collect();
        let ids = || Tensor::from_data(TensorData::new(ids.clone(), [b, t]), &device());
        let table = random([count, d]).require_grad();
        let (got, wanted) =
            (embedding(table.clone(), ids()), module::embedding(table.clone(), ids()));
        assert_close(got.clone(), wanted.clone(), 0.0, "value");
        let (got, wanted) = (loss(got).backward(), loss(wanted).backward());
        let (got, wanted) = (table.grad(&got).unwrap(), table.grad(&wanted).unwrap());
        assert_close(got, wanted, 2e-6, "gradient");
    }
}

#[test]
fn functions_and_gates_have_their_slopes() {
    use burn::activation::{gelu, gelu_approximate, relu, sigmoid};
    let plain = |function: Pointwise, x: Tensor<2>| match function {
        Pointwise::Gelu => gelu(x),
        Pointwise::GeluTanh => gelu_approximate(x),
        Pointwise::QuickGelu => x.clone() * sigmoid(x.mul_scalar(1.702)),
        Pointwise::Silu => x.clone() * sigmoid(x),
        Pointwise::Relu => relu(x),
    };
    for function in [
        Pointwise::Gelu,
        Pointwise::GeluTanh,
        Pointwise::QuickGelu,
        Pointwise::Silu,
        Pointwise::Relu,
    ] {
        for [m, d] in [[1, 5], [123, 300]] {
            check(
                ([m, d], [m, d], [m, d]),
                2e-6,
                |x, up, by| pointwise(function, x.clone()) + gated(function, x, up) * by,
                |x, up, by| plain(function, x.clone()) + plain(function, x) * up * by,
            );
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let run = |threads: usize| -> Vec<Vec<u32>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (x, w) = (random([3, 500, 96]).require_grad(), random([288, 96]).require_grad());
            let b = random([288]).require_grad();
            let y = mixed_precision(|| {
                let y = pointwise(Pointwise::Gelu, linear(x.clone(), w.clone(), Some(b.clone())));
                let y = layer_norm(y, b.clone(), b.clone(), 1e-5);
                let heads = y.reshape([3, 500, 9, 32]).swap_dims(1, 2);
                attention(heads.clone(), heads.clone(), heads, None)
            });
            let grads = loss(y.clone()).backward();
            let bits = |t: TensorData| t.iter::<f32>().map(f32::to_bits).collect();
            vec![
                bits(y.into_data()),
                bits(x.grad(&grads).unwrap().into_data()),
                bits(w.grad(&grads).unwrap().into_data()),
                bits(b.grad(&grads).unwrap().into_data()),
            ]
        })
    };
    assert!(run(1) == run(3));
}

#[test]
fn rotation_turns_pairs_and_back() {
    for ([b, h, t, k], samples) in [([2, 3, 5, 8], 1), ([2, 2, 37, 64], 2), ([1, 1, 1, 2], 1)] {
        let angles = random([samples, 1, t, k / 2]).without_autodiff();
        let both = |x: Tensor<4>| Tensor::cat(vec![x.clone(), x], 3);
        let (cos, sin) = (both(angles.clone().cos()), both(angles.sin()));
        // As heads come: rows of tokens, with the heads side by side.
        let heads = |x: Tensor<3>| x.reshape([b, t, h, k]).swap_dims(1, 2);
        let x = random([b, t, h * k]).require_grad();
        let (got, wanted) =
            (rotate(heads(x.clone()), &cos, &sin), rope::reference(heads(x.clone()), &cos, &sin));
        assert_close(got.clone(), wanted.clone(), 1e-6, "value");
        let (got, wanted) = (loss(got).backward(), loss(wanted).backward());
        assert_close(x.grad(&got).unwrap(), x.grad(&wanted).unwrap(), 1e-6, "gradient");
    }
}

#[test]
fn cross_entropy_and_its_gradients_are_those_of_all_logits() {
    for ([m, d, classes], mixed) in [
        ([1, 3, 2], false),
        ([700, 24, 90], false),
        ([40, 33, 200_000], false),
        ([600, 64, 100], true),
    ] {
        let targets: Vec<i32> = (0..m).map(|i| (i * 7919 % classes) as i32).collect();
        let (h, w) = (random([m, d]).require_grad(), random([classes, d]).require_grad());
        let got = within(mixed, || mean_cross_entropy(h.clone(), w.clone(), targets.clone()));
        let wanted = cross_entropy::reference(h.clone(), w.clone(), targets);
        assert_close(got.clone(), wanted.clone(), tolerance(mixed), "value");
        let (got, wanted) = (got.mul_scalar(3.0).backward(), wanted.mul_scalar(3.0).backward());
        for (x, what) in [(&h, "hidden states"), (&w, "weight")] {
            assert_close(x.grad(&got).unwrap(), x.grad(&wanted).unwrap(), tolerance(mixed), what);
        }
    }
}

#[test]
fn cross_entropy_leaves_frozen_inputs_alone() {
    let (h, w) = (random([5, 4]).require_grad(), random([3, 4]));
    let gradients = mean_cross_entropy(h.clone(), w.clone(), vec![0, 1, 2, 1, 0]).backward();
    assert!(h.grad(&gradients).is_some() && w.grad(&gradients).is_none());
}
