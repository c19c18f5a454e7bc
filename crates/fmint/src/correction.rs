//! A model as the correction of an ensemble.

use std::sync::Arc;

use burn::Device;
use quintet_ode::{
    Dynamics, Ensemble, Error as OdeError, Solution,
    correct::{Coarse, Corrected, Correction, Demos, Normal, Taught},
};

use crate::{
    Answer, Error, Fmint, Result,
    prompt::{Prompt, Shown},
};

/// Most demos that are shown: as many as models are trained with.
pub const SHOWN: usize = 5;

/// A model that has read demos.
#[derive(Debug)]
pub struct InContext {
    model: Arc<Fmint>,
    prompt: Prompt,
    /// Of every other demo: where the two differ, there is doubt.
    half: Option<Prompt>,
    coarse: Coarse,
    normal: Normal,
    /// Coarse steps from the first time to the last.
    steps: usize,
    /// The share of each component's correction that is added, `[d]`: the one that served best along
    /// demos that were not shown. Where a model knows nothing it is 0.
    shares: Vec<f64>,
}

impl InContext {
    /// Shows demos to a model, [`SHOWN`] at most, and tries it on the others. Where the coarse solver
    /// diverges on all of them nothing is corrected.
    ///
    /// # Errors
    /// If the model cannot read them, or their coarse solutions cannot be computed.
    pub fn teach(
        model: &Arc<Fmint>,
        system: &dyn Dynamics,
        demos: &Demos,
        coarse: Coarse,
        device: &Device,
    ) -> Result<Taught> {
        if model.config().answer != Answer::Error {
            return Err(Error::Config("this model does not predict errors".to_owned()));
        }
        let (d, p) = (system.dimension(), system.parameters());
        let times: Vec<f64> = (0..=demos.grid.steps).map(|i| demos.grid.time(i)).collect();
        let row = times.len() * d;
        let members = demos.members(d);
        let (all, evaluations) = solve(system, &members.ensemble(times[0], &times[1..]), coarse)?;
        let lacking = |which: &[usize]| -> (Vec<f64>, Vec<f64>) {
            let rows = |values: &'_ [f64], i: usize, from: usize| {
                values[i * row + from..][..row - from].to_vec()
            };
            let errors = which.iter().flat_map(|&i| {
                let (fine, coarse) = (rows(&demos.states, i, d), rows(&all, i, d));
                fine.into_iter().zip(coarse).map(|(fine, coarse)| fine - coarse)
            });
            (which.iter().flat_map(|&i| rows(&all, i, 0)).collect(), errors.collect())
        };
        let finite = |i: &usize| {
            let numbers = [&demos.states, &all].map(|values| &values[i * row..][..row]);
            numbers.iter().all(|values| values.iter().all(|value| value.is_finite()))
        };
        let usable: Vec<usize> = (0..demos.states.len() / row).filter(finite).collect();
        let normal = Normal::new(&demos.states, d, &demos.parameters, p);
        if usable.is_empty() {
            let [error, coarse_error] = [f64::INFINITY; 2];
            let correction = Arc::new(Nothing { coarse });
            return Ok(Taught { correction, normal, coarse, error, coarse_error, evaluations });
        }
        let most = match model.config().demos {
            0 => SHOWN,
            most => most.min(SHOWN),
        };
        let (shown, others) = usable.split_at(most.min(usable.len()));
        let read = |which: &[usize]| {
            let (coarse, errors) = lacking(which);
            let shown = Shown { times: &times, coarse: &coarse, errors: &errors, dimension: d };
            Prompt::new(model, shown, device)
        };
        let prompt = read(shown)?;
        let half: Vec<usize> = shown.iter().copied().step_by(2).collect();
        let half = if half.len() < shown.len() { Some(read(&half)?) } else { None };
        let mut own = Self {
            model: model.clone(),
            prompt,
            half,
            coarse,
            normal: normal.clone(),
            steps: demos.grid.steps,
            shares: vec![1.0; d],
        };
        let tried = if others.is_empty() { shown } else { others };
        let (coarse_states, lacked) = lacking(tried);
        let given = own.prompt.errors(model, &coarse_states)?;
        own.shares = (0..d)
            .map(|c| {
                let pairs = || given.iter().zip(&lacked).skip(c).step_by(d);
                let along: f64 = pairs().map(|(given, lacked)| given * lacked).sum();
                let size: f64 = pairs().map(|(given, _)| given * given).sum();
                if size > 0.0 { (along / size).clamp(0.0, 1.0) } else { 0.0 }
            })
            .collect();
        let error = |apart: &dyn Fn(usize) -> f64| {
            let apart: Vec<f64> = (0..lacked.len()).map(apart).collect();
            let none = vec![0.0; apart.len()];
            let errors: Vec<f64> = normal.errors(&apart, &none).collect();
            (errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64).sqrt()
        };
        Ok(Taught {
            error: error(&|i| lacked[i] - own.shares[i % d] * given[i]),
            coarse_error: error(&|i| lacked[i]),
            correction: Arc::new(own),
            normal,
            coarse,
            evaluations,
        })
    }
}

impl Correction for InContext {
    fn apply(
        &self,
        system: &dyn Dynamics,
        ensemble: &Ensemble<'_>,
    ) -> quintet_ode::Result<Corrected> {
        for (index, &time) in ensemble.times.iter().enumerate() {
            let expected = ensemble.start + (index + 1) as f64 * self.coarse.step;
            if index >= self.steps || (time - expected).abs() > 1e-6 * self.coarse.step {
                return Err(OdeError::Grid { index, time, expected });
            }
        }
        let (d, m) = (system.dimension(), ensemble.times.len());
        let method = self.coarse.scheme.steps(1);
        let mut solution = system.solve(ensemble, method)?;
        let coarse = with_firsts(ensemble.initial, &solution.states, d, m);
        let errors = |prompt: &Prompt| {
            prompt
                .errors(&self.model, &coarse)
                .map_err(|error| OdeError::Correction(error.to_string()))
        };
        let (all, half) = (errors(&self.prompt)?, self.half.as_ref().map(errors).transpose()?);
        // What half of the demos say otherwise, and what is not added of what all say. With a single
        // demo nothing tells the doubt but the size of what is added.
        let apart = all.iter().enumerate().map(|(i, all)| {
            let share = self.shares[i % d];
            let other = half.as_ref().map_or(0.0, |half| half[i]);
            share * (all - other).abs() + (1.0 - share) * all.abs()
        });
        let apart: Vec<f64> = apart.collect();
        let none = vec![0.0; apart.len()];
        let apart: Vec<f64> = self.normal.errors(&apart, &none).collect();
        let doubt = apart.chunks(m).flat_map(|apart| {
            apart.iter().scan(0.0, |most: &mut f64, apart| {
                *most = if *apart > *most || apart.is_nan() { *apart } else { *most };
                Some(*most)
            })
        });
        let doubt = doubt.collect();
        for (i, (state, error)) in solution.states.iter_mut().zip(&all).enumerate() {
            *state += self.shares[i % d] * error;
        }
        for (last, row) in solution.last.chunks_mut(d).zip(solution.states.chunks(m * d)) {
            last.copy_from_slice(&row[(m - 1) * d..]);
        }
        Ok(Corrected { solution, doubt })
    }
}

/// Coarse solutions as they are, none more doubtful than another.
#[derive(Debug)]
struct Nothing {
    coarse: Coarse,
}

impl Correction for Nothing {
    fn apply(
        &self,
        system: &dyn Dynamics,
        ensemble: &Ensemble<'_>,
    ) -> quintet_ode::Result<Corrected> {
        let solution = system.solve(ensemble, self.coarse.scheme.steps(1))?;
        let doubt = vec![0.0; solution.status.len() * ensemble.times.len()];
        Ok(Corrected { solution, doubt })
    }
}

/// Coarse solutions with their first states, `[n, m + 1, d]`, and the evaluations that they took.
fn solve(
    system: &dyn Dynamics,
    ensemble: &Ensemble<'_>,
    coarse: Coarse,
) -> Result<(Vec<f64>, u64)> {
    let Solution { states, evaluations, .. } = system.solve(ensemble, coarse.scheme.steps(1))?;
    let states = with_firsts(ensemble.initial, &states, system.dimension(), ensemble.times.len());
    Ok((states, evaluations.iter().sum()))
}

/// First states `[n, d]` before the others `[n, m, d]`.
fn with_firsts(initial: &[f64], states: &[f64], d: usize, m: usize) -> Vec<f64> {
    let rows = initial.chunks(d).zip(states.chunks(m * d));
    rows.flat_map(|(first, row)| first.iter().chain(row)).copied().collect()
}
