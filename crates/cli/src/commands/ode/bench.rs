//! `quintet ode bench`.

mod cost;
mod curves;
mod precision;
mod tell;
mod ways;

use std::{path::PathBuf, sync::Arc};

use anyhow::ensure;
use burn::Device;
use quintet_fmint::Fmint;
use quintet_ode::correct::Settings;

use self::{
    cost::{Cost, Sweep},
    precision::Precision,
    ways::Bench,
};
use super::problem::ProblemArgs;
use crate::{interrupt::Interrupt, output, progress};

/// Coarse steps between two times that correctors are measured with.
const SHAPES: [usize; 4] = [1, 2, 4, 8];

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    problem: ProblemArgs,
    /// The error that the corrector of the cost picture stays below in nine of ten trajectories, if one
    /// does: of those the one with the fewest evaluations
    #[arg(long, value_name = "X", default_value_t = 1e-4)]
    tol: f64,
    /// Sizes of ensembles
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [10, 100, 1000, 10_000, 100_000])]
    counts: Vec<u64>,
    /// Trajectories that are solved exactly to learn from
    #[arg(long, value_name = "N", default_value_t = 32)]
    demos: usize,
    /// Trajectories that are solved exactly to calibrate promises on
    #[arg(long, value_name = "N", default_value_t = 200)]
    calibrate: usize,
    /// Runs that would take longer than this are computed, in seconds
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    longest: f64,
    /// Draw work and precision, and time by cost (SVG)
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Measures which way is the cheapest.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(path) = &args.plot {
        output::check_target(path)?;
    }
    ensure!(args.tol > 0.0 && args.tol.is_finite(), "--tol {}: expected more than 0", args.tol);
    ensure!(
        !args.counts.is_empty() && args.counts.iter().all(|count| *count > 0),
        "--counts: at least one size, each at least 1"
    );
    ensure!(
        args.longest >= 0.0 && args.longest.is_finite(),
        "--longest {}: expected seconds",
        args.longest
    );
    let problem = args.problem.open()?;
    ensure!(
        !problem.is_program(),
        "{}: a program costs what it costs; this measures equations as if they took longer",
        problem.name
    );
    ensure!(problem.members.count() > 0, "{}: no trajectories to measure on", problem.name);
    let settings = Settings {
        demos: args.demos,
        held: args.calibrate,
        seed: args.problem.seed,
        ..Settings::default()
    };
    let interrupt = Interrupt::install()?;
    let fmint = Arc::new(Fmint::bundled(&Device::flex())?);
    let bar = progress::bar("measurements");
    let bench = Bench::new(&problem, settings, args.longest, (&interrupt, &bar));
    let precision = Precision::measure(&bench, &SHAPES, &fmint)?;
    let corrector = precision.corrector(args.tol)?;
    let mut compared = vec![corrector.clone()];
    for tune in [precision::rk4, precision::tsit5, precision::dop853] {
        compared.extend(tune(&bench, &precision, corrector.rms)?);
    }
    compared.extend(precision.fmint().cloned());
    let costs = compared.iter().map(|scored| Cost::measure(&bench, scored, &args.counts));
    let sweep = Sweep::measure(&bench, costs.collect::<anyhow::Result<_>>()?)?;
    let crossovers = cost::crossovers(&bench, &precision, &args.counts)?;
    bar.finish_and_clear();
    if let Some(path) = &args.plot {
        curves::save(path, &problem.name, &precision, &sweep)?;
    }
    let told = tell::Told {
        problem: &problem,
        args,
        threads: bench.threads,
        precision: &precision,
        sweep: &sweep,
        crossovers: &crossovers,
    };
    match args.json {
        true => told.json(),
        false => told.print(),
    }
}
