//! What the stages of a recipe minimise.

mod conversation;
mod dense;

pub use conversation::{Conversations, Source};
pub use dense::{Built, DenseScenes, HEAD};
