//! The loss.

use burn::{Device, Tensor};
use quintet_ode::Family;
use quintet_train::{LossParts, Objective, error::BoxError};

use crate::{
    Fmint,
    data::{Batch, Draw},
};

/// In-context learning of errors: each trajectory of a task but the first is asked for after those
/// before it.
pub struct InContext<'a> {
    /// The model.
    pub model: &'a Fmint,
    /// What tasks are drawn from.
    pub draw: &'a Draw,
    /// Their families.
    pub families: &'a [&'a Family],
    /// Tasks of a micro-batch.
    pub batch: u32,
    /// Micro-batches of a step.
    pub accumulate: u32,
    /// Seed of the tasks.
    pub seed: u64,
    /// Where the model lives.
    pub device: Device,
}

impl Objective for InContext<'_> {
    type Batch = Batch;

    fn batch(&self, step: u64, micro: u32) -> Result<Batch, BoxError> {
        let number = step * u64::from(self.accumulate) + u64::from(micro);
        let tasks = self.draw.tasks(self.families, (self.seed, number), self.batch as usize)?;
        Ok(Batch::new(self.model.config(), &tasks, self.seed ^ number, &self.device)?)
    }

    fn loss(&self, batch: Batch) -> Result<LossParts, BoxError> {
        let [b, t, _] = batch.features.dims();
        let hidden = self.model.hidden(batch.features, batch.kinds, &batch.bias, None);
        let runs = batch.asked.into_iter();
        let runs = runs.map(|run| hidden.clone().narrow(1, run.start, run.len())).collect();
        let apart = self.model.answers(Tensor::cat(runs, 1)) - batch.targets.clone();
        let apart = apart * batch.weights; // [b, asked, c]
        let n = batch.count as f64;
        let squares = apart.square();
        let mean = |x: Tensor<3>| f64::from(x.sum().into_scalar::<f32>()) / n;
        let relative = (mean(squares.clone()) / mean(batch.targets.square())).sqrt();
        // Quadratic for small errors, linear for large: some queries are unlike their demos.
        let loss = (squares.add_scalar(1.0).sqrt() - 1.0).sum().div_scalar(n);
        Ok(LossParts {
            loss,
            weight: n,
            samples: b as u64,
            tokens: (b * t) as u64,
            metrics: vec![("relative", relative as f32)],
        })
    }
}
