//! The crate's error.

use std::path::PathBuf;

/// What can go wrong with data; every message names the file or row and what to do.
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
    /// An image or video could not be decoded.
    #[error("{path}: {reason}")]
    Media {
        /// The file (or row) it came from.
        path: String,
        /// What was wrong and what was expected.
        reason: String,
    },
    /// A dataset row or annotation is not what its format demands.
    #[error("{path}, row {row}: {reason}")]
    Row {
        /// The dataset file.
        path: PathBuf,
        /// Row number, counted from 0.
        row: usize,
        /// What was wrong and what was expected.
        reason: String,
    },
    /// A configuration, tokenizer or chat template is missing or malformed.
    #[error("{path}: {reason}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What was wrong and what to do.
        reason: String,
    },
    /// A sample cannot be rendered or encoded.
    #[error("sample {id}: {reason}")]
    Sample {
        /// The sample's [`id`](crate::sample::Sample::id).
        id: String,
        /// What was wrong and what was expected.
        reason: String,
    },
    /// A package of pictures or text could not be fetched.
    #[error(transparent)]
    Hub(#[from] quintet_hub::Error),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
