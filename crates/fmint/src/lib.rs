//! FMint (Song, Yuan & Yang, 2025): a decoder that reads how coarse solutions of a system of ordinary
//! differential equations erred, and says how another of its coarse solutions does.
//!
//! A [`Fmint`] is built from a [`Config`]: the one that was published, or small ones that read
//! normalised numbers, a token for each time instead of two, and demos in any number and order. A
//! [`Prompt`] holds demos that were read once; any number of queries share it.

pub mod config;
pub mod correction;
pub mod data;
pub mod error;
pub mod measure;
pub mod model;
pub mod objective;
pub mod prompt;
pub mod recipe;
pub mod scale;
pub mod stepper;
#[cfg(test)]
mod tests;
pub mod tokens;

pub use config::{Answer, Config, Tokens};
pub use correction::InContext;
pub use error::{Error, Result};
pub use measure::Trained;
pub use model::Fmint;
pub use prompt::Prompt;
pub use recipe::Recipe;
pub use scale::Scale;
pub use stepper::{Stepper, StepperConfig};
