//! How well trained models do: the measurements of FMint's Tables 3 to 5.

use std::path::Path;

use burn::Device;
use quintet_ode::{
    Family, Protocol, Task,
    measure::{Errors, Setup},
};

use crate::{
    Answer, Fmint, Result,
    model::read_config,
    prompt::{Prompt, Shown},
    stepper::{Role, Stepper},
};

/// A trained model of any kind.
pub enum Trained {
    /// One that learns in context.
    InContext(Fmint),
    /// One that knows one family.
    Stepper(Stepper),
}

impl Trained {
    /// Loads a directory that training wrote.
    ///
    /// # Errors
    /// If it cannot be read or holds something else.
    pub fn load(dir: &Path, device: &Device) -> Result<Self> {
        let config: serde_json::Value = read_config(dir)?;
        Ok(match config.get("baseline") {
            Some(_) => Self::Stepper(Stepper::load(dir, device)?.0),
            None => Self::InContext(Fmint::load(dir, device)?.0),
        })
    }

    /// What it is called in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InContext(model) if model.config().answer == Answer::Solution => "icon-lm",
            Self::InContext(_) => "fmint",
            Self::Stepper(stepper) => match stepper.config().baseline {
                Role::Neurvec => "neurvec",
                Role::NeuralOde => "neural-ode",
            },
        }
    }

    /// Measures a family, on the tasks that [`quintet_ode::measure::measure`] measures the others on;
    /// none if the model knows another family only, or no late solutions.
    ///
    /// # Errors
    /// If there are no tasks, demos or points, or the model cannot read them.
    pub fn measure(
        &self,
        family: &Family,
        setup: &Setup,
        device: &Device,
    ) -> Result<Option<Errors>> {
        let tasks = setup.tasks_of(family).draw(0..setup.tasks)?;
        let (found, evaluations) = match self {
            Self::InContext(model) => {
                let evaluations = match model.config().answer {
                    Answer::Error => family.info.scheme.stages() * setup.points,
                    Answer::Solution => 0,
                };
                let found = tasks.iter().map(|task| correct(model, task, device));
                (found.collect::<Result<Vec<_>>>()?, evaluations)
            }
            Self::Stepper(stepper) => {
                let known = stepper.config().family == family.info.name;
                if !known || setup.protocol == Protocol::Shifted {
                    return Ok(None);
                }
                let evaluations = match stepper.config().baseline {
                    Role::Neurvec => family.info.scheme.stages() * setup.points,
                    Role::NeuralOde => 0,
                };
                (roll(stepper, &tasks, device)?, evaluations)
            }
        };
        let solved = tasks.iter().zip(&found).map(|(task, found)| (&found[..], task.query_truth()));
        Ok(Some(Errors::of(self.name(), solved, evaluations as f64)))
    }
}

/// The query of a task, corrected in context.
fn correct(model: &Fmint, task: &Task, device: &Device) -> Result<Vec<f64>> {
    let (d, m) = (task.dimension, task.times.len() - 1);
    let query = task.coarse.len() - (m + 1) * d;
    let errors = task.errors();
    let shown = Shown {
        times: &task.times,
        coarse: &task.coarse[..query],
        errors: &errors[..errors.len() - m * d],
        dimension: d,
    };
    let query = &task.coarse[query..];
    let given = Prompt::new(model, shown, device)?.errors(model, query)?;
    Ok(query[d..].iter().zip(given).map(|(u, e)| u + e).collect())
}

/// The queries of tasks, step by step.
fn roll(stepper: &Stepper, tasks: &[Task], device: &Device) -> Result<Vec<Vec<f64>>> {
    let Some(first) = tasks.first() else { return Ok(Vec::new()) };
    let (d, m) = (first.dimension, first.times.len() - 1);
    let firsts = tasks.iter().flat_map(|task| &task.fine[task.fine.len() - (m + 1) * d..][..d]);
    let parameters: Vec<f64> = tasks.iter().flat_map(|task| &task.parameters).copied().collect();
    let initial: Vec<f64> = firsts.copied().collect();
    let all = stepper.roll(&first.times, &initial, &parameters, device)?;
    Ok(all.chunks(m * d).map(<[f64]>::to_vec).collect())
}
