//! The crate's error.

use std::path::PathBuf;

/// What can go wrong when a model is loaded or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configuration, or the set of tensors it is told from, is none of a model of this crate.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What was wrong and what to do.
        reason: String,
    },
    /// The weights do not fit the configuration.
    #[error(transparent)]
    Nn(#[from] quintet_nn::Error),
    /// The weight file is unreadable.
    #[error(transparent)]
    Weights(#[from] quintet_weights::Error),
    /// The picture cannot be brought to the encoder's size.
    #[error(transparent)]
    Data(#[from] quintet_data::Error),
    /// A prompt or an option that cannot be served.
    #[error("{0}")]
    Request(String),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
