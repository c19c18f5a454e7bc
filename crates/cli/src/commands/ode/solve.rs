//! `quintet ode solve`.

use std::time::Instant;

use anyhow::{bail, ensure};
use quintet_ode::{Method, Tolerance};
use serde_json::json;

use super::{
    picture::{Legend, Picture, SHOWN, Style},
    problem::ProblemArgs,
    summary::{BATCH, OutputArgs, Solved},
};
use crate::{interrupt::Interrupt, output, progress};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    problem: ProblemArgs,
    /// tsit5, dop853, rodas5p (for stiff systems), or euler, heun or rk4 with the number of steps
    /// between two times, as rk4:4
    #[arg(long, value_name = "METHOD", default_value = "tsit5")]
    method: String,
    /// Error of a step that tsit5, dop853 and rodas5p allow, relative to the state and besides
    #[arg(long, value_name = "X", default_value_t = 1e-6)]
    tol: f64,
    #[command(flatten)]
    output: OutputArgs,
}

/// Reads a method.
pub fn method(text: &str, tolerance: Tolerance) -> anyhow::Result<Method> {
    let (name, steps) = match text.split_once(':') {
        Some((name, steps)) => (name, steps.parse().ok()),
        None => (text, Some(1)),
    };
    let adaptive = !text.contains(':');
    Ok(match (name, steps) {
        ("tsit5", _) if adaptive => Method::Tsit5(tolerance),
        ("dop853", _) if adaptive => Method::Dop853(tolerance),
        ("rodas5p", _) if adaptive => Method::Rodas5p(tolerance),
        ("euler", Some(steps)) => Method::Euler(steps),
        ("heun", Some(steps)) => Method::Heun(steps),
        ("rk4", Some(steps)) => Method::Rk4(steps),
        _ => bail!("{text}: expected tsit5, dop853, rodas5p, euler:N, heun:N or rk4:N"),
    })
}

/// Solves an ensemble.
pub fn run(args: &Args) -> anyhow::Result<()> {
    args.output.check()?;
    let method = method(&args.method, Tolerance::new(args.tol))?;
    let problem = args.problem.open()?;
    let interrupt = Interrupt::install()?;
    let started = Instant::now();
    let n = problem.members.count();
    let after = problem.grid.times();
    let times: Vec<f64> = [problem.grid.start].into_iter().chain(after.iter().copied()).collect();
    let mut files = args.output.begin(&problem, (n, &times), false)?;
    let mut picture = Picture::new(&problem.states, &times, Legend::Members);
    let bar = progress::bar("trajectories");
    bar.set_length(n);
    for first in (0..n).step_by(BATCH as usize) {
        ensure!(!interrupt.requested(), "stopped; nothing was written");
        let members = problem.members.take(&problem.ranges, first..n.min(first + BATCH));
        let ensemble = members.ensemble(problem.grid.start, &after);
        let solution = problem.system().solve(&ensemble, method)?;
        if first == 0 {
            let d = problem.states.len();
            let row = after.len() * d;
            for i in 0..SHOWN.min(solution.status.len()) {
                let (initial, states) = (&members.initial[i * d..], &solution.states[i * row..]);
                picture.add(Style::Line, i, &initial[..d], &states[..row], None);
            }
        }
        files.add(&Solved { first, members: &members, solution: &solution, corrected: None })?;
        bar.set_position(first + solution.status.len() as u64);
    }
    bar.finish_and_clear();
    let (mut written, tally) = files.finish()?;
    if let Some(path) = &args.output.plot {
        picture.save(path, &problem.name)?;
        written.push(path.clone());
    }
    let seconds = started.elapsed().as_secs_f64();
    if args.output.json {
        return output::json(&json!({
            "system": problem.name, "n": n, "method": args.method, "tolerance": args.tol,
            "ended": tally.ended, "evaluations": tally.evaluations as f64 / n.max(1) as f64,
            "seconds": seconds, "written": written,
        }));
    }
    let ended: Vec<String> =
        tally.ended.iter().map(|(how, count)| format!("{count} {how}")).collect();
    output::line(format!(
        "{n} trajectories of {} by {}: {}; {} evaluations each, {:.1} µs each",
        problem.name,
        args.method,
        ended.join(", "),
        tally.evaluations / n.max(1),
        seconds * 1e6 / n.max(1) as f64
    ))?;
    written.iter().try_for_each(|path| output::line(path.display()))
}
