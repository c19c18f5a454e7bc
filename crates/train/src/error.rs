//! The crate's error.

use std::path::{Path, PathBuf};

/// The error of an objective or a row check: anything that can say what went wrong.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong when a run is set up, trained or resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was attempted, as a verb.
        action: &'static str,
        /// The system's own error.
        source: std::io::Error,
    },
    /// A weight file could not be read or written.
    #[error(transparent)]
    Weights(#[from] quintet_weights::Error),
    /// A layer could not be built or adapted.
    #[error(transparent)]
    Nn(#[from] quintet_nn::Error),
    /// A checkpoint that does not fit the run, or is damaged.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file or directory.
        path: PathBuf,
        /// What was found, what was expected and what to do.
        reason: String,
    },
    /// Another process trains in this directory.
    #[error(
        "{}: another training process is writing here; wait for it or name another directory",
        path.display()
    )]
    Busy {
        /// The output directory.
        path: PathBuf,
    },
    /// A recipe that cannot be run.
    #[error("{}:{line}: {reason}", path.display())]
    Recipe {
        /// The recipe file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What was found, what was expected and what to do.
        reason: String,
    },
    /// A stage that asks for parts the model does not have, or trains nothing.
    #[error("stage '{stage}': {reason}")]
    Stage {
        /// The stage's name.
        stage: String,
        /// What was found, what was expected and what to do.
        reason: String,
    },
    /// Settings of a run that contradict each other.
    #[error("training settings: {0}")]
    Settings(String),
    /// The loss or the gradient is not a number any more.
    #[error(
        "step {step}: {what} is {value}; nothing of this step was kept, and the last checkpoint \
         is whole: lower the learning rate, lengthen the warm-up or check the data of this step"
    )]
    NonFinite {
        /// The step, counted from 1.
        step: u64,
        /// "the loss" or "the norm of the gradients".
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// The objective could not make a batch or compute its loss.
    #[error("step {step}, micro-batch {micro}: {source}")]
    Objective {
        /// The step, counted from 1.
        step: u64,
        /// The micro-batch within the step, counted from 0.
        micro: u32,
        /// The objective's own error.
        source: BoxError,
    },
    /// The evaluation between steps failed.
    #[error("evaluation after step {step}: {source}")]
    Evaluate {
        /// The step, counted from 1.
        step: u64,
        /// The evaluation's own error.
        source: BoxError,
    },
    /// Model or data of a recipe could not be opened or written.
    #[error(transparent)]
    Job(BoxError),
    /// The run would not fit into memory.
    #[error("{0}")]
    Memory(String),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Model or data that a recipe names, at fault.
pub(crate) fn job(source: impl Into<BoxError>) -> Error {
    Error::Job(source.into())
}

/// Names the file and the attempt of an I/O error.
pub(crate) fn io<'a>(
    path: &'a Path,
    action: &'static str,
) -> impl FnOnce(std::io::Error) -> Error + 'a {
    move |source| Error::Io { path: path.to_owned(), action, source }
}
