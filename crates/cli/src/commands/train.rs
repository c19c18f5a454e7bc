//! `quintet train`.

use std::path::{Path, PathBuf};

use quintet_train::{
    job::{Depth, Job, MODEL_PARTS, Recipe},
    progress::ProgressMode,
    recipe::Stage,
    stage::Mode,
};
use serde_json::json;

use crate::{device::DeviceArg, interrupt::Interrupt, output};

#[derive(clap::Args)]
pub struct Args {
    /// The recipe
    recipe: PathBuf,
    /// Where checkpoints, logs and the model go; runs/NAME of the recipe if not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Start without a look at rows and memory
    #[arg(long)]
    no_preflight: bool,
    /// Show no stages and no progress
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    /// Print one JSON object at the end, and show nothing before
    #[arg(long)]
    json: bool,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
}

/// Trains, or goes on where it stopped. Ctrl-C saves and stops.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let recipe = Recipe::load(&args.recipe)?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&recipe.name));
    let device = args.device.open()?;
    let interrupt = Interrupt::install()?;
    let quiet = args.quiet || args.json;
    let progress = if quiet { ProgressMode::Quiet } else { ProgressMode::Auto };
    if !quiet {
        eprintln!("{} on {}, into {}", recipe.name, device.name, out.display());
        eprint!("{}", output::table(&stages(&recipe)));
    }
    let mut job = Job::build(&recipe, &device.device)?;
    let begun = job.begun(&out)?;
    if !begun && !args.no_preflight {
        for stage in job.preflight(Depth::Usual, progress, interrupt.stop())? {
            if !quiet {
                eprint!("{stage}");
            }
            stage.refuse()?;
        }
    }
    if !job.train(&out, progress, interrupt.stop())? {
        let again = format!("quintet train {} --out {}", args.recipe.display(), out.display());
        anyhow::bail!("stopped; everything so far is saved, and `{again}` goes on from there");
    }
    let model = out.join("model");
    match args.json {
        true => output::json(&json!({
            "recipe": recipe.name,
            "model": model.display().to_string(),
            "resumed": begun,
        })),
        false => output::line(model.display()),
    }
}

/// What each stage trains, and how.
fn stages(recipe: &Recipe) -> Vec<[String; 7]> {
    let heads = ["stage", "objective", "trained", "lora", "frozen", "length", "lr"];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(recipe.stages.iter().map(row));
    rows
}

fn row(stage: &Stage) -> [String; 7] {
    let selection = stage.selection();
    let parts = |mode: Mode| {
        let names = MODEL_PARTS.iter().map(|part| part.name);
        let names: Vec<&str> = names.filter(|name| selection.mode(name) == mode).collect();
        if names.is_empty() { "-".to_owned() } else { names.join(" ") }
    };
    let length = match (stage.steps, stage.epochs) {
        (Some(steps), _) => format!("{steps} steps"),
        (None, epochs) => format!("{} epochs", epochs.unwrap_or_default()),
    };
    let samples = u64::from(stage.batch) * u64::from(stage.accumulate);
    [
        stage.name.clone(),
        format!("{:?}", stage.objective).to_lowercase(),
        parts(Mode::Trained),
        parts(Mode::Lora),
        parts(Mode::Frozen),
        format!("{length} of {samples} samples"),
        format!("{:.1e}", stage.lr),
    ]
}
