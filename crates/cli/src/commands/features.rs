//! `quintet features`.

use std::path::PathBuf;

use anyhow::Context;
use quintet_data::media;

use super::logits::{tensor, write};
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
    /// Print one JSON object instead of the file's name
    #[arg(long)]
    json: bool,
}

/// Writes the features of a picture.
pub fn run(args: &Args) -> anyhow::Result<()> {
    output::check_target(&args.out)?;
    let picture = media::decode_file(&args.image)?;
    let loaded = args.model.load()?;
    loaded.must_see()?;
    let vision = loaded.model.vision().context("the model only reads text")?;
    let pixels = loaded.processor.pixels(&picture, loaded.model.device())?;
    let tensors = vec![
        tensor("features", vision.features(pixels.clone())),
        tensor("projected", loaded.model.image_features(pixels)?),
    ];
    let written = write(&args.out, &loaded.name, tensors)?;
    if args.json { output::json(&written) } else { output::line(args.out.display()) }
}
