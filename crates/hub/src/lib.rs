//! Where models and data come from: a local cache, package registries, model hubs.

use std::path::PathBuf;

/// What can go wrong when fetching.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Something could not be fetched.
    #[error("{what}: {reason}")]
    Fetch {
        /// The model or package.
        what: String,
        /// Why, and what to do.
        reason: String,
    },
}
