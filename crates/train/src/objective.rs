//! What is trained: where batches come from and what their loss is.

use burn::Tensor;

use crate::error::BoxError;

/// A model with its data and loss.
pub trait Objective: Sync {
    /// One micro-batch, ready for the model.
    type Batch: Send;

    /// Makes a micro-batch. Called on a background thread, in order, ahead of the training.
    ///
    /// The result may depend on nothing but the run's seed and these numbers, both counted from
    /// 0: that is what makes a resumed run repeat the uninterrupted one. Burn's random tensors
    /// share their seed with the training thread, so draw from a generator of your own.
    ///
    /// # Errors
    /// If the data cannot be read.
    fn batch(&self, step: u64, micro: u32) -> Result<Self::Batch, BoxError>;

    /// The loss of a micro-batch. The device's random generator is seeded anew before each call;
    /// it belongs to the whole process, so two runs in one process would disturb each other.
    ///
    /// # Errors
    /// If the batch does not fit the model.
    fn loss(&self, batch: Self::Batch) -> Result<LossParts, BoxError>;
}

/// What a micro-batch gives.
pub struct LossParts {
    /// Mean loss, `[1]`, part of the graph.
    pub loss: Tensor<1>,
    /// How many terms the mean is over, such as supervised tokens: accumulated micro-batches are
    /// joined in proportion, as one large batch would.
    pub weight: f64,
    /// Samples in the micro-batch.
    pub samples: u64,
    /// Tokens that the backbone read.
    pub tokens: u64,
    /// Further means to log.
    pub metrics: Vec<(&'static str, f32)>,
}
