//! `quintet som eval`.

use std::{path::PathBuf, sync::Arc, time::Instant};

use quintet_data::{
    formats::atomic,
    scene::{SpriteSet, Style},
};
use quintet_eval::{MarkSettings, Receipt, evaluate_marks};
use quintet_som::listing::Format;

use super::options::{OptionArgs, named};
use crate::{interrupt::Interrupt, model::ModelArgs, output, progress};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Drawing styles of the objects, separated by commas: noto, noto-v1, fluent, twemoji,
    /// openmoji, fluent-shaded, emojione, emojione-v1, fxemoji
    #[arg(long, value_delimiter = ',', default_value = "twemoji")]
    styles: Vec<Style>,
    /// Number of marked scenes
    #[arg(long, short, default_value_t = 200)]
    n: usize,
    /// Seed of the scenes
    #[arg(long, default_value_t = 2024)]
    seed: u64,
    /// The form of the listings: lines, or inline (all in one line)
    #[arg(long, value_parser = named::<Format>, default_value = "inline")]
    format: Format,
    /// Pictures asked about at a time
    #[arg(long, value_name = "N", default_value_t = 16)]
    batch: usize,
    /// Do not weigh attention
    #[arg(long)]
    no_attention: bool,
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
    #[command(flatten)]
    options: OptionArgs,
}

/// Measures how a model lists marked scenes, and where its tags look.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(out) = &args.out {
        output::check_target(out)?;
    }
    let settings = MarkSettings {
        marks: args.options.options(),
        format: args.format,
        pictures: args.n,
        seed: args.seed,
        batch: args.batch,
        attention: !args.no_attention,
        ..MarkSettings::new(&args.styles)
    };
    let loaded = args.model.load()?;
    loaded.must_see()?;
    let sprites = if args.bundled { SpriteSet::bundled()? } else { SpriteSet::load(&args.styles)? };
    let interrupt = Interrupt::install()?;
    let started = Instant::now();
    let bar = progress::bar("pictures");
    let (model, processor, stop) = (&loaded.model, &loaded.processor, interrupt.stop());
    let scores = evaluate_marks(model, processor, Arc::new(sprites), &settings, &bar, stop)?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let data = settings.describe();
    let seed = settings.seed;
    let receipt =
        Receipt::new(&loaded.name, &loaded.path, loaded.device, data, settings, seconds, scores)?;
    if let Some(out) = &args.out {
        atomic::write_json(out, &receipt)?;
    }
    if args.json {
        return output::json(&receipt);
    }
    output::text(&receipt.scores.to_string())?;
    output::line(format_args!("{}, seed {seed}, in {seconds:.0} s", receipt.data))
}
