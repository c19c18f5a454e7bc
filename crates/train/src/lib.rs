//! Training: stages, the loop, the optimiser, checkpoints, and the checks before the first step.
//!
//! [`looper::run`] trains anything that is an [`Objective`]; it resumes by itself, and a run
//! killed at any moment ends with the same bits as one that was not. A [`recipe::Recipe`] is the
//! file that describes a run, [`stage`] what each of its stages trains, [`memory`] and
//! [`preflight`] what is checked first.

pub mod checkpoint;
pub mod error;
pub mod job;
pub mod log;
pub mod looper;
pub mod memory;
pub mod objective;
pub mod objectives;
pub mod optim;
mod prefetch;
pub mod preflight;
pub mod progress;
pub mod recipe;
pub mod schedule;
pub mod stage;
pub mod state;
mod validation;

pub use error::{BoxError, Error, Result};
pub use looper::{Control, Outcome, Precision, TrainConfig, run};
pub use objective::{LossParts, Objective};
pub use recipe::Recipe;
