//! What is solved, and what comes of it.

use crate::{Error, Result};

/// Trajectories of one system.
#[derive(Clone, Copy, Debug)]
pub struct Ensemble<'a> {
    /// When all begin.
    pub start: f64,
    /// When states are wanted, in rising order, the first at or after `start`.
    pub times: &'a [f64],
    /// The first states, `[n, dimension]`.
    pub initial: &'a [f64],
    /// The parameters, `[n, parameters]`.
    pub parameters: &'a [f64],
}

impl Ensemble<'_> {
    /// The number of trajectories.
    ///
    /// # Errors
    /// If the parts do not fit each other or a system of `dimension` components and so many
    /// parameters, or times fall.
    pub fn check(&self, dimension: usize, parameters: usize) -> Result<usize> {
        let n = self.initial.len() / dimension.max(1);
        let shape = |what, found, expected| match found == expected {
            true => Ok(()),
            false => Err(Error::Shape { what, found, expected }),
        };
        shape("initial", self.initial.len(), n * dimension)?;
        shape("parameters", self.parameters.len(), n * parameters)?;
        let mut before = self.start;
        for (index, &time) in self.times.iter().enumerate() {
            let later = if index == 0 { time >= before } else { time > before };
            if !later || !time.is_finite() || !before.is_finite() {
                return Err(Error::Times { index, time });
            }
            before = time;
        }
        Ok(n)
    }
}

/// How a trajectory ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// At the last time.
    #[default]
    Finished,
    /// Where its state or its right-hand side is no longer finite.
    Diverged,
    /// At the first zero of this event, which [stops](crate::event::Watch::stops) it.
    Event(usize),
    /// After as many steps as were allowed.
    MaxSteps,
    /// Where no step that time can still tell from none is small enough: at a discontinuity, or far
    /// too stiff for the method.
    TooSmallSteps,
}

/// What came of an ensemble.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// States, `[n, times, dimension]`; NaN after a trajectory's end.
    pub states: Vec<f64>,
    /// How each ended.
    pub status: Vec<Status>,
    /// When each ended.
    pub end: Vec<f64>,
    /// The state there, `[n, dimension]`.
    pub last: Vec<f64>,
    /// Evaluations of the right-hand side for each.
    pub evaluations: Vec<u64>,
    /// When each event of the system first happened, `[n, events]`; NaN where it did not.
    pub crossings: Vec<f64>,
}
