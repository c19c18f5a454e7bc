//! Events: zeros of functions of time and state.

use serde::Deserialize;

/// How a function is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Which zeros count.
    pub direction: Direction,
    /// Whether the first ends the trajectory.
    pub stops: bool,
}

/// Which zeros of a function count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Where it rises.
    Rising,
    /// Where it falls.
    Falling,
    /// All.
    #[default]
    Either,
}

impl Default for Watch {
    fn default() -> Self {
        Self { direction: Direction::Either, stops: true }
    }
}

impl Direction {
    /// Whether there is a zero between two values. One at the first value has been.
    pub(crate) fn crosses(self, before: f64, after: f64) -> bool {
        let rises = before < 0.0 && after >= 0.0;
        let falls = before > 0.0 && after <= 0.0;
        match self {
            Self::Rising => rises,
            Self::Falling => falls,
            Self::Either => rises || falls,
        }
    }
}
