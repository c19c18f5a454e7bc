//! The crate's error.

use std::path::PathBuf;

/// What can go wrong when a model is measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model could not be asked.
    #[error(transparent)]
    Model(#[from] quintet_models::Error),
    /// A scene or a conversation could not be made.
    #[error(transparent)]
    Data(#[from] quintet_data::Error),
    /// A model's file could not be read for the receipt.
    #[error(transparent)]
    Hub(#[from] quintet_hub::Error),
    /// A folder could not be listed.
    #[error("{path}: {source}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Settings that measure nothing.
    #[error("evaluation: {0}")]
    Settings(String),
    /// The user stopped the evaluation.
    #[error("stopped after {done} of {scenes} scenes; nothing was measured in full")]
    Stopped {
        /// Scenes asked about.
        done: usize,
        /// Scenes in all.
        scenes: usize,
    },
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
