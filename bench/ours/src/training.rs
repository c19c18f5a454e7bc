//! Training steps of whatever model, as the trainer makes them.

use burn::Tensor;
use quintet_models::{Multimodal, multimodal::Batch};
use quintet_train::{
    Precision,
    optim::{AdamW, AdamWConfig},
};

use crate::serve;

/// The precision that the rest of the command line asks for, as recipes write it; `single` by itself.
///
/// # Errors
/// If there is none of that name.
pub fn precision(rest: &[String]) -> anyhow::Result<Precision> {
    match rest.first() {
        Some(word) => Ok(serde_json::from_value(word.as_str().into())?),
        None => Ok(Precision::Single),
    }
}

/// Runs `f` as the trainer runs its steps.
pub fn as_a_step<R: Send>(precision: Precision, f: impl FnOnce() -> R + Send) -> R {
    quintet_kernels::on_workers(|| precision.within(f))
}

/// Serves steps (forward, backward, clipping, AdamW) that train all parameters; the value is the
/// loss.
///
/// # Errors
/// If a step fails.
pub fn serve_steps(model: &Multimodal, batch: &Batch, precision: Precision) -> anyhow::Result<()> {
    model.params().set_trainable(|_| true);
    let config = AdamWConfig { weight_decay: 0.01, ..AdamWConfig::default() };
    let mut optimiser = AdamW::new(model.params(), config, &[]);
    serve(|| {
        as_a_step(precision, || {
            let (loss, _): (Tensor<1>, _) = model.loss(batch)?;
            let value = f64::from(loss.clone().into_scalar::<f32>());
            let mut gradients = optimiser.gradients();
            gradients.add(&mut loss.backward(), 1.0);
            optimiser.step(gradients, 1e-4, Some(1.0));
            Ok(vec![value])
        })
    })
}
