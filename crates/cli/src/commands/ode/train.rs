//! `quintet ode train`.

use std::path::{Path, PathBuf};

use quintet_fmint::{Recipe, recipe::MODEL};
use quintet_train::progress::ProgressMode;
use serde_json::json;

use crate::{interrupt::Interrupt, output};

#[derive(clap::Args)]
pub struct Args {
    /// The recipe, such as recipes/fmint/small.toml
    recipe: PathBuf,
    /// Where checkpoints, logs and the model go; runs/NAME of the recipe if not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show no progress
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    /// Print one JSON object at the end, and show nothing before
    #[arg(long)]
    json: bool,
}

/// Trains, or goes on where it stopped. Ctrl-C saves and stops.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let (recipe, text) = Recipe::load(&args.recipe)?;
    let name = args.recipe.file_stem().unwrap_or_default();
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(name));
    let interrupt = Interrupt::install()?;
    let quiet = args.quiet || args.json;
    let progress = if quiet { ProgressMode::Quiet } else { ProgressMode::Auto };
    let outcome = recipe.train(&text, &out, interrupt.stop(), progress)?;
    if !outcome.finished {
        let again = format!("quintet ode train {} --out {}", args.recipe.display(), out.display());
        anyhow::bail!("stopped; everything so far is saved, and `{again}` goes on from there");
    }
    let model = out.join(MODEL);
    match args.json {
        true => output::json(&json!({
            "model": model.display().to_string(),
            "steps": outcome.state.steps,
            "resumed": outcome.resumed_from.is_some(),
        })),
        false => output::line(model.display()),
    }
}
