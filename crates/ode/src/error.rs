//! The crate's error.

use std::path::PathBuf;

/// What can go wrong, but for single trajectories.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The parts of an ensemble do not fit each other or the system.
    #[error("{what} has {found} values, expected {expected}")]
    Shape {
        /// The part.
        what: &'static str,
        /// Values it has.
        found: usize,
        /// Values it should have.
        expected: usize,
    },
    /// Times that cannot be reached in their order.
    #[error("times: number {index} is {time}; expected finite times, each after the one before")]
    Times {
        /// Which, from 0.
        index: usize,
        /// Its value.
        time: f64,
    },
    /// A corrector was asked for a time that is not at the end of one of its steps.
    #[error("times: number {index} is {time}; the corrector's steps reach {expected}")]
    Grid {
        /// Which, from 0.
        index: usize,
        /// Its value.
        time: f64,
        /// What was expected.
        expected: f64,
    },
    /// A file could not be read.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        reason: String,
    },
    /// A text is no system.
    #[error("{path}: {reason}")]
    Text {
        /// The file.
        path: PathBuf,
        /// What was wrong and what was expected.
        reason: String,
    },
    /// A program that evaluates a right-hand side failed.
    #[error("{program}: {reason}")]
    Program {
        /// The program with its arguments.
        program: String,
        /// What happened and what to do.
        reason: String,
    },
    /// A setting of a method makes no sense.
    #[error("{what} is {value}; expected {expected}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What was expected.
        expected: &'static str,
    },
    /// A system with events is to be solved in a way that cannot watch them.
    #[error(
        "{way} cannot watch events; solve by tsit5, dop853 or rodas5p, or leave the events out"
    )]
    Events {
        /// The way.
        way: &'static str,
    },
    /// A correction from outside this crate failed.
    #[error("{0}")]
    Correction(String),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
