//! What the tests share.

use std::path::{Path, PathBuf};

use burn::{Device, Tensor, TensorData};
use quintet_nn::{Activation, Params, Vars};
use quintet_weights::{SaveDType, Weights};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    Sam,
    config::{
        ConvolutionStage, DecoderConfig, EncoderConfig, SamConfig, TinyVitConfig, VitConfig,
        WindowStage,
    },
};

/// The committed golden files of a topic, or freshly made ones.
pub(crate) fn golden(topic: &str) -> PathBuf {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden");
    std::env::var_os("QUINTET_GOLDEN").map_or(committed, PathBuf::from).join(topic)
}

/// One tensor of a file.
pub(crate) fn tensor<const D: usize>(weights: &Weights, name: &str) -> Tensor<D> {
    let shape = weights.info(name).unwrap_or_else(|| panic!("no '{name}'")).shape.clone();
    Tensor::from_data(TensorData::new(weights.f32(name).unwrap(), shape), &Device::flex())
}

/// Values between -2 and 2, the same for the same seed.
pub(crate) fn noise<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|_| rng.random_range(-2.0..2.0)).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Values drawn anew for every parameter, so that no one or zero that it starts with hides a
/// mistake.
pub(crate) fn scramble(params: &Params) {
    for (seed, cell) in (0..).zip(params.iter()) {
        let gain = cell.shape().len() == 1 && cell.name().ends_with("weight");
        let centre = if gain { 1.0 } else { 0.0 };
        cell.set(noise(seed, [cell.len()]).mul_scalar(0.2).add_scalar(centre));
    }
}

/// Largest difference of two tensors of one shape.
pub(crate) fn difference<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> f32 {
    assert_eq!(a.dims(), b.dims());
    (a.clone() - b.clone()).abs().max().into_scalar()
}

/// The parity law.
pub(crate) fn assert_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>, what: &str) {
    let error = difference(&found, &expected);
    assert!(error <= 1e-4, "{what}: off by {error}");
}

/// Small models with either encoder, whose images are no multiple of their windows.
pub(crate) fn examples() -> Vec<SamConfig> {
    let decoder = DecoderConfig { hidden: 24, iou_hidden: 12, ..SamConfig::base().decoder };
    let sized = |image_size, encoder| SamConfig {
        image_size,
        width: 32,
        mask_channels: 8,
        encoder,
        decoder: decoder.clone(),
    };
    let vit = VitConfig {
        patch_size: 4,
        width: 16,
        layers: 3,
        heads: 2,
        hidden: 24,
        window: 2,
        global_layers: vec![1],
        qkv_bias: true,
        positions: true,
        relative_positions: true,
        activation: Activation::Gelu,
        norm_eps: 1e-6,
    };
    let stage = |width, depth, window| WindowStage { width, depth, heads: 2, window, hidden: 24 };
    let tiny = TinyVitConfig {
        convolutions: ConvolutionStage { width: 8, depth: 1, hidden: 12 },
        stages: vec![stage(12, 1, 3), stage(16, 2, 2), stage(20, 1, 3)],
    };
    vec![sized(12, EncoderConfig::Vit(vit)), sized(80, EncoderConfig::TinyVit(tiny))]
}

/// A model of random weights, and its parameters.
pub(crate) fn random(config: &SamConfig) -> (Sam, Params) {
    let vars = Vars::random(3, &Device::flex());
    let sam = Sam::new(&vars, config).unwrap();
    let params = vars.finish().unwrap();
    scramble(&params);
    (sam, params)
}

/// Writes the parameters under their names.
pub(crate) fn save(params: &Params, path: &Path) {
    params.save(path, SaveDType::F32, |_| true).unwrap();
}
