//! The crate's error.

use std::path::PathBuf;

/// What can go wrong with regions and marks; every message says where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Data could not be read or written.
    #[error(transparent)]
    Data(#[from] quintet_data::Error),
    /// A segmenter could not be asked.
    #[error(transparent)]
    Sam(#[from] quintet_sam::Error),
    /// A file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A file of regions is not what its format demands, or has nothing about a picture.
    #[error("{path}: {reason}")]
    Regions {
        /// The file.
        path: PathBuf,
        /// What was wrong and what was expected.
        reason: String,
    },
    /// An option of the marks makes no sense.
    #[error("{option}: {reason}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What was wrong and what was expected.
        reason: String,
    },
    /// A picture cannot be marked.
    #[error("{0}")]
    Picture(String),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
