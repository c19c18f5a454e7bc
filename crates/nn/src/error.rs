//! The crate's error.

use std::path::PathBuf;

/// What can go wrong when a model is built from a checkpoint or saved to one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The checkpoint lacks a tensor that the model needs.
    #[error("{source_name}: tensor '{name}' is missing (expected shape {expected:?})")]
    Missing {
        /// The checkpoint.
        source_name: String,
        /// Full name of the tensor.
        name: String,
        /// What the model's configuration asks for.
        expected: Vec<usize>,
    },
    /// A tensor has another shape than the configuration says.
    #[error(
        "{source_name}: tensor '{name}' has shape {found:?}, the configuration asks for {expected:?}"
    )]
    Shape {
        /// The checkpoint.
        source_name: String,
        /// Full name of the tensor.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape the model needs.
        expected: Vec<usize>,
    },
    /// The checkpoint has tensors that no part of the model reads.
    #[error(
        "{source_name}: {count} tensor(s) that the model does not have, first '{first}'; is this checkpoint of another architecture?"
    )]
    Extra {
        /// The checkpoint.
        source_name: String,
        /// How many are left over.
        count: usize,
        /// The first of them.
        first: String,
    },
    /// The weight file itself is unreadable.
    #[error(transparent)]
    Weights(#[from] quintet_weights::Error),
    /// A file could not be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted, as a verb.
        action: &'static str,
        /// The system's own error.
        source: std::io::Error,
    },
    /// An adapter that cannot be attached.
    #[error("{}: {reason}", path.display())]
    Adapter {
        /// The file or directory.
        path: PathBuf,
        /// What was wrong and what to do.
        reason: String,
    },
    /// A configuration that cannot be built.
    #[error("{0}")]
    Config(String),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
