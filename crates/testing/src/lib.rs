//! What the conformance and parity tests of all crates with networks share. Nothing here is part of
//! the program, so that it may panic.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::{DType, Device, Gradients, Tensor, TensorData};
use quintet_kernels::half_storage;
use quintet_nn::{Checkpoint, Params, Vars, in_dtype, param::ParamCell};
use quintet_weights::{SaveDType, Weights, save_safetensors};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Serialize, de::DeserializeOwned};

/// The committed golden files of a topic, or freshly made ones.
pub fn golden(topic: &str) -> PathBuf {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden");
    std::env::var_os("QUINTET_GOLDEN").map_or(committed, PathBuf::from).join(topic)
}

/// The parameters of a checkpoint, all of which must be taken.
pub fn load(path: &Path) -> Vars {
    let checkpoint = Checkpoint::open(path, |name| Some(name.to_owned())).unwrap();
    Vars::load(checkpoint, &Device::flex(), DType::F32)
}

/// Writes the parameters under their names.
pub fn save(params: &Params, path: &Path) {
    let tensors = params.iter().map(|cell| (cell.name(), cell.shape(), cell.to_f32()));
    save_safetensors(path, tensors, SaveDType::F32, &BTreeMap::new()).unwrap();
}

/// One tensor of a file.
pub fn tensor<const D: usize>(weights: &Weights, name: &str) -> Tensor<D> {
    let shape = weights.info(name).unwrap_or_else(|| panic!("no '{name}'")).shape.clone();
    Tensor::from_data(TensorData::new(weights.f32(name).unwrap(), shape), &Device::flex())
}

/// Values between -2 and 2, the same for the same seed.
pub fn noise<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|_| rng.random_range(-2.0..2.0)).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Values within twice `spread` of where they usually are, drawn anew for every parameter, so that no
/// one or zero that it starts with hides a mistake.
pub fn scramble(params: &Params, spread: f32) {
    for (seed, cell) in (0..).zip(params.iter()) {
        let gain = cell.shape().len() == 1 && cell.name().ends_with("weight");
        let centre = if gain { 1.0 } else { 0.0 };
        cell.set(noise(seed, [cell.len()]).mul_scalar(spread).add_scalar(centre));
    }
}

/// Largest difference of two tensors of one shape.
pub fn difference<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> f32 {
    assert_eq!(a.dims(), b.dims());
    (a.clone() - b.clone()).abs().max().into_scalar()
}

/// The parity law.
pub fn assert_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>, what: &str) {
    let error = difference(&found, &expected);
    assert!(error <= 1e-4, "{what}: off by {error}");
}

/// Gradients of a sum with random weights, which no symmetry cancels.
pub fn backward<const D: usize>(output: Tensor<D>) -> Gradients {
    let weights = noise(99, output.dims());
    (output * weights).sum().backward()
}

/// The law of trainable things: a parameter has a finite gradient, not zero, exactly if `reached`.
pub fn assert_gradient(cell: &ParamCell, grads: &mut Gradients, reached: bool, what: &str) {
    let name = cell.name();
    let Some(grad) = cell.take_grad(grads) else {
        assert!(!reached, "{what}: '{name}' got no gradient");
        return;
    };
    assert!(reached, "{what}: '{name}' got a gradient");
    let largest: f32 = grad.abs().max().into_scalar();
    assert!(largest.is_finite(), "{what}: the gradient of '{name}' is {largest}");
    // What is added to all keys alike leaves the softmax as it is: no gradient but rounding.
    let shifts_all_keys = ["k_proj.bias", "attention.key.bias", "k_layer_norm.bias"];
    if !shifts_all_keys.iter().any(|shift| name.ends_with(shift)) {
        assert!(largest > 1e-6, "{what}: the gradient of '{name}' is {largest}");
    }
}

/// The law of half storage: what is stored in `bf16` on the way changes the output and the gradients of
/// all parameters by little.
pub fn assert_half_storage<const D: usize>(
    params: &Params,
    output: impl Fn() -> Tensor<D>,
    what: &str,
) {
    params.set_trainable(|_| true);
    let found = |output: Tensor<D>| -> [Vec<f32>; 2] {
        let output = in_dtype(output, DType::F32);
        let mut grads = backward(output.clone());
        let grads = params.iter().filter_map(|cell| cell.take_grad(&mut grads));
        let grads = grads.flat_map(|grad| grad.into_data().iter::<f32>().collect::<Vec<_>>());
        [output.into_data().iter::<f32>().collect(), grads.collect()]
    };
    let [half, single] = [found(half_storage(&output)), found(output())];
    for (half, single) in half.iter().zip(&single) {
        let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| x * x).sum::<f32>().sqrt();
        assert_eq!(half.len(), single.len(), "{what}");
        let apart = norm(&mut half.iter().zip(single).map(|(a, b)| a - b));
        let all = norm(&mut single.iter().copied());
        assert!(apart < 0.04 * all, "{what}: {apart} apart, of {all}");
    }
}

/// Written and read again, a configuration is the same.
pub fn assert_round_trip<T>(config: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let text = serde_json::to_string(config).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), config, "{text}");
}
