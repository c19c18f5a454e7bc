//! Tasks, metrics and receipts.
//!
//! [`evaluate`] asks a model the scene tasks and scores its answers, [`evaluate_marks`] has it list
//! what is marked; a [`Receipt`] says what was measured on what, so that the numbers can be made
//! again. [`probe`] shows what a model attends to, a [`TagProbe`] finds pictures that carry tags.
//! [`benchmarks`] reads and scores public benchmarks.

pub mod answer;
mod asking;
pub mod benchmarks;
pub mod error;
pub mod marks;
pub mod metrics;
pub mod probe;
pub mod receipt;
pub mod scores;
pub mod tagged;
pub mod tasks;

pub use error::{Error, Result};
pub use marks::{MarkScores, MarkSettings, evaluate_marks};
pub use receipt::Receipt;
pub use scores::Scores;
pub use tagged::{TagProbe, TagScores};
pub use tasks::{Settings, evaluate};
