//! The commands, one file each.

pub mod ask;
pub mod chat;
pub mod models;
pub mod preflight;
pub mod pull;
pub mod train;
