//! What teaches corrections: least squares, or a transformer.

use std::sync::Arc;

use burn::Device;
use quintet_fmint::{Fmint, InContext};
use quintet_ode::{
    Demos, Dynamics, Error, Result,
    correct::{Coarse, Taught, compile},
};

/// Has a transformer read demos, or fits a corrector to them in closed form.
pub fn teach(
    model: &Option<Arc<Fmint>>,
    system: &dyn Dynamics,
    demos: &Demos,
    coarse: Coarse,
) -> Result<Taught> {
    match model {
        None => compile(system, demos, coarse),
        Some(model) => InContext::teach(model, system, demos, coarse, &Device::flex())
            .map_err(|error| Error::Correction(error.to_string())),
    }
}
