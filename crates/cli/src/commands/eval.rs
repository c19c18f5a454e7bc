//! `quintet eval`.

use std::time::Instant;

use quintet_eval::{Receipt, Settings, evaluate};
use quintet_som::marks::Options;

use crate::{interrupt::Interrupt, measuring::MeasureArgs, progress};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    measure: MeasureArgs,
    /// Number of scenes
    #[arg(long, short, default_value_t = 500)]
    n: usize,
    /// Most questions of one kind about one scene
    #[arg(long, value_name = "N", default_value_t = 2)]
    per_kind: usize,
    /// Questions answered at a time
    #[arg(long, value_name = "N", default_value_t = 32)]
    batch: usize,
    /// Mark every object with a tag before anything is asked
    #[arg(long)]
    tagged: bool,
}

/// Measures a model on the scene tasks.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let settings = Settings {
        scenes: args.n,
        per_kind: args.per_kind,
        seed: args.measure.seed,
        batch: args.batch,
        marks: args.tagged.then(Options::default),
        ..Settings::new(&args.measure.styles)
    };
    let (loaded, sprites) = args.measure.open()?;
    let interrupt = Interrupt::install()?;
    let started = Instant::now();
    let bar = progress::bar("scenes");
    let scores =
        evaluate(&loaded.model, &loaded.processor, &sprites, &settings, &bar, interrupt.stop())?;
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
