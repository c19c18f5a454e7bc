//! What can go wrong with listing data.

use std::path::PathBuf;

/// An error of this module; every message names the file or picture and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Data could not be read or written.
    #[error(transparent)]
    Data(#[from] quintet_data::Error),
    /// Regions could not be read, or a picture cannot be marked.
    #[error(transparent)]
    Marks(#[from] crate::Error),
    /// The teacher's endpoint refuses or cannot be reached.
    #[error(transparent)]
    Endpoint(#[from] quintet_endpoint::Error),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// An example for the teacher is not one.
    #[error("{path}, row {row}: this cannot be an example for the teacher: {reason}")]
    Seed {
        /// The file of examples.
        path: PathBuf,
        /// Row number, counted from 0.
        row: usize,
        /// What was wrong and what was expected.
        reason: String,
    },
    /// A journal of answers that cannot be gone on with.
    #[error("{path}: {reason}")]
    Journal {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// Nothing usable comes back any more.
    #[error(
        "{count} pictures in a row got no usable answer, the last one, {id}, because: {reason}; \
         answers until then are kept"
    )]
    GaveUp {
        /// How many.
        count: usize,
        /// The last one.
        id: String,
        /// Why it has none.
        reason: String,
    },
    /// No picture has anything to say.
    #[error("none of {count} pictures gives a sample{reason}")]
    NoSamples {
        /// How many there are.
        count: usize,
        /// What is wrong with the first that cannot be used.
        reason: String,
    },
    /// The caller ended it.
    #[error("stopped; nothing was written")]
    Stopped,
    /// An output that is there already.
    #[error("{path} is there already: delete it or name another folder")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
}

impl Error {
    /// Of `count` pictures none gives a sample; of these it is known why.
    pub fn no_samples(count: usize, unusable: &[(String, String)]) -> Self {
        let first = unusable.first();
        let reason = first.map(|(title, reason)| format!("; of {title}: {reason}"));
        Self::NoSamples { count, reason: reason.unwrap_or_default() }
    }

    /// Attaches the file name to an operating-system error.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// Results of this module.
pub type Result<T> = std::result::Result<T, Error>;
