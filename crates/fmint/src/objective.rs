//! What is learned from: tasks for a model, steps for a stepper.

use burn::{Device, Tensor};
use quintet_ode::{Family, Protocol, Tasks};
use quintet_train::{LossParts, Objective, error::BoxError};

use crate::{
    Fmint,
    data::{Batch, Draw},
    stepper::{Stepper, StepperConfig, Steps},
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
    /// Seed of the tasks.
    pub seed: u64,
    /// Where the model lives.
    pub device: Device,
}

impl Objective for InContext<'_> {
    type Batch = Batch;

    fn batch(&self, step: u64, _: u32) -> Result<Batch, BoxError> {
        let tasks = self.draw.tasks(self.families, (self.seed, step), self.batch as usize)?;
        Ok(Batch::new(self.model.config(), &tasks, self.seed ^ step, &self.device)?)
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
        // Quadratic for small errors; large ones hardly count: some queries are unlike their demos.
        let loss = squares.add_scalar(1.0).log().sum().div_scalar(n);
        Ok(LossParts {
            loss,
            weight: n,
            samples: b as u64,
            tokens: (b * t) as u64,
            metrics: vec![("relative", relative as f32)],
        })
    }
}

/// The mean square of what a stepper misses of each step, in units of the steps.
pub struct OneStep<'a> {
    /// The network.
    pub stepper: &'a Stepper,
    /// Trajectories of a batch.
    pub batch: u32,
    /// Seed of the trajectories.
    pub seed: u64,
    /// Where the network lives.
    pub device: Device,
}

/// Trajectories of systems of a family, each of another system, `points` coarse steps long.
pub(crate) fn trajectories(
    config: &StepperConfig,
    points: usize,
    (seed, numbers): (u64, std::ops::Range<u64>),
) -> crate::Result<Vec<quintet_ode::Task>> {
    let (family, protocol) = (config.family()?, Protocol::Aligned);
    let tasks = Tasks { family, points, trajectories: 1, stride: None, protocol, seed };
    Ok(tasks.draw(numbers)?)
}

/// Coarse steps of a trajectory that steppers learn from.
pub(crate) const POINTS: usize = 49;

impl Objective for OneStep<'_> {
    type Batch = Steps;

    fn batch(&self, step: u64, _: u32) -> Result<Steps, BoxError> {
        let (config, size) = (self.stepper.config(), u64::from(self.batch));
        let tasks = trajectories(config, POINTS, (self.seed, step * size..(step + 1) * size))?;
        Ok(config.steps(&tasks, &self.device)?)
    }

    fn loss(&self, Steps { before, added }: Steps) -> Result<LossParts, BoxError> {
        let count = before.dims()[0] as u64;
        let loss = (self.stepper.added(before) - added).square().mean();
        let (samples, tokens) = (u64::from(self.batch), count);
        Ok(LossParts { loss, weight: 1.0, samples, tokens, metrics: Vec::new() })
    }
}
