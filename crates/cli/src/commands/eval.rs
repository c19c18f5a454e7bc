//! `quintet eval`.

use std::{path::PathBuf, time::Instant};

use quintet_data::{
    formats::atomic,
    scene::{SpriteSet, Style},
};
use quintet_eval::{Receipt, Settings, evaluate};

use crate::{interrupt::Interrupt, model::ModelArgs, output, progress};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Drawing styles of the objects, separated by commas: noto, noto-v1, fluent, twemoji,
    /// openmoji, fluent-shaded, emojione, emojione-v1, fxemoji
    #[arg(long, value_delimiter = ',', default_value = "twemoji")]
    styles: Vec<Style>,
    /// Number of scenes
    #[arg(long, short, default_value_t = 500)]
    n: usize,
    /// Most questions of one kind about one scene
    #[arg(long, value_name = "N", default_value_t = 2)]
    per_kind: usize,
    /// Seed of scenes and questions
    #[arg(long, default_value_t = 2024)]
    seed: u64,
    /// Questions answered at a time
    #[arg(long, value_name = "N", default_value_t = 32)]
    batch: usize,
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

/// Measures a model on the scene tasks.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(out) = &args.out {
        output::check_target(out)?;
    }
    let settings = Settings {
        scenes: args.n,
        per_kind: args.per_kind,
        seed: args.seed,
        batch: args.batch,
        ..Settings::new(&args.styles)
    };
    let loaded = args.model.load()?;
    let sprites = if args.bundled { SpriteSet::bundled()? } else { SpriteSet::load(&args.styles)? };
    let interrupt = Interrupt::install()?;
    let started = Instant::now();
    let bar = progress::bar("scenes");
    let scores =
        evaluate(&loaded.model, &loaded.processor, &sprites, &settings, &bar, interrupt.stop())?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let (data, seed) = (settings.describe(), settings.seed);
    let receipt =
        Receipt::new(&loaded.name, &loaded.path, loaded.device, data, settings, seconds, scores)?;
    if let Some(out) = &args.out {
        atomic::write_json(out, &receipt)?;
    }
    if args.json {
        return output::json(&receipt);
    }
    output::line(&receipt.scores)?;
    output::line(format_args!("{}, seed {seed}, in {seconds:.0} s", receipt.data))?;
    Ok(())
}
