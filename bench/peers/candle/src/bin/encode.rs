//! `encode MODEL_DIR PICTURES`, as `bench/ours/src/bin/encode.rs`, with candle's CLIP.

use candle_core::{DType, Device, Tensor};
use candle_nn::{Module, VarBuilder};
use candle_peer::{noise, serve};
use candle_transformers::models::clip::{
    text_model::Activation,
    vision_model::{ClipVisionConfig, ClipVisionTransformer},
};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, pictures] = args.as_slice() else {
        anyhow::bail!("usage: encode MODEL_DIR PICTURES");
    };
    let pictures: usize = pictures.parse()?;
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(format!("{dir}/config.json"))?)?;
    let size = |key: &str| config[key].as_u64().map(|n| n as usize).ok_or(anyhow::anyhow!("{key}"));
    let config = ClipVisionConfig {
        embed_dim: size("hidden_size")?,
        activation: Activation::QuickGelu,
        intermediate_size: size("intermediate_size")?,
        num_hidden_layers: size("num_hidden_layers")?,
        num_attention_heads: size("num_attention_heads")?,
        projection_dim: size("projection_dim")?,
        num_channels: 3,
        image_size: size("image_size")?,
        patch_size: size("patch_size")?,
    };
    let side = config.image_size;
    let device = Device::Cpu;
    let file = format!("{dir}/model.safetensors");
    // SAFETY: nobody changes the file meanwhile.
    let vars = unsafe { VarBuilder::from_mmaped_safetensors(&[file], DType::F32, &device)? };
    let vars = if vars.contains_tensor("vision_model.post_layernorm.weight") {
        vars.pp("vision_model")
    } else {
        vars
    };
    let model = ClipVisionTransformer::new(vars, &config)?;
    let pixels = Tensor::from_vec(noise(pictures * 3 * side * side), (pictures, 3, side, side), &device)?;
    serve(|| {
        let mean = model.forward(&pixels)?.mean_all()?.to_scalar::<f32>()?;
        Ok(vec![f64::from(mean)])
    })
}
