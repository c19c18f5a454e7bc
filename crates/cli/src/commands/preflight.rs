//! `quintet preflight`.

use std::path::PathBuf;

use quintet_train::{job, preflight::Report, progress::ProgressMode};
use serde_json::json;

use crate::{device::DeviceArg, interrupt::Interrupt, output};

#[derive(clap::Args)]
pub struct Args {
    /// The recipe
    recipe: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Checks every row that the recipe trains on. Ctrl-C ends the check, which then has not passed.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let recipe = job::Recipe::load(&args.recipe)?;
    let interrupt = Interrupt::install()?;
    let progress = if args.json { ProgressMode::Quiet } else { ProgressMode::Auto };
    let device = DeviceArg::Cpu.open()?.device;
    let reports = job::preflight(&recipe, &device, progress, interrupt.stop())?;
    let passed = reports.iter().all(Report::passed);
    if args.json {
        output::json(&json!({ "recipe": recipe.name, "passed": passed, "reports": reports }))?;
    } else {
        for report in &reports {
            output::text(&report.to_string())?;
        }
    }
    anyhow::ensure!(
        reports.iter().all(|report| !report.stopped),
        "stopped before the last row was checked"
    );
    let failed: usize = reports.iter().map(|report| report.failed).sum();
    anyhow::ensure!(passed, "{failed} rows cannot be trained on; each is named above");
    Ok(())
}
