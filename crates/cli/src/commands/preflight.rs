//! `quintet preflight`.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use quintet_train::{job, preflight::Report, progress::ProgressMode};

use crate::model::DeviceArg;

#[derive(clap::Args)]
pub struct Args {
    /// The recipe
    recipe: PathBuf,
    /// Print a JSON list of reports
    #[arg(long)]
    json: bool,
}

/// Checks every row that the recipe trains on.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let recipe = job::Recipe::load(&args.recipe)?;
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, stop.clone())?;
    let progress = if args.json { ProgressMode::Quiet } else { ProgressMode::Auto };
    let reports = job::preflight(&recipe, &DeviceArg::Cpu.device()?, progress, &stop)?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&reports)?),
        false => reports.iter().for_each(|report| println!("{report}")),
    }
    anyhow::ensure!(reports.iter().all(Report::passed), "some rows cannot be trained on");
    Ok(())
}
