//! `quintet preflight`.

use std::path::PathBuf;

use quintet_train::{
    job::{Depth, Job, Recipe},
    progress::ProgressMode,
};
use serde_json::json;

use crate::{device::DeviceArg, interrupt::Interrupt, output};

#[derive(clap::Args)]
pub struct Args {
    /// The recipe
    recipe: PathBuf,
    /// Look at every row of built datasets too, not only at the first 256
    #[arg(long)]
    all: bool,
    /// Where the training would compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Checks rows and memory of every stage. Ctrl-C ends the check, which then has not passed.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let recipe = Recipe::load(&args.recipe)?;
    let interrupt = Interrupt::install()?;
    let progress = if args.json { ProgressMode::Quiet } else { ProgressMode::Auto };
    let depth = if args.all { Depth::Full } else { Depth::Usual };
    let mut job = Job::build(&recipe, &args.device.open()?.device)?;
    let stages = job.preflight(depth, progress, interrupt.stop())?;
    let refused = stages.iter().try_for_each(|stage| stage.refuse());
    if args.json {
        let passed = refused.is_ok();
        output::json(&json!({ "recipe": recipe.name, "passed": passed, "stages": stages }))?;
    } else {
        stages.iter().try_for_each(|stage| output::text(&stage.to_string()))?;
    }
    Ok(refused?)
}
