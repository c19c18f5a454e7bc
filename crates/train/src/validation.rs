//! Loss and metrics on data held out from training.

use crate::{BoxError, Objective, log::Metrics, looper::Precision, state::Window};

/// The means over the first `batches` micro-batches of an objective whose data are held out.
pub(crate) fn measure<O: Objective>(
    objective: &O,
    batches: u64,
    precision: Precision,
) -> Result<Metrics, BoxError> {
    let mut means = Window::default();
    for step in 0..batches {
        let batch = objective.batch(step, 0)?;
        let parts = precision.within(|| objective.loss(batch))?;
        means.add("loss", f64::from(parts.loss.into_scalar::<f32>()), parts.weight);
        for (name, value) in parts.metrics {
            means.add(name, f64::from(value), parts.weight);
        }
    }
    Ok(means.take())
}
