//! Ensembles: `ode lotka-volterra|lorenz FOLDER METHOD TOLERANCE SHOWN`. Reports the states of the
//! first trajectories.

use quintet_bench::Asked;
use quintet_ode::{Dynamics, Ensemble, Lanes, Method, Status, System, Tolerance, families};

/// Lorenz's convection: `x' = σ (y − x)`, `y' = x (ρ − z) − y`, `z' = x y − β z`.
struct Lorenz;

impl System for Lorenz {
    type State = [Lanes; 3];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO; 3]
    }

    fn parameters(&self) -> usize {
        3
    }

    #[inline(always)]
    fn rhs(&self, _: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        *du = [p[0] * (u[1] - u[0]), u[0] * (p[1] - u[2]) - u[1], u[0] * u[1] - p[2] * u[2]];
    }
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let system: &dyn Dynamics = match args.get(1).map(String::as_str) {
        Some("lorenz") => &Lorenz,
        Some(name) => families::find(name).ok_or(anyhow::anyhow!("no system {name}"))?.system,
        None => anyhow::bail!("usage: ode SYSTEM FOLDER METHOD TOLERANCE SHOWN"),
    };
    let asked = Asked::read(&args[2..])?;
    let tolerance = Tolerance::new(asked.tolerance);
    let method = match asked.method.as_str() {
        "tsit5" => Method::Tsit5(tolerance),
        "dop853" => Method::Dop853(tolerance),
        other => anyhow::bail!("no method {other}"),
    };
    let Asked { initial, parameters, times, .. } = &asked;
    let ensemble = Ensemble { start: 0.0, times, initial, parameters };
    let shown = asked.shown * times.len() * system.dimension();
    quintet_bench::serve(|| {
        let solution = system.solve(&ensemble, method)?;
        let finished = solution.status.iter().all(|status| *status == Status::Finished);
        anyhow::ensure!(finished, "a trajectory did not reach the last time");
        Ok(solution.states[..shown].to_vec())
    })
}
