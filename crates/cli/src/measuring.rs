//! What commands that measure models have in common.

use std::path::PathBuf;

use quintet_data::{
    formats::atomic,
    scene::{SpriteSet, Style},
};
use quintet_eval::Receipt;
use serde::Serialize;

use crate::{
    model::{Loaded, ModelArgs},
    output,
};

/// Which model is measured on which drawings, and where the receipt goes.
#[derive(clap::Args)]
pub struct MeasureArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Drawing styles of the objects, separated by commas: noto, noto-v1, fluent, twemoji,
    /// openmoji, fluent-shaded, emojione, emojione-v1, fxemoji, and tuxpaint where Debian's
    /// tuxpaint-stamps-default is installed
    #[arg(long, value_delimiter = ',', default_value = "twemoji")]
    pub styles: Vec<Style>,
    /// Seed of scenes and questions
    #[arg(long, default_value_t = 2024)]
    pub seed: u64,
    /// Use the dozen drawings (noto, noto-v1) that quintet carries with it: needs no network, and
    /// measures little
    #[arg(long)]
    bundled: bool,
    /// Print the receipt, numbers included, as one JSON object
    #[arg(long)]
    json: bool,
    /// Write the receipt to a file too
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl MeasureArgs {
    /// The model and the drawings, after a look at the place of the receipt.
    pub fn open(&self) -> anyhow::Result<(Loaded, SpriteSet)> {
        if let Some(out) = &self.out {
            output::check_target(out)?;
        }
        let loaded = self.model.load()?;
        let sprites = match self.bundled {
            true => SpriteSet::bundled()?,
            false => SpriteSet::load(&self.styles)?,
        };
        Ok((loaded, sprites))
    }

    /// Writes and prints what was measured.
    pub fn tell<S, T>(&self, receipt: &Receipt<S, T>) -> anyhow::Result<()>
    where
        S: Serialize,
        T: Serialize + std::fmt::Display,
    {
        if let Some(out) = &self.out {
            atomic::write_json(out, receipt)?;
        }
        if self.json {
            return output::json(receipt);
        }
        output::line(&receipt.scores)?;
        let Receipt { data, seconds, .. } = receipt;
        output::line(format_args!("{data}, seed {}, in {seconds:.0} s", self.seed))
    }
}
