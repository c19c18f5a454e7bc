//! `differential_equations lotka-volterra|lorenz FOLDER dopri5|dop853 TOLERANCE SHOWN`, as
//! `bench/ours/src/bin/ode.rs`, with the crate `differential-equations`.

use differential_equations::{
    control::ControlFlag, interpolate::Interpolation, prelude::*, solout::Solout,
};
use ode_peer::{Asked, all, lorenz, lotka_volterra, serve};

struct System<'a, F> {
    rhs: F,
    parameters: &'a [f64],
}

impl<F: Fn(&[f64], &[f64], &mut [f64]), const D: usize> ODE<f64, [f64; D]> for System<'_, F> {
    #[inline(always)]
    fn diff(&self, _: f64, u: &[f64; D], du: &mut [f64; D]) {
        (self.rhs)(u, self.parameters, du);
    }
}

/// Keeps the states at some times.
struct Kept<'a, const D: usize> {
    times: &'a [f64],
    states: &'a mut [[f64; D]],
    next: usize,
}

impl<const D: usize> Solout<f64, [f64; D]> for Kept<'_, D> {
    fn solout<I: Interpolation<f64, [f64; D]> + ?Sized>(
        &mut self,
        t: f64,
        _: f64,
        u: &[f64; D],
        _: &[f64; D],
        interpolator: &mut I,
        _: &mut Solution<f64, [f64; D]>,
    ) -> ControlFlag<f64, [f64; D]> {
        while let Some(&time) = self.times.get(self.next).filter(|time| **time <= t) {
            self.states[self.next] = match time == t {
                true => *u,
                false => interpolator.interpolate(time).unwrap_or([f64::NAN; D]),
            };
            self.next += 1;
        }
        ControlFlag::Continue
    }
}

fn run<const D: usize, const P: usize>(
    asked: &Asked,
    rhs: impl Fn(&[f64], &[f64], &mut [f64]) + Copy + Send + Sync,
) -> anyhow::Result<()> {
    let [Some(start), Some(end)] = [asked.times.first(), asked.times.last()] else {
        anyhow::bail!("no times");
    };
    serve(|| {
        all(
            asked,
            [D, P],
            || Ok(()),
            |(), initial, parameters, states| {
                let system = System { rhs, parameters };
                let first: [f64; D] = initial.try_into()?;
                let kept = Kept { times: &asked.times, states: states.as_chunks_mut().0, next: 0 };
                let problem = IVP::ode(&system, *start, *end, first).solout(kept);
                let solved = match asked.method.as_str() {
                    "dopri5" => problem
                        .method(
                            ExplicitRungeKutta::dopri5()
                                .rtol(asked.tolerance)
                                .atol(asked.tolerance),
                        )
                        .solve(),
                    _ => problem
                        .method(
                            ExplicitRungeKutta::dop853()
                                .rtol(asked.tolerance)
                                .atol(asked.tolerance),
                        )
                        .solve(),
                };
                solved.map(|_| ()).map_err(|error| anyhow::anyhow!("{error:?}"))
            },
        )
    })
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    anyhow::ensure!(args.len() == 6, "usage: ... SYSTEM FOLDER METHOD TOLERANCE SHOWN");
    let asked = Asked::read(&args[2..])?;
    match args[1].as_str() {
        "lotka-volterra" => run::<2, 4>(&asked, lotka_volterra),
        "lorenz" => run::<3, 3>(&asked, lorenz),
        system => anyhow::bail!("no system {system}"),
    }
}
