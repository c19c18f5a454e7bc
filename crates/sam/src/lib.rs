//! Segment Anything: encoders, prompts, masks.

mod checkpoint;
pub mod config;
mod error;
pub mod network;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use checkpoint::load;
pub use config::SamConfig;
pub use error::{Error, Result};
pub use network::Sam;
