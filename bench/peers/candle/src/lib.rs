//! The peers' side of `bench/pair.py` is ours.

#[path = "../../../ours/src/protocol.rs"]
mod contestant;

pub use contestant::{ids, noise, serve};
