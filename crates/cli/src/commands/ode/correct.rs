//! `quintet ode correct`.

use std::{path::PathBuf, sync::Arc, time::Instant};

use anyhow::{bail, ensure};
use burn::Device;
use quintet_fmint::Fmint;
use quintet_ode::{
    Demos, Dynamics, Members, Method,
    correct::{Choice, Outcome, Reference, Settings, Source, Ways, choose},
};
use serde::Serialize;
use serde_json::json;

use super::{
    picture::{Legend, Of, Picture, SHOWN, Style},
    problem::{Problem, ProblemArgs},
    summary::{BATCH, Corrected, OutputArgs, Solved},
    teach::teach,
};
use crate::{interrupt::Interrupt, output, progress};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    problem: ProblemArgs,
    /// auto (what takes the fewest evaluations of the right-hand side), compiled (a corrector that is
    /// fitted to demos) or compiled:N with N coarse steps between two times, fmint or fmint:N (a
    /// transformer that reads demos)
    #[arg(long, value_name = "METHOD", default_value = "auto")]
    method: String,
    /// The transformer of --method fmint: the directory of a model that `quintet ode train` made
    /// [default: the bundled one]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// The error that each trajectory is to stay below, relative to how far each component of the
    /// state spreads; what the corrector cannot promise is solved by Tsit5
    #[arg(long, value_name = "X", default_value_t = 1e-3)]
    tol: f64,
    /// The probability of each promise
    #[arg(long, value_name = "P", default_value_t = 0.9)]
    level: f64,
    /// Trajectories that are solved exactly to learn from
    #[arg(long, value_name = "N", default_value_t = 32)]
    demos: usize,
    /// Trajectories that are solved exactly to calibrate promises on
    #[arg(long, value_name = "N", default_value_t = 200)]
    calibrate: usize,
    /// What solves trajectories exactly: dop853, rodas5p (for stiff systems), or auto (rodas5p where
    /// dop853 takes more than 100,000 steps). Where rodas5p does, it takes the place of Tsit5 too
    #[arg(long, value_name = "METHOD", default_value = "auto")]
    reference: String,
    /// Solve so many of the trajectories exactly too, and say how many break their promise
    #[arg(long, value_name = "N", default_value_t = 0)]
    check: u64,
    #[command(flatten)]
    output: OutputArgs,
}

/// What corrects, and in which ways.
struct By {
    name: &'static str,
    ways: Ways,
    model: Option<Arc<Fmint>>,
}

impl By {
    fn new(args: &Args) -> anyhow::Result<Self> {
        let text = &args.method;
        let (name, steps) = match text.split_once(':') {
            None => (text.as_str(), None),
            Some((name, steps)) => match steps.parse::<usize>() {
                Ok(steps) if steps > 0 => (name, Some(steps)),
                _ => bail!("{text}: expected a number of steps, as in {name}:2"),
            },
        };
        let (name, ways) = match (name, steps) {
            ("auto", None) => ("compiled", Ways::All),
            ("compiled", None) => ("compiled", Ways::Corrected),
            ("compiled", Some(steps)) => ("compiled", Ways::Substeps(steps)),
            ("fmint", steps) => ("fmint", Ways::Substeps(steps.unwrap_or(1))),
            _ => bail!(
                "{text}: expected auto, compiled, fmint, or one of these two with a number of \
                 steps; `quintet ode solve` has others"
            ),
        };
        let model = match (name, &args.model) {
            ("fmint", Some(dir)) => Some(Arc::new(Fmint::load(dir, &Device::flex())?.0)),
            ("fmint", None) => Some(Arc::new(Fmint::bundled(&Device::flex())?)),
            (_, Some(_)) => bail!("--model is for --method fmint"),
            _ => None,
        };
        Ok(Self { name, ways, model })
    }

    /// What corrects with so many steps, or the solver.
    fn name(&self, substeps: Option<usize>, choice: &Choice) -> String {
        let solver = || solver_name(choice.solver.method).into();
        substeps.map_or_else(solver, |steps| format!("{}:{steps}", self.name))
    }
}

fn reference(text: &str) -> anyhow::Result<Reference> {
    Ok(match text {
        "auto" => Reference::Auto,
        "dop853" => Reference::Dop853,
        "rodas5p" => Reference::Rodas5p,
        _ => bail!("--reference {text}: expected auto, dop853 or rodas5p"),
    })
}

/// The name of the solver of what is not corrected.
fn solver_name(method: Method) -> &'static str {
    if matches!(method, Method::Rodas5p(_)) { "rodas5p" } else { "tsit5" }
}

/// Solves an ensemble coarsely and corrects it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    args.output.check()?;
    let by = By::new(args)?;
    let problem = args.problem.open()?;
    let settings = Settings {
        demos: args.demos,
        held: args.calibrate,
        level: args.level,
        reference: reference(&args.reference)?,
        seed: args.problem.seed,
        ..Settings::default()
    };
    let interrupt = Interrupt::install()?;
    let started = Instant::now();
    let n = problem.members.count();
    let of = (&problem.ranges, problem.grid, n);
    let spinner = progress::spinner("solving demos and learning from them");
    let teach =
        |system: &dyn Dynamics, demos: &Demos, coarse| teach(&by.model, system, demos, coarse);
    let choice = choose(problem.system(), of, args.tol, (by.ways, &teach), settings);
    spinner.finish_and_clear();
    let choice = choice?;
    let prepared = started.elapsed().as_secs_f64();
    let after = problem.grid.times();
    let times: Vec<f64> = [problem.grid.start].into_iter().chain(after.iter().copied()).collect();
    let mut files = args.output.begin(&problem, (n, &times), true)?;
    let mut picture = Picture::new(&problem.states, &times, Legend::Styles);
    let mut totals = Totals::default();
    let mut checked = Checked::default();
    let bar = progress::bar("trajectories");
    bar.set_length(n);
    for first in (0..n).step_by(BATCH as usize) {
        ensure!(!interrupt.requested(), "stopped; nothing was written");
        let members = problem.members.take(&problem.ranges, first..n.min(first + BATCH));
        let outcome = solve(&problem, &choice, &members, args.tol)?;
        let bands = spread(&outcome.bands, &choice);
        let last = |bands: &[f64]| bands.last().copied().unwrap_or_default();
        let promises: Vec<f64> = outcome.bands.chunks(after.len()).map(last).collect();
        totals.add(&outcome, &promises, args.tol);
        if first == 0 {
            show(&problem, &choice, &members, (&outcome, &bands), &mut picture)?;
        }
        if first < args.check {
            let count = (args.check - first).min(promises.len() as u64) as usize;
            checked.add(&problem, &choice, (&members, &outcome), count, args.tol)?;
        }
        let (sources, unusual) = (&outcome.sources[..], &outcome.unusual[..]);
        let (bands, promises) = (&bands[..], &promises[..]);
        let corrected = Some(Corrected { bands, promises, sources, unusual });
        files.add(&Solved { first, members: &members, solution: &outcome.solution, corrected })?;
        bar.set_position(first + promises.len() as u64);
    }
    bar.finish_and_clear();
    let (mut written, tally) = files.finish()?;
    if let Some(path) = &args.output.plot {
        picture.save(path, &problem.name)?;
        written.push(path.clone());
    }
    let seconds = started.elapsed().as_secs_f64();
    let considered: Vec<_> = choice
        .considered
        .iter()
        .map(|of| {
            json!({
                "method": by.name(of.substeps, &choice), "share": of.share,
                "evaluations": of.evaluations,
            })
        })
        .collect();
    let each = n.max(1) as f64;
    let taught = choice.compiled.as_ref().map(|compiled| &compiled.taught);
    let chosen = by.name(choice.compiled.as_ref().map(|compiled| compiled.substeps), &choice);
    if args.output.json {
        return output::json(&json!({
            "system": problem.name, "n": n, "method": chosen, "considered": considered,
            "tolerance": args.tol, "level": args.level, "demos": args.demos,
            "reference": match choice.exact {
                Method::Rodas5p(_) => "rodas5p",
                _ => "dop853",
            },
            "calibrated_on": args.calibrate,
            "error_held_out": taught.map(|taught| taught.error),
            "error_coarse": taught.map(|taught| taught.coarse_error),
            "corrected": totals.corrected, "solved": n - totals.corrected,
            "unusual": totals.unusual, "beyond_tolerance": totals.beyond,
            "greatest_promise": totals.greatest, "ended": tally.ended, "checked": checked,
            "evaluations": tally.evaluations as f64 / each, "demo_evaluations": choice.spent,
            "prepared_seconds": prepared, "seconds": seconds, "written": written,
        }));
    }
    output::line(format!("{n} trajectories of {}, by {chosen}:", problem.name))?;
    for of in &choice.considered {
        output::line(format!(
            "  {:<12} {:>8.0} evaluations each, keeps {:.0}% within {}",
            by.name(of.substeps, &choice),
            of.evaluations,
            100.0 * of.share,
            args.tol
        ))?;
    }
    if let Some(taught) = taught {
        output::line(format!(
            "  coarse error {:.1e}, corrected {:.1e} (root mean square along demos held back)",
            taught.coarse_error, taught.error
        ))?;
    }
    output::line(format!(
        "  {} corrected, {} by {}; {} unlike all that promises were calibrated on; {} beyond the \
         tolerance",
        totals.corrected,
        n - totals.corrected,
        solver_name(choice.solver.method),
        totals.unusual,
        totals.beyond
    ))?;
    output::line(format!(
        "  {:.0} evaluations each and {:.0} to learn; {:.1} µs each and {prepared:.2} s to learn",
        tally.evaluations as f64 / each,
        choice.spent,
        (seconds - prepared) * 1e6 / each
    ))?;
    if args.check > 0 {
        output::line(format!(
            "  of {} solved exactly, {} break their promise and {} the tolerance; the greatest error \
             is {:.1e}",
            checked.n, checked.broken, checked.beyond_tolerance, checked.greatest_error
        ))?;
    }
    written.iter().try_for_each(|path| output::line(path.display()))
}

/// What exact solutions say of promises.
#[derive(Default, Serialize)]
struct Checked {
    /// Trajectories that were solved exactly.
    n: u64,
    /// Those whose error leaves its band at some time.
    broken: u64,
    /// Those whose error exceeds the tolerance.
    beyond_tolerance: u64,
    greatest_error: f64,
}

impl Checked {
    /// Looks at the first of some members.
    fn add(
        &mut self,
        problem: &Problem,
        choice: &Choice,
        (members, outcome): (&Members, &Outcome),
        count: usize,
        tolerance: f64,
    ) -> anyhow::Result<()> {
        let first: Vec<usize> = (0..count).collect();
        let members = members.select(&first, problem.states.len(), problem.parameters.len());
        let times = problem.grid.times();
        let ensemble = members.ensemble(problem.grid.start, &times);
        let exact = problem.system().solve(&ensemble, choice.exact)?;
        let row = times.len() * problem.states.len();
        let states = outcome.solution.states.chunks(row).zip(exact.states.chunks(row));
        for ((found, exact), bands) in states.zip(outcome.bands.chunks(times.len())) {
            let errors: Vec<f64> = choice.normal.errors(found, exact).collect();
            let greatest = errors.iter().copied().fold(0.0, f64::max);
            self.n += 1;
            self.broken += u64::from(errors.iter().zip(bands).any(|(error, band)| error > band));
            let within = errors.iter().all(|error| *error <= tolerance);
            self.beyond_tolerance += u64::from(!within);
            self.greatest_error = self.greatest_error.max(greatest);
        }
        Ok(())
    }
}

/// Counts over all trajectories.
#[derive(Default)]
struct Totals {
    corrected: u64,
    unusual: u64,
    /// Trajectories whose promise is above the tolerance.
    beyond: u64,
    greatest: f64,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome, promises: &[f64], tolerance: f64) {
        let corrected = outcome.sources.iter().filter(|source| **source == Source::Corrected);
        self.corrected += corrected.count() as u64;
        self.unusual += outcome.unusual.iter().filter(|unusual| **unusual).count() as u64;
        self.beyond += promises.iter().filter(|promise| **promise > tolerance).count() as u64;
        self.greatest = promises.iter().fold(self.greatest, |most, promise| most.max(*promise));
    }
}

/// Solves members as was chosen.
fn solve(
    problem: &Problem,
    choice: &Choice,
    members: &Members,
    tolerance: f64,
) -> anyhow::Result<Outcome> {
    let (system, grid) = (problem.system(), problem.grid);
    Ok(match &choice.compiled {
        Some(compiled) => {
            compiled.solve(system, members, grid, Some((choice.solver, tolerance)))?
        }
        None => choice.solver.solve(system, members, grid)?,
    })
}

/// Bands in the units of each component, `[n, times, d]`.
fn spread(bands: &[f64], choice: &Choice) -> Vec<f64> {
    let spreads = &choice.normal.states;
    bands.iter().flat_map(|band| spreads.iter().map(move |[_, spread]| band * spread)).collect()
}

/// Draws the first trajectories beside the coarse and the exact ones, and their errors.
fn show(
    problem: &Problem,
    choice: &Choice,
    members: &Members,
    (outcome, bands): (&Outcome, &[f64]),
    picture: &mut Picture<'_>,
) -> anyhow::Result<()> {
    let (d, p) = (problem.states.len(), problem.parameters.len());
    let shown: Vec<usize> = (0..SHOWN.min(outcome.sources.len())).collect();
    let members = members.select(&shown, d, p);
    let times = problem.grid.times();
    let ensemble = members.ensemble(problem.grid.start, &times);
    let solve = |method| problem.system().solve(&ensemble, method);
    let exact = solve(choice.exact)?;
    let coarse = choice.compiled.as_ref().map(|compiled| compiled.taught.coarse);
    let steps = choice.compiled.as_ref().map_or(1, |compiled| compiled.substeps);
    let coarse = coarse.map(|of| solve(of.scheme.steps(steps))).transpose()?;
    let row = times.len() * d;
    for i in shown {
        let initial = &members.initial[i * d..][..d];
        let of = |all: &'_ [f64]| all[i * row..][..row].to_vec();
        picture.add(Style::Dots, i, initial, &of(&exact.states), None);
        if let Some(coarse) = &coarse {
            picture.add(Style::Dashes, i, initial, &of(&coarse.states), None);
        }
        let errors = |found: &[f64]| choice.normal.errors(found, &of(&exact.states)).collect();
        if let Some(coarse) = &coarse {
            picture.add_errors(Of::Coarse, i, errors(&of(&coarse.states)));
        }
        let promise = outcome.bands[i * times.len()..][..times.len()].to_vec();
        picture.add_errors(Of::Promise, i, promise);
        let (states, bands) = (of(&outcome.solution.states), of(bands));
        picture.add_errors(Of::Corrected, i, errors(&states));
        picture.add(Style::Line, i, initial, &states, Some(&bands));
    }
    Ok(())
}
