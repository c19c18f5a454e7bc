//! The voices of a multimodal LLM (survey, §2) and the model that joins them.
//!
//! Shapes: `b` batch, `t` text tokens, `v` visual tokens, `d` width.

pub mod backbones;
mod catalog;
pub mod encoders;
pub mod error;
pub mod generate;
pub mod input_projectors;
pub mod multimodal;
pub mod processor;

pub use error::{Error, Result};
pub use generate::{Generation, Sampling};
pub use multimodal::Multimodal;
pub use processor::Processor;
