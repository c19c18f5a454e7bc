//! A client of chat endpoints that speak OpenAI's `/v1/chat/completions`.
//!
//! A conversation is a [`Sample`](quintet_data::sample::Sample): text and pictures in, one answer
//! out. [`Endpoint::ask`] sends it, waits and tries again where that may help; [`estimate`] says
//! beforehand what it may cost, [`Endpoint::usage`] afterwards what it took.

mod body;
mod endpoint;
mod error;
mod estimate;
mod key;
mod parallel;
mod picture;
mod reply;
mod retry;
#[cfg(test)]
mod tests;
mod usage;

pub use body::{Detail, Options};
pub use endpoint::{Endpoint, Settings};
pub use error::{Error, Result};
pub use estimate::{estimate, picture_tokens, text_tokens};
pub use key::Key;
pub use parallel::in_parallel;
pub use picture::Encoding;
pub use reply::Reply;
pub use usage::{Prices, Usage};
