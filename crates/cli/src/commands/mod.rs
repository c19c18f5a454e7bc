//! The commands, one file each.

pub mod ask;
pub mod benchmark;
pub mod chat;
pub mod data;
pub mod eval;
pub mod features;
pub mod logits;
pub mod models;
pub mod ode;
pub mod preflight;
pub mod probe;
pub mod pull;
pub mod som;
pub mod train;
