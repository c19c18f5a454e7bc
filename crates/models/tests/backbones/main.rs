//! The decoder against `transformers`, and the laws it must keep whatever its weights.

mod common;
mod config;
mod gguf;
mod laws;
mod length;
mod lora;
mod parity;
