//! LLM backbones (survey, §2.3): one configurable decoder and a table of presets.

mod block;
pub mod config;
pub mod decoder;
pub mod gguf;
pub mod gguf_text;
mod hf;
pub mod presets;

pub use block::Block;
pub use config::{DecoderConfig, Family};
pub use decoder::Decoder;
pub use gguf::GgufCheckpoint;
pub use presets::{PRESETS, Preset, opt, preset};
