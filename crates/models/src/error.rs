//! The crate's error.

use std::path::PathBuf;

/// What can go wrong when a model is composed, loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configuration is missing, malformed or of an architecture this crate does not have.
    #[error("{path}: {reason}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What was wrong and what to do.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The weights do not fit the configuration.
    #[error(transparent)]
    Nn(#[from] quintet_nn::Error),
    /// The weight file is unreadable.
    #[error(transparent)]
    Weights(#[from] quintet_weights::Error),
    /// Media, tokens or templates.
    #[error(transparent)]
    Data(#[from] quintet_data::Error),
    /// A request the model cannot serve.
    #[error("{0}")]
    Request(String),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
