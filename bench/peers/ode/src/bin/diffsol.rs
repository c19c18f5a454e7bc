//! `diffsol lotka-volterra|lorenz FOLDER tsit5 TOLERANCE SHOWN`, as `bench/ours/src/bin/ode.rs`, with
//! diffsol's one explicit method.

use diffsol::{
    MatrixCommon, NalgebraMat, NalgebraVec, OdeBuilder, OdeEquations, OdeSolverMethod, Vector,
};
use ode_peer::{Asked, all, lorenz, lotka_volterra, serve};

type M = NalgebraMat<f64>;

fn run<const D: usize, const P: usize>(
    asked: &Asked,
    rhs: impl Fn(&[f64], &[f64], &mut [f64]) + Copy + Send + Sync,
) -> anyhow::Result<()> {
    let problem = || {
        // The first state is among the parameters, so that a problem serves all trajectories.
        let build = OdeBuilder::<M>::new()
            .rtol(asked.tolerance)
            .atol([asked.tolerance; D])
            .p([1.0; 7].into_iter().take(P + D))
            .rhs(move |u: &[f64], p: &[f64], _, du: &mut [f64]| rhs(u, p, du))
            .init(|p: &[f64], _, u: &mut [f64]| u.copy_from_slice(&p[P..]), D)
            .build()?;
        Ok(build)
    };
    serve(|| {
        all(asked, [D, P], problem, |problem, initial, parameters, states| {
            let p = NalgebraVec::from_vec([parameters, initial].concat(), Default::default());
            problem.eqn_mut().set_params(&p);
            let (found, _) = problem.tsit45()?.solve_dense(&asked.times)?;
            states.copy_from_slice(found.inner().as_slice());
            Ok(())
        })
    })
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    anyhow::ensure!(args.len() == 6, "usage: diffsol SYSTEM FOLDER tsit5 TOLERANCE SHOWN");
    let asked = Asked::read(&args[2..])?;
    match (args[1].as_str(), asked.method.as_str()) {
        ("lotka-volterra", "tsit5") => run::<2, 4>(&asked, lotka_volterra),
        ("lorenz", "tsit5") => run::<3, 3>(&asked, lorenz),
        (system, method) => anyhow::bail!("no {system} by {method}"),
    }
}
