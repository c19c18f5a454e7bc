//! A forward pass of a CLIP encoder: `encode MODEL_DIR PICTURES`. The value is the mean of the
//! pooled features.

use std::path::Path;

use anyhow::Context;
use burn::{DType, Device, Tensor, TensorData};
use quintet_models::encoders::{Encoder, EncoderConfig};
use quintet_nn::{Checkpoint, Vars};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, pictures] = args.as_slice() else {
        anyhow::bail!("usage: encode MODEL_DIR PICTURES");
    };
    let (dir, pictures): (&Path, usize) = (Path::new(dir), pictures.parse()?);
    let config = std::fs::read(dir.join("config.json"))?;
    let config: EncoderConfig = serde_json::from_slice(&config)?;
    let device = Device::flex();
    let source = Checkpoint::open(dir, |name| Some(name.to_owned()))?;
    let vars = Vars::load(source, &device, DType::F32);
    let encoder = Encoder::new(&vars, &config)?;
    vars.finish()?;
    let side = encoder.image_size();
    let shape = [pictures, 3, side, side];
    let pixels = quintet_bench::noise(shape.iter().product());
    let pixels = Tensor::<4>::from_data(TensorData::new(pixels, shape), &device);
    quintet_bench::serve(|| {
        quintet_kernels::on_workers(|| {
            let pooled = encoder.pooled(encoder.forward(pixels.clone(), None));
            let pooled = pooled.context("the encoder has no pooled features")?;
            Ok(vec![f64::from(pooled.mean().into_scalar::<f32>())])
        })
    })
}
