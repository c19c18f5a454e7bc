use burn::{DType, Device, Tensor};
use quintet_nn::{Rope, RopeScaling};

use crate::{assert_close, tensor, values};

const WIDTH: usize = 8;

fn rope(scaling: RopeScaling) -> Rope {
    Rope::new(WIDTH, 1e4, 32, scaling)
}

fn at(rope: &Rope, x: &Tensor<4>, positions: Vec<usize>) -> Tensor<4> {
    rope.at(&[positions], DType::F32, &Device::flex()).apply(x.clone())
}

/// A query at one position times a key at another.
fn score(rope: &Rope, query: usize, key: usize) -> f32 {
    let (q, k) = (tensor([1, 1, 1, WIDTH], 1), tensor([1, 1, 1, WIDTH], 2));
    values(&(at(rope, &q, vec![query]) * at(rope, &k, vec![key])).sum())[0]
}

#[test]
fn scores_depend_on_the_distance_alone() {
    for scaling in [RopeScaling::Default, RopeScaling::Linear { factor: 4.0 }] {
        let rope = rope(scaling);
        let near = score(&rope, 5, 2);
        for shift in [1, 7, 20] {
            assert_close(&[score(&rope, 5 + shift, 2 + shift)], &[near], 1e-4, "shifted");
        }
        assert!((score(&rope, 9, 2) - near).abs() > 1e-3, "distance has an effect");
    }
}

#[test]
fn rotations_keep_lengths_and_position_zero_is_left_alone() {
    let rope = rope(RopeScaling::Default);
    let x = tensor::<4>([1, 2, 3, WIDTH], 4);
    let turned = at(&rope, &x, vec![0, 3, 17]);
    let lengths = |x: &Tensor<4>| values(&x.clone().square().sum_dim(3));
    assert_close(&lengths(&turned), &lengths(&x), 1e-5, "lengths");
    let first = |x: &Tensor<4>| values(&x.clone().narrow(2, 0, 1));
    assert_eq!(first(&turned), first(&x));
    assert_ne!(values(&turned), values(&x));
}

#[test]
fn halves_are_rotated_by_the_angles_of_the_paper() {
    let x = tensor::<4>([1, 1, 1, WIDTH], 4);
    let turned = values(&at(&rope(RopeScaling::Default), &x, vec![3]));
    let x = values(&x);
    let half = WIDTH / 2;
    for i in 0..half {
        let angle = 3.0 * 1e4f32.powf(-2.0 * i as f32 / WIDTH as f32);
        let first = x[i] * angle.cos() - x[half + i] * angle.sin();
        let second = x[half + i] * angle.cos() + x[i] * angle.sin();
        assert_close(&[turned[i], turned[half + i]], &[first, second], 1e-5, "pair");
    }
}

#[test]
fn rows_have_their_own_positions() {
    let rope = rope(RopeScaling::Default);
    let x = tensor::<4>([2, 1, 2, WIDTH], 4);
    let rotation = rope.at(&[vec![0, 1], vec![5, 6]], DType::F32, &Device::flex());
    let both = rotation.apply(x.clone());
    for (row, positions) in [vec![0, 1], vec![5, 6]].into_iter().enumerate() {
        let alone = at(&rope, &x.clone().narrow(0, row, 1), positions);
        assert_eq!(values(&both.clone().narrow(0, row, 1)), values(&alone));
    }
}

#[test]
fn linear_scaling_divides_positions() {
    let x = tensor::<4>([1, 1, 1, WIDTH], 4);
    let scaled = at(&rope(RopeScaling::Linear { factor: 4.0 }), &x, vec![12]);
    let plain = at(&rope(RopeScaling::Default), &x, vec![3]);
    assert_close(&values(&scaled), &values(&plain), 1e-5, "position 12 / 4");
}

#[test]
fn scalings_are_plain_where_nothing_is_stretched() {
    let x = tensor::<4>([1, 1, 4, WIDTH], 4);
    let positions = vec![0, 1, 7, 31];
    let plain = values(&at(&rope(RopeScaling::Default), &x, positions.clone()));
    let llama3 = RopeScaling::Llama3 {
        factor: 1.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 32,
    };
    // Dynamic stretches only beyond the context of 32.
    for scaling in [
        RopeScaling::Linear { factor: 1.0 },
        RopeScaling::Dynamic { factor: 4.0 },
        RopeScaling::yarn(1.0, 32),
        llama3,
    ] {
        let ours = values(&at(&rope(scaling.clone()), &x, positions.clone()));
        assert_close(&ours, &plain, 1e-5, &format!("{scaling:?}"));
    }
    let beyond = rope(RopeScaling::Dynamic { factor: 4.0 });
    let plain = values(&at(&rope(RopeScaling::Default), &x, vec![0, 1, 7, 32]));
    assert_ne!(values(&at(&beyond, &x, vec![0, 1, 7, 32])), plain);
}

#[test]
fn yarn_scales_lengths_by_its_temperature() {
    let x = tensor::<4>([1, 1, 1, WIDTH], 4);
    let length = |x: &Tensor<4>| values(&x.clone().square().sum())[0].sqrt();
    let turned = at(&rope(RopeScaling::yarn(8.0, 32)), &x, vec![5]);
    let temperature = 0.1 * 8f32.ln() + 1.0;
    assert_close(&[length(&turned)], &[length(&x) * temperature], 1e-4, "length");
}
