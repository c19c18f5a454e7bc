//! How exact each way is, and for how much.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use quintet_fmint::Fmint;
use quintet_ode::{
    Members, Method, Slowed, Tolerance,
    correct::{Normal, References},
};
use serde::Serialize;

use super::ways::{Bench, Ready, Run, Way};

/// What counts as exact.
const EXACT: f64 = 1e-12;
/// Tolerances of the curves, and between which one is sought.
const TOLERANCES: [f64; 11] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11];
/// Halvings of the logarithm of a tolerance that is sought.
const HALVINGS: usize = 12;
/// Steps between two times on the curve of RK4.
const STEPS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
/// Most steps that are sought.
const MOST: usize = 1024;
/// A transformer is tried on no more trajectories.
const FEW: usize = 200;

/// A way with its errors.
#[derive(Clone, Serialize)]
pub struct Scored {
    pub method: String,
    #[serde(skip)]
    pub way: Way,
    /// Root mean square over trajectories and times of the greatest error of a component, in spreads.
    pub rms: f64,
    /// The greatest error along a trajectory that one of ten exceeds.
    pub most: f64,
    /// Evaluations that a simulator would be asked for by those that the solver counts.
    #[serde(skip)]
    pub asked: f64,
    /// Evaluations for a trajectory, and of all demos.
    pub evaluations: f64,
    pub demo_evaluations: f64,
    /// Seconds for a trajectory, and for all demos, if the right-hand side costs what it does.
    pub seconds: f64,
    pub demo_seconds: f64,
}

/// All that was scored.
pub struct Precision {
    pub scored: Vec<Scored>,
    members: Members,
    /// States of the members.
    exact: Vec<f64>,
    normal: Normal,
}

impl Precision {
    /// Scores every way.
    pub fn measure(
        bench: &Bench<'_>,
        shapes: &[usize],
        fmint: &Arc<Fmint>,
    ) -> anyhow::Result<Self> {
        let (problem, system) = (bench.problem, bench.problem.system());
        let references =
            References::solve(system, &problem.ranges, problem.grid, 1, bench.settings)?;
        ensure!(
            matches!(references.exact, Method::Dop853(_)),
            "{}: stiff; what is compared here are explicit methods",
            problem.name
        );
        let normal = references.normal(system);
        let members = problem.members.take(&problem.ranges, 0..problem.members.count());
        let exact = Ready::Solver(Method::Dop853(Tolerance::new(EXACT)));
        let exact = exact.solve(bench, system, &members)?.states;
        ensure!(
            exact.iter().all(|state| state.is_finite()),
            "{}: some trajectories do not reach the end; choose an earlier --end",
            problem.name
        );
        let mut all = Self { scored: Vec::new(), members, exact, normal };
        for steps in STEPS {
            all.add(bench, format!("rk4:{steps}"), Way::Solver(Method::Rk4(steps)))?;
        }
        for tolerance in TOLERANCES {
            for adaptive in [Method::Tsit5, Method::Dop853] {
                let method = adaptive(Tolerance::new(tolerance));
                all.add(bench, name(method), Way::Solver(method))?;
            }
        }
        for steps in shapes {
            all.add(bench, format!("compiled:{steps}"), Way::Corrector(*steps, None))?;
        }
        let model = Some(fmint.clone());
        all.add(bench, "fmint:1".into(), Way::Corrector(1, model))?;
        Ok(all)
    }

    fn add(&mut self, bench: &Bench<'_>, method: String, way: Way) -> anyhow::Result<()> {
        let scored = self.score(bench, method, way)?;
        self.scored.push(scored);
        Ok(())
    }

    /// Scores a way.
    fn score(&self, bench: &Bench<'_>, method: String, way: Way) -> anyhow::Result<Scored> {
        let (ready, demos) = bench.prepare(&way)?;
        let slow = matches!(way, Way::Corrector(_, Some(_)));
        let (d, steps) = (bench.problem.states.len(), bench.problem.grid.steps);
        let all = self.exact.len() / (d * steps);
        let n = if slow { all.min(FEW) } else { all };
        let which: Vec<usize> = (0..n).collect();
        let members = self.members.select(&which, d, bench.problem.parameters.len());
        let system = Slowed::new(bench.problem.system(), Duration::ZERO);
        let solution = ready.solve(bench, &system, &members)?;
        let mut squares = 0.0;
        let rows = solution.states.chunks(d * steps).zip(self.exact.chunks(d * steps));
        let mut greatest: Vec<f64> = rows
            .map(|(found, exact)| {
                let mut greatest = 0.0f64;
                for error in self.normal.errors(found, exact) {
                    let error = if error.is_nan() { f64::INFINITY } else { error };
                    squares += error * error;
                    greatest = greatest.max(error);
                }
                greatest
            })
            .collect();
        greatest.sort_by(f64::total_cmp);
        let asked = system.evaluations() as f64;
        let Run { seconds, .. } = bench.best(&ready, n as u64)?;
        Ok(Scored {
            method,
            way,
            rms: (squares / (n * steps) as f64).sqrt(),
            most: greatest[(n * 9 / 10).min(n - 1)],
            asked: asked / solution.evaluations.iter().sum::<u64>() as f64,
            evaluations: asked / n as f64,
            demo_evaluations: demos.evaluations,
            seconds: seconds / n as f64,
            demo_seconds: demos.seconds,
        })
    }

    /// All correctors in closed form.
    pub fn correctors(&self) -> impl Iterator<Item = &Scored> {
        self.scored.iter().filter(|scored| matches!(scored.way, Way::Corrector(_, None)))
    }

    /// The transformer.
    pub fn fmint(&self) -> impl Iterator<Item = &Scored> {
        self.scored.iter().filter(|scored| matches!(scored.way, Way::Corrector(_, Some(_))))
    }

    /// The corrector with the fewest evaluations that stays below an error, or else the most exact.
    pub fn corrector(&self, tolerance: f64) -> anyhow::Result<&Scored> {
        let good = self.correctors().filter(|scored| scored.most <= tolerance);
        good.min_by(|a, b| a.evaluations.total_cmp(&b.evaluations))
            .or_else(|| self.correctors().min_by(|a, b| a.most.total_cmp(&b.most)))
            .context("no corrector")
    }
}

/// Tsit5 with the greatest tolerance that is as exact, if one is.
pub fn tsit5(bench: &Bench<'_>, precision: &Precision, rms: f64) -> anyhow::Result<Option<Scored>> {
    tuned(bench, precision, rms, Method::Tsit5)
}

/// DOP853, likewise.
pub fn dop853(
    bench: &Bench<'_>,
    precision: &Precision,
    rms: f64,
) -> anyhow::Result<Option<Scored>> {
    tuned(bench, precision, rms, Method::Dop853)
}

/// RK4 with the fewest steps that is as exact, if one is.
pub fn rk4(bench: &Bench<'_>, precision: &Precision, rms: f64) -> anyhow::Result<Option<Scored>> {
    let score = |steps: usize| {
        precision.score(bench, format!("rk4:{steps}"), Way::Solver(Method::Rk4(steps)))
    };
    let (mut low, mut high) = (0, 1);
    let mut best = score(high)?;
    while best.rms.is_nan() || best.rms > rms {
        if high >= MOST {
            return Ok(None);
        }
        (low, high) = (high, 2 * high);
        best = score(high)?;
    }
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        let tried = score(middle)?;
        match tried.rms <= rms {
            true => (high, best) = (middle, tried),
            false => low = middle,
        }
    }
    Ok(Some(best))
}

fn tuned(
    bench: &Bench<'_>,
    precision: &Precision,
    rms: f64,
    adaptive: fn(Tolerance) -> Method,
) -> anyhow::Result<Option<Scored>> {
    let score = |exponent: f64| {
        let method = adaptive(Tolerance::new(10f64.powf(exponent)));
        precision.score(bench, name(method), Way::Solver(method))
    };
    let (mut fine, mut coarse) = (EXACT.log10(), 0.0);
    let mut best = score(fine)?;
    if best.rms.is_nan() || best.rms > rms {
        return Ok(None);
    }
    for _ in 0..HALVINGS {
        let middle = 0.5 * (fine + coarse);
        let tried = score(middle)?;
        match tried.rms <= rms {
            true => (fine, best) = (middle, tried),
            false => coarse = middle,
        }
    }
    Ok(Some(best))
}

fn name(method: Method) -> String {
    match method {
        Method::Tsit5(tolerance) => format!("tsit5 {:.1e}", tolerance.relative),
        Method::Dop853(tolerance) => format!("dop853 {:.1e}", tolerance.relative),
        other => format!("{other:?}"),
    }
}
