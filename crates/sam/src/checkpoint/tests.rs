//! What is read, and what is refused.

use std::{fs, path::Path};

use burn::Device;
use quintet_nn::{Checkpoint, Vars, vars::TensorSource};
use quintet_testing::{golden, save};
use quintet_weights::{SaveDType, save_safetensors};

use super::{load, source::Source};
use crate::{
    Sam, SamConfig,
    testing::{examples, random},
};

fn write(path: &Path, tensors: &[(&str, &[usize], Vec<f32>)]) {
    let tensors = tensors.iter().map(|(name, shape, values)| (*name, *shape, values.clone()));
    save_safetensors(path, tensors, SaveDType::F32, &Default::default()).unwrap();
}

#[test]
fn a_folded_norm_is_the_norm_after_the_convolution() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let weight = vec![0.5, -1.0, 2.0, 0.25, 1.5, -0.75];
    let [gain, shift, mean, variance] =
        [[1.5, 0.5], [0.1, -0.2], [0.3, -0.4], [0.8, 0.2]].map(Vec::from);
    write(
        &path,
        &[
            ("a.c.weight", &[2, 3, 1, 1], weight.clone()),
            ("a.bn.weight", &[2], gain.clone()),
            ("a.bn.bias", &[2], shift.clone()),
            ("a.bn.running_mean", &[2], mean.clone()),
            ("a.bn.running_var", &[2], variance.clone()),
            ("a.bn.num_batches_tracked", &[1], vec![7.0]),
            ("b.c.weight", &[1, 1, 1, 1], vec![3.0]),
            ("b.c.bias", &[1], vec![4.0]),
        ],
    );
    let source = Source::new(Checkpoint::open(&path, |name| Some(name.to_owned())).unwrap());
    let mut names = source.names();
    names.sort();
    assert_eq!(names, ["a.c.bias", "a.c.weight", "b.c.bias", "b.c.weight"]);
    assert_eq!(source.shape("a.c.bias"), Some(vec![2]));
    let (folded, bias) = (source.read("a.c.weight").unwrap(), source.read("a.c.bias").unwrap());
    let x = [0.7f32, -1.3, 0.2];
    let product = |weight: &[f32]| x.iter().zip(weight).map(|(x, w)| x * w).sum::<f32>();
    for channel in 0..2 {
        let row = channel * 3..channel * 3 + 3;
        let convolved = product(&weight[row.clone()]);
        let normed = (convolved - mean[channel]) / (variance[channel] + 1e-5).sqrt();
        let expected = normed * gain[channel] + shift[channel];
        let found = product(&folded[row]) + bias[channel];
        assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
    }
    // Without a norm beside it, a convolution stays as it is.
    assert_eq!(source.read("b.c.weight").unwrap(), [3.0]);
    assert_eq!(source.read("b.c.bias").unwrap(), [4.0]);
}

/// The number of parameters of the published ViT-B, as `transformers` counts them, and of
/// `mobile_sam.pt` without TinyViT's classifier and with the batch norms folded.
#[test]
fn the_published_sizes_are_those_of_the_published_files() {
    let sizes = [(SamConfig::base(), 93_735_728), (SamConfig::mobile(), 9_803_780)];
    for (config, expected) in sizes {
        let vars = Vars::random(0, &Device::flex());
        Sam::new(&vars, &config).unwrap();
        assert_eq!(vars.finish().unwrap().count(), expected);
    }
    SamConfig::large().check().unwrap();
    SamConfig::huge().check().unwrap();
}

#[test]
fn what_is_no_model_is_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let message = |path: &Path| load(path, &Device::flex()).unwrap_err().to_string();
    write(&path, &[("conv.weight", &[1], vec![0.0])]);
    assert!(message(&path).contains("segment-anything"), "{}", message(&path));

    let (_, params) = random(&examples()[0]);
    let mut fewer = params.clone();
    fewer.retain(|name| name != "image_encoder.blocks.2.mlp.lin2.bias");
    save(&fewer, &path);
    let found = message(&path);
    assert!(found.contains("'image_encoder.blocks.2.mlp.lin2.bias' is missing"), "{found}");

    let one_more = ("image_encoder.blocks.0.extra", &[1usize][..], vec![0.0]);
    let all = params.iter().map(|cell| (cell.name(), cell.shape(), cell.to_f32()));
    let all = all.chain([one_more]);
    save_safetensors(&path, all, SaveDType::F32, &Default::default()).unwrap();
    let found = message(&path);
    assert!(found.contains("'image_encoder.blocks.0.extra'"), "{found}");
}

#[test]
fn a_configuration_that_does_not_fit_is_refused_by_name() {
    let from = golden("sam").join("relative");
    let text = fs::read_to_string(from.join("config.json")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::copy(from.join("model.safetensors"), dir.path().join("model.safetensors")).unwrap();
    for (old, new, word) in [
        ("\"model_type\": \"sam\"", "\"model_type\": \"sam2\"", "sam2"),
        ("\"patch_size\": 4", "\"patch_size\": 0", "patch_size"),
        ("\"patch_size\": 4", "\"patch_size\": 5", "image_size"),
        ("\"image_size\": 12", "\"image_size\": 18446744073709551615", "image_size"),
        ("\"window_size\": 2", "\"window_size\": 3", "rel_pos"),
        ("\"window_size\": 2", "\"window_size\": 0", "window"),
        ("\"iou_head_depth\": 3", "\"iou_head_depth\": 4", "iou_prediction_head"),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 99999999999", "layers"),
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 0", "heads"),
        ("{", "", "config.json"),
    ] {
        assert!(text.contains(old), "{old}");
        fs::write(dir.path().join("config.json"), text.replace(old, new)).unwrap();
        let message = load(dir.path(), &Device::flex()).unwrap_err().to_string();
        assert!(message.contains(word), "{new}: {message}");
    }
}
