//! AdamW against `torch.optim.AdamW`, and accumulation against one large batch.

use std::path::{Path, PathBuf};

use burn::{Device, Tensor, TensorData};
use quintet_nn::{Init, Linear, Params, Vars};
use quintet_train::optim::{AdamW, AdamWConfig, Group};
use quintet_weights::Weights;

fn golden(topic: &str) -> PathBuf {
    let committed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden");
    std::env::var_os("QUINTET_GOLDEN").map_or_else(committed, PathBuf::from).join(topic)
}

fn furthest(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn five_clipped_steps_equal_torch() {
    let file = Weights::open(&golden("adamw").join("adamw.safetensors")).unwrap();
    let constant = |name: &str| file.metadata()[name].as_str().unwrap().parse::<f64>().unwrap();
    let vars = Vars::random(0, &Device::flex());
    let weight = vars.param("weight", [7, 5], Init::Zeros).unwrap();
    let bias = vars.param("bias", [5], Init::Zeros).unwrap();
    let head = vars.param("head.weight", [3, 5], Init::Zeros).unwrap();
    let params = vars.finish().unwrap();
    for cell in params.iter() {
        Params::assign(cell, file.f32(&format!("start.{}", cell.name())).unwrap());
        cell.set_trainable(true);
    }
    let config = AdamWConfig {
        beta1: constant("beta1"),
        beta2: constant("beta2"),
        eps: constant("eps"),
        weight_decay: constant("decay"),
    };
    let fresh = || {
        AdamW::new(&params, config, &[Group::prefix("head.", 0.5, Some(constant("head_decay")))])
    };
    let mut optimiser = fresh();
    let dir = tempfile::tempdir().unwrap();
    for step in 0..5 {
        let of = |what: &str| file.f32(&format!("{step}.{what}")).unwrap();
        // The gradient of Σ p·g with respect to p is g.
        let product = |name: &str, value: Tensor<1>| {
            let grad = TensorData::new(of(&format!("grad.{name}")), [value.dims()[0]]);
            (value * Tensor::<1>::from_data(grad, &Device::flex())).sum()
        };
        let loss = product("weight", weight.tensor().reshape([35]))
            + product("bias", bias.tensor())
            + product("head.weight", head.tensor().reshape([15]));
        let mut gradients = optimiser.gradients();
        gradients.add(&mut loss.backward(), 1.0);
        let norm = optimiser.step(gradients, f64::from(of("lr")[0]), Some(constant("clip")));
        assert!((norm - f64::from(of("norm")[0])).abs() < 1e-5, "step {step}: norm {norm}");
        for cell in params.iter() {
            let worst = furthest(&cell.to_f32(), &of(cell.name()));
            assert!(worst < 1e-6, "step {step}: '{}' is off by {worst}", cell.name());
        }
        // Every step goes through the file, so that the saved state is checked too.
        let path = dir.path().join("optimizer.safetensors");
        optimiser.save(&path).unwrap();
        optimiser = fresh();
        optimiser.load(&path).unwrap();
    }
}

/// A linear map trained for one step on `rows`, in micro-batches of these sizes.
fn trained_in(micro_batches: &[usize]) -> (f64, Vec<f32>) {
    let vars = Vars::random(3, &Device::flex());
    let map = Linear::new(&vars, 6, 4, true).unwrap();
    let params = vars.finish().unwrap();
    params.set_trainable(|_| true);
    let rows: usize = micro_batches.iter().sum();
    let wave = |len: usize, f: f32| (0..len).map(|i| (i as f32 * f).sin()).collect::<Vec<_>>();
    let data = |len, f, width: usize| {
        let data = TensorData::new(wave(len * width, f), [len, width]);
        Tensor::<2>::from_data(data, &Device::flex())
    };
    let (x, y) = (data(rows, 0.37, 6), data(rows, 0.91, 4));
    let mut optimiser = AdamW::new(&params, AdamWConfig::default(), &[]);
    let mut gradients = optimiser.gradients();
    let mut start = 0;
    for &size in micro_batches {
        let part = |t: &Tensor<2>| t.clone().narrow(0, start, size);
        let error = map.forward(part(&x)) - part(&y);
        let loss = (error.clone() * error).mean();
        let weight = size as f64 / micro_batches[0] as f64;
        gradients.add(&mut loss.mul_scalar(weight).backward(), weight);
        start += size;
    }
    let norm = optimiser.step(gradients, 1e-2, Some(0.1));
    (norm, params.iter().flat_map(|cell| cell.to_f32()).collect())
}

#[test]
fn accumulated_micro_batches_equal_one_batch() {
    let (norm, whole) = trained_in(&[8]);
    assert!(norm > 0.1, "the gradient ({norm}) is clipped");
    for parts in [&[4, 4][..], &[2, 5, 1]] {
        let (accumulated, found) = trained_in(parts);
        assert!((accumulated - norm).abs() < 1e-6, "{parts:?}: norm {accumulated}, not {norm}");
        let worst = furthest(&found, &whole);
        assert!(worst < 1e-6, "{parts:?}: off by {worst}");
    }
}
