//! `quintet features`.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use quintet_data::media;
use quintet_weights::{SaveDType, save_safetensors};

use super::logits::tensor;
use crate::{model::ModelArgs, output};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The picture
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// The safetensors file to write: "features" [1, v, d_enc], the encoder's tokens as the
    /// model selects them, and "projected" [1, v', d], what the backbone reads
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Writes the features of a picture.
pub fn run(args: &Args) -> anyhow::Result<()> {
    output::check_target(&args.out)?;
    let picture = media::decode_file(&args.image)?;
    let loaded = args.model.load()?;
    loaded.must_see()?;
    let vision = loaded.model.vision().context("the model only reads text")?;
    let pixels = loaded.processor.pixels(&picture, loaded.model.device())?;
    let tensors = [
        tensor("features", vision.features(pixels.clone())),
        tensor("projected", loaded.model.image_features(pixels)?),
    ];
    let metadata = BTreeMap::from([("model".to_owned(), loaded.name)]);
    save_safetensors(&args.out, tensors, SaveDType::F32, &metadata)?;
    output::line(args.out.display())
}
