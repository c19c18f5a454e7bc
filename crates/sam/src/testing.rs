//! What the tests share.

use burn::Device;
use quintet_nn::{Activation, Params, Vars};
use quintet_testing::scramble;

use crate::{
    Sam,
    config::{
        ConvolutionStage, DecoderConfig, EncoderConfig, SamConfig, TinyVitConfig, VitConfig,
        WindowStage,
    },
};

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
    scramble(&params, 0.2);
    (sam, params)
}
