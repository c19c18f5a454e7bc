//! Data of multimodal models: media, conversations, tokens, dataset formats and built scenes.
//!
//! A [`Sample`](sample::Sample) (messages + media) is what every dataset yields and every
//! model consumes.

pub mod chat;
pub mod error;
pub mod formats;
pub mod image_processor;
mod mask;
pub mod media;
pub mod quiet;
pub mod sample;
pub mod scene;
pub mod tokenizer;
pub mod typeface;

pub use error::{Error, Result};
pub use mask::Mask;
