//! How well a model corrects: the measurements of FMint's Tables 3 to 5.

use burn::Device;
use quintet_ode::{
    Family,
    measure::{Errors, Setup},
};

use crate::{
    Fmint, Result,
    prompt::{Prompt, Shown},
};

/// Measures a family, on the tasks that [`quintet_ode::measure::measure`] measures the others on.
///
/// # Errors
/// If there are no tasks, demos or points, or the model cannot read them.
pub fn measure(model: &Fmint, family: &Family, setup: &Setup, device: &Device) -> Result<Errors> {
    let tasks = setup.tasks_of(family).draw(0..setup.tasks)?;
    let mut found = Vec::with_capacity(tasks.len());
    for task in &tasks {
        let (d, m) = (task.dimension, task.times.len() - 1);
        let (row, demos) = ((m + 1) * d, setup.demos);
        let errors = task.errors();
        let shown = Shown {
            times: &task.times,
            coarse: &task.coarse[..demos * row],
            errors: &errors[..demos * m * d],
            dimension: d,
        };
        let query = &task.coarse[demos * row..];
        let given = Prompt::new(model, shown, device)?.errors(model, query)?;
        found.push(query[d..].iter().zip(given).map(|(u, e)| u + e).collect::<Vec<f64>>());
    }
    let evaluations = family.info.scheme.stages() * setup.points;
    let solved = tasks.iter().zip(&found).map(|(task, found)| (&found[..], task.query_truth()));
    Ok(Errors::of("fmint", solved, evaluations as f64))
}
