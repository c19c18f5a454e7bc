//! What `quintet ode bench` says.

use serde_json::json;

use super::{
    Args,
    cost::{COSTS, Check, Crossover, Sweep, TOLD},
    precision::Precision,
};
use crate::{commands::ode::problem::Problem, output};

/// All that was measured.
pub struct Told<'a> {
    pub problem: &'a Problem,
    pub args: &'a Args,
    pub threads: usize,
    pub precision: &'a Precision,
    pub sweep: &'a Sweep,
    pub crossovers: &'a [Crossover],
}

impl Told<'_> {
    /// As one JSON object.
    pub fn json(&self) -> anyhow::Result<()> {
        let Self { problem, args, threads, precision, sweep, crossovers } = self;
        let compared: Vec<_> = sweep.costs.iter().map(|of| &of.scored).collect();
        output::json(&json!({
            "system": problem.name, "points": problem.grid.steps,
            "end": problem.grid.time(problem.grid.steps), "measured_on": problem.members.count(),
            "demos": args.demos, "calibrated_on": args.calibrate, "threads": threads,
            "precision": precision.scored, "compared": compared, "times": sweep.cells,
            "check": sweep.check, "crossovers": crossovers, "written": args.plot,
        }))
    }

    /// As tables.
    pub fn print(&self) -> anyhow::Result<()> {
        let Self { problem, args, threads, precision, sweep, crossovers } = self;
        output::line(format!(
            "{}: errors along {} trajectories in spreads, root mean square and what nine of ten stay \
             below; {threads} threads",
            problem.name,
            problem.members.count()
        ))?;
        let head = ["method", "error", "most", "evaluations", "time", "demos", "evaluations"];
        let mut rows = vec![head.map(String::from).to_vec()];
        rows.extend(precision.scored.iter().map(|of| {
            let demos = of.demo_evaluations > 0.0;
            let demos = |text: String| if demos { text } else { "-".into() };
            vec![
                of.method.clone(),
                format!("{:.1e}", of.rms),
                format!("{:.1e}", of.most),
                format!("{:.0}", of.evaluations),
                time(of.seconds),
                demos(time(of.demo_seconds)),
                demos(format!("{:.0}", of.demo_evaluations)),
            ]
        }));
        output::text(&output::table(&rows))?;
        let methods: Vec<String> = sweep.costs.iter().map(|of| of.scored.method.clone()).collect();
        output::line(
            "\ntime for an ensemble, demos included, by what an evaluation costs (* computed); all but \
             fmint are as exact as the first",
        )?;
        let mut rows = vec![["n", "cost"].map(String::from).into_iter().chain(methods).collect()];
        let mut sizes: Vec<u64> = sweep.cells.iter().map(|cell| cell.n).collect();
        sizes.sort_unstable();
        sizes.dedup();
        for n in sizes {
            for cost in COSTS {
                let mut row = vec![n.to_string(), time(cost)];
                let cells = sweep.cells.iter().filter(|cell| cell.n == n && cell.cost == cost);
                row.extend(cells.map(|cell| {
                    format!("{}{}", time(cell.seconds), if cell.computed { "*" } else { "" })
                }));
                rows.push(row);
            }
        }
        output::text(&output::table(&rows))?;
        let Check { runs, median_ratio, worst_ratio, worst } = &sweep.check;
        if let Some(worst) = worst {
            output::line(format!(
                "{runs} of these were measured and computed: measured by computed {median_ratio:.2} in \
                 the median, {worst_ratio:.2} times apart at worst ({}, {} trajectories, {})",
                worst.method,
                worst.n,
                time(worst.cost)
            ))?;
        }
        output::line(format!(
            "\ncost of an evaluation from which on a corrector is faster than Tsit5 that is as exact, \
             and how many times as fast it is at {}",
            time(TOLD)
        ))?;
        let mut rows = vec![
            ["corrector", "error", "as exact", "n", "faster from", "faster by"]
                .map(String::from)
                .to_vec(),
        ];
        rows.extend(crossovers.iter().map(|of| {
            vec![
                of.method.clone(),
                format!("{:.1e}", of.rms),
                of.solver.clone(),
                of.n.to_string(),
                match of.cost {
                    None => "never".into(),
                    Some(0.0) => "any cost".into(),
                    Some(cost) => time(cost),
                },
                format!("{:.*}", if of.speedup < 0.1 { 4 } else { 2 }, of.speedup),
            ]
        }));
        output::text(&output::table(&rows))?;
        match &args.plot {
            Some(path) => output::line(path.display()),
            None => Ok(()),
        }
    }
}

/// Seconds with three digits in a unit that fits.
fn time(seconds: f64) -> String {
    let units = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds >= *unit).unwrap_or(units[3]);
    let value = seconds / unit;
    match value {
        ..10.0 => format!("{value:.2} {name}"),
        10.0..100.0 => format!("{value:.1} {name}"),
        _ => format!("{value:.0} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_have_units_that_fit() {
        let said = [1e-8, 2.5e-5, 0.123, 12.34, 4321.0, 0.0].map(time);
        assert_eq!(said, ["10.0 ns", "25.0 µs", "123 ms", "12.3 s", "4321 s", "0.00 ns"]);
    }
}
