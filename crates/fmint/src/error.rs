//! The crate's error.

use std::path::PathBuf;

/// What can go wrong when a model is built, loaded, trained or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration or recipe that cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was found, what was expected and what to do.
        reason: String,
    },
    /// Sizes that no model can have.
    #[error("the model's configuration: {0}")]
    Config(String),
    /// Demos or queries that the model cannot read.
    #[error("{what}: {found}, expected {expected}")]
    Shape {
        /// What does not fit.
        what: &'static str,
        /// What there was.
        found: usize,
        /// What was expected.
        expected: String,
    },
    /// The weights do not fit the configuration.
    #[error(transparent)]
    Nn(#[from] quintet_nn::Error),
    /// The weight file is unreadable.
    #[error(transparent)]
    Weights(#[from] quintet_weights::Error),
    /// A system could not be solved.
    #[error(transparent)]
    Ode(#[from] quintet_ode::Error),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] quintet_train::Error),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
