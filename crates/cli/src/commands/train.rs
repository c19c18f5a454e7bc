//! `quintet train`.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use quintet_train::{job, progress::ProgressMode};

use crate::model::DeviceArg;

#[derive(clap::Args)]
pub struct Args {
    /// The recipe
    recipe: PathBuf,
    /// Where checkpoints, logs and the model go; runs/NAME of the recipe if not given
    #[arg(long)]
    out: Option<PathBuf>,
    /// No progress
    #[arg(long)]
    quiet: bool,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
}

/// Trains, or goes on where it stopped. Ctrl-C saves and stops.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let recipe = job::Recipe::load(&args.recipe)?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&recipe.name));
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, stop.clone())?;
    let progress = if args.quiet { ProgressMode::Quiet } else { ProgressMode::Auto };
    let device = args.device.device()?;
    match job::train(&recipe, &out, &device, progress, &stop, None)? {
        true => println!("{}", out.join("model").display()),
        false => println!("stopped; the same command goes on from here"),
    }
    Ok(())
}
