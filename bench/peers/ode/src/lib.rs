//! The peers' side of `bench/pair.py` is ours, and so are the inputs.

#[path = "../../../ours/src/ensembles.rs"]
mod asked;
#[path = "../../../ours/src/protocol.rs"]
mod protocol;

pub use asked::Asked;
pub use protocol::{ids, noise, serve};

use rayon::prelude::*;

/// Lotka and Volterra's hunters and prey.
#[inline(always)]
pub fn lotka_volterra(u: &[f64], p: &[f64], du: &mut [f64]) {
    du[0] = p[0] * u[0] - p[1] * u[0] * u[1];
    du[1] = p[2] * u[0] * u[1] - p[3] * u[1];
}

/// Lorenz's convection.
#[inline(always)]
pub fn lorenz(u: &[f64], p: &[f64], du: &mut [f64]) {
    du[0] = p[0] * (u[1] - u[0]);
    du[1] = u[0] * (p[1] - u[2]) - u[1];
    du[2] = u[0] * u[1] - p[2] * u[2];
}

/// The states of the first trajectories, after `solve` filled `[times, d]` of each, on all threads,
/// from its first state and parameters; `start` makes what a thread needs.
///
/// # Errors
/// If a trajectory cannot be solved.
pub fn all<T>(
    asked: &Asked,
    [d, p]: [usize; 2],
    start: impl Fn() -> anyhow::Result<T> + Sync + Send,
    solve: impl Fn(&mut T, &[f64], &[f64], &mut [f64]) -> anyhow::Result<()> + Sync + Send,
) -> anyhow::Result<Vec<f64>> {
    let (n, row) = (asked.initial.len() / d, asked.times.len() * d);
    let mut states = vec![0.0; n * row];
    states
        .par_chunks_mut(row * 64)
        .zip(asked.initial.par_chunks(d * 64))
        .zip(asked.parameters.par_chunks(p * 64))
        .try_for_each_init(&start, |thread, ((states, initial), parameters)| {
            let thread = thread.as_mut().map_err(|error| anyhow::anyhow!("{error}"))?;
            let inputs = initial.chunks(d).zip(parameters.chunks(p));
            let mut all = states.chunks_mut(row).zip(inputs);
            all.try_for_each(|(states, (initial, parameters))| {
                solve(thread, initial, parameters, states)
            })
        })?;
    states.truncate(asked.shown * row);
    Ok(states)
}
