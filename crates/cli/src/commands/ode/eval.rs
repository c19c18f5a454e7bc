//! `quintet ode eval`.

use std::{collections::BTreeMap, path::PathBuf, time::Instant};

use anyhow::{Context, ensure};
use burn::Device;
use quintet_data::formats::atomic;
use quintet_eval::Receipt;
use quintet_fmint::Trained;
use quintet_ode::{
    FAMILIES, Family, Protocol,
    families::find,
    measure::{Setup, measure},
};
use serde::Serialize;

use crate::{output, progress};

#[derive(clap::Args)]
pub struct Args {
    /// Families of `quintet ode list` [default: all]
    families: Vec<String>,
    /// Systems of each family, each with one query
    #[arg(long, short, default_value_t = 500)]
    n: u64,
    /// Trajectories of a system that are known
    #[arg(long, value_name = "N", default_value_t = 5)]
    demos: usize,
    /// Factor of each family's stride
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    stride: f64,
    /// Compare with solutions that begin late, as in the paper's tables
    #[arg(long)]
    shifted: bool,
    /// Coarse steps of a trajectory
    #[arg(long, value_name = "N", default_value_t = 49)]
    points: usize,
    /// Also a trained model: its directory, as `quintet ode train` prints it. Several may be named
    #[arg(long, value_name = "DIR")]
    model: Vec<PathBuf>,
    /// Seed of the systems
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write a receipt with the numbers to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Settings {
    n: u64,
    demos: usize,
    stride: f64,
    protocol: &'static str,
    points: usize,
    seed: u64,
}

#[derive(Serialize)]
struct Score {
    family: &'static str,
    method: &'static str,
    mre: f64,
    rmse: f64,
    median: f64,
    evaluations: f64,
}

/// Measures how well queries are corrected in context.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(path) = &args.out {
        output::check_target(path)?;
    }
    ensure!(
        args.n > 0 && args.demos > 0 && args.points > 0,
        "-n, --demos and --points: at least 1"
    );
    ensure!(args.stride > 0.0 && args.stride.is_finite(), "--stride: expected more than 0");
    let find = |name: &String| {
        find(name).with_context(|| format!("{name}: no such family; see `quintet ode list`"))
    };
    let chosen: Vec<&Family> = match args.families.is_empty() {
        true => FAMILIES.iter().collect(),
        false => args.families.iter().map(find).collect::<anyhow::Result<_>>()?,
    };
    let Args { n: tasks, demos, points, stride, seed, .. } = *args;
    let protocol = if args.shifted { Protocol::Shifted } else { Protocol::Aligned };
    let device = Device::flex();
    let models = args.model.iter().map(|dir| Trained::load(dir, &device));
    let models: Vec<Trained> = models.collect::<Result<_, _>>()?;
    let started = Instant::now();
    let bar = progress::bar("families");
    bar.set_length(chosen.len() as u64);
    let mut scores = Vec::new();
    for family in chosen {
        let setup = Setup { tasks, demos, points, stride, protocol, seed };
        let name = family.info.name;
        let mut errors = measure(family, &setup)?;
        for model in &models {
            errors.extend(model.measure(family, &setup, &device)?);
        }
        scores.extend(errors.into_iter().map(|of| Score {
            family: name,
            method: of.method,
            mre: of.relative,
            rmse: of.rms,
            median: of.median,
            evaluations: of.evaluations,
        }));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let protocol = if args.shifted { "shifted" } else { "aligned" };
    let settings = Settings { n: tasks, demos, stride, protocol, points, seed };
    let data = format!("{tasks} systems of each family, {demos} demos each, {protocol}");
    let seconds = started.elapsed().as_secs_f64();
    let models: Vec<&str> =
        ["compiled"].into_iter().chain(models.iter().map(Trained::name)).collect();
    let receipt =
        Receipt::new(&models.join(", "), BTreeMap::new(), "cpu", data, settings, seconds, &scores);
    if let Some(path) = &args.out {
        atomic::write_json(path, &receipt)?;
    }
    if args.json {
        return output::json(&receipt);
    }
    let heads = ["family", "method", "MRE", "RMSE", "median", "evaluations"];
    let mut rows = vec![heads.map(String::from)];
    rows.extend(scores.iter().map(|score| {
        let number = |value: f64| format!("{value:.2e}");
        [
            score.family.into(),
            score.method.into(),
            number(score.mre),
            number(score.rmse),
            number(score.median),
            format!("{:.0}", score.evaluations),
        ]
    }));
    output::text(&output::table(&rows))
}
