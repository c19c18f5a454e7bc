//! From a conversation to the ids and labels a language model is trained on.
//!
//! [`ChatTemplate`] renders messages as `transformers`' `apply_chat_template` does;
//! [`encode`] tokenises the rendering, expands media placeholders and marks what is supervised.

mod budget;
mod content;
mod encode;
mod find;
mod pyjson;
mod template;

pub use content::{ContentForm, from_placeholder_text, to_placeholder_text};
pub use encode::{EncodeOptions, Encoded, Features, Placeholders, encode, encode_prompt};
pub use template::{ChatTemplate, RenderOptions};
