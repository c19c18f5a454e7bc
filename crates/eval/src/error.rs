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
    /// A scene could not be marked.
    #[error(transparent)]
    Mark(#[from] quintet_som::Error),
    /// A scene could not be listed.
    #[error(transparent)]
    Listing(#[from] quintet_som::listing::Error),
    /// An endpoint gave no answer.
    #[error(transparent)]
    Endpoint(#[from] quintet_endpoint::Error),
    /// A probe's file could not be read or written.
    #[error(transparent)]
    Weights(#[from] quintet_weights::Error),
    /// A model's file could not be read for the receipt.
    #[error(transparent)]
    Hub(#[from] quintet_hub::Error),
    /// A file or a folder could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A file is not what its benchmark publishes.
    #[error("{path}: {reason}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was wrong and what was expected.
        reason: String,
    },
    /// A row of a benchmark's file is malformed.
    #[error("{path}, row {row}: {reason}")]
    Row {
        /// The file.
        path: PathBuf,
        /// Row number, counted from 0.
        row: usize,
        /// What was wrong and what was expected.
        reason: String,
    },
    /// Questions of a benchmark without an answer.
    #[error("{missing} of {total} questions have no answer, the first is {first:?}")]
    Unanswered {
        /// Questions without an answer.
        missing: usize,
        /// All questions.
        total: usize,
        /// The first one's id.
        first: String,
    },
    /// An answer could not be judged.
    #[error("{id:?} cannot be judged: {reason}")]
    Judge {
        /// The item's id.
        id: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Question after question got no answer.
    #[error("{count} questions in a row got no answer; the last: {last}")]
    GaveUp {
        /// How many.
        count: usize,
        /// Why.
        last: Box<Error>,
    },
    /// The user stopped the asking.
    #[error("stopped; {done} of {total} answers are in {path}, run it again to go on")]
    StoppedAsking {
        /// Questions with an answer.
        done: usize,
        /// All questions.
        total: usize,
        /// Where answers are kept.
        path: PathBuf,
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
