//! `quintet som eval`.

use std::{sync::Arc, time::Instant};

use quintet_eval::{MarkSettings, Receipt, evaluate_marks};
use quintet_som::listing::Format;

use super::options::{OptionArgs, named};
use crate::{interrupt::Interrupt, measuring::MeasureArgs, progress};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    measure: MeasureArgs,
    /// Number of marked scenes
    #[arg(long, short, default_value_t = 200)]
    n: usize,
    /// The form of the listings: lines, or inline (all in one line)
    #[arg(long, value_parser = named::<Format>, default_value = "inline")]
    format: Format,
    /// Pictures asked about at a time
    #[arg(long, value_name = "N", default_value_t = 16)]
    batch: usize,
    /// Do not weigh attention
    #[arg(long)]
    no_attention: bool,
    #[command(flatten)]
    options: OptionArgs,
}

/// Measures how a model lists marked scenes, and where its tags look.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let settings = MarkSettings {
        marks: args.options.options(),
        format: args.format,
        pictures: args.n,
        seed: args.measure.seed,
        batch: args.batch,
        attention: !args.no_attention,
        ..MarkSettings::new(&args.measure.styles)
    };
    let (loaded, sprites) = args.measure.open()?;
    loaded.must_see()?;
    let interrupt = Interrupt::install()?;
    let started = Instant::now();
    let bar = progress::bar("pictures");
    let (model, processor, stop) = (&loaded.model, &loaded.processor, interrupt.stop());
    let scores = evaluate_marks(model, processor, Arc::new(sprites), &settings, &bar, stop)?;
    bar.finish_and_clear();
    let (data, seconds) = (settings.describe(), started.elapsed().as_secs_f64());
    args.measure.tell(&Receipt::new(
        &loaded.name,
        loaded.files()?,
        loaded.device,
        data,
        settings,
        seconds,
        scores,
    ))
}
