//! How far corrected trajectories can be trusted.
//!
//! Split conformal prediction (Vovk et al., 2005; Lei et al., 2018): along trajectories that were
//! solved exactly and taught nothing, the ratio of error to doubt has some quantile, and a new
//! trajectory of the same distribution stays below it with that probability. The ratio is the greatest
//! along a trajectory, so that a band holds for all its times at once.

use super::{Corrected, Demos, Taught};
use crate::{Dynamics, Result};

/// Doubt beyond that of all calibration trajectories by this factor is out of their distribution.
const UNUSUAL: f64 = 2.0;
/// How much of the median doubt is added to all.
const FLOOR: f64 = 0.1;

/// Turns doubt into promises.
#[derive(Clone, Debug, PartialEq)]
pub struct Trust {
    /// The probability of a promise.
    pub level: f64,
    /// Trajectories that it was calibrated on.
    pub calibrated_on: usize,
    /// Error per doubt.
    factor: f64,
    /// Added to all doubt.
    floor: f64,
    /// The greatest doubt of trajectories that it was calibrated on.
    greatest: f64,
}

/// What a correction made of the trajectories that it was calibrated on.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Its doubt at the end of each.
    pub doubt: Vec<f64>,
    /// Evaluations of the right-hand side, of all together.
    pub evaluations: u64,
}

impl Trust {
    /// Calibrates a correction on trajectories that it did not learn from, for promises that hold with
    /// a probability of `level` at all times of the output, one for so many of its steps. Too few
    /// trajectories for it (9 for 0.9) promise nothing: infinity.
    ///
    /// # Errors
    /// If the trajectories do not fit the system or the correction.
    pub fn calibrate(
        system: &dyn Dynamics,
        taught: &Taught,
        held: &Demos,
        substeps: usize,
        level: f64,
    ) -> Result<(Self, Tried)> {
        let (d, steps) = (system.dimension(), held.grid.steps);
        let row = (steps + 1) * d;
        let (members, times) = (held.members(d), held.grid.times());
        let ensemble = members.ensemble(held.grid.start, &times);
        let Corrected { solution, doubt } = taught.correction.apply(system, &ensemble)?;
        let rows = doubt.chunks(steps.max(1));
        let tried = Tried {
            doubt: rows.map(|doubt| doubt.last().copied().unwrap_or(f64::NAN)).collect(),
            evaluations: solution.evaluations.iter().sum(),
        };
        let finite = tried.doubt.iter().copied().filter(|doubt| doubt.is_finite());
        let mut last: Vec<f64> = finite.collect();
        last.sort_by(f64::total_cmp);
        let median = last.get(last.len() / 2).copied().unwrap_or_default();
        let floor = FLOOR * median + f64::EPSILON;
        let fine = held.states.chunks(row).map(|row| &row[d..]);
        let found = solution.states.chunks(steps * d).zip(doubt.chunks(steps));
        let mut ratios: Vec<f64> = fine
            .zip(found)
            .map(|(fine, (found, doubt))| {
                let errors = taught.normal.errors(found, fine).zip(doubt);
                let output = errors.skip(substeps - 1).step_by(substeps);
                let ratios = output.map(|(error, doubt)| error / (doubt + floor));
                ratios.fold(
                    0.0,
                    |most, ratio| if ratio > most || ratio.is_nan() { ratio } else { most },
                )
            })
            .map(|ratio: f64| if ratio.is_nan() { f64::INFINITY } else { ratio })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let trust = Self {
            level,
            calibrated_on: ratios.len(),
            factor: quantile(&ratios, level),
            floor,
            greatest: last.last().copied().unwrap_or_default(),
        };
        Ok((trust, tried))
    }

    /// The error, in spreads, that a trajectory with this doubt stays below.
    pub fn promise(&self, doubt: f64) -> f64 {
        match doubt.is_finite() {
            true => self.factor * (doubt + self.floor),
            false => f64::INFINITY,
        }
    }

    /// Whether no trajectory that it was calibrated on was nearly as doubtful.
    pub fn is_unusual(&self, doubt: f64) -> bool {
        doubt > UNUSUAL * self.greatest.max(self.floor) || doubt.is_nan()
    }
}

/// The least value of sorted ones that another of the same distribution exceeds with a probability of
/// at most `1 − level`; infinity if there are too few.
pub(super) fn quantile(sorted: &[f64], level: f64) -> f64 {
    let rank = ((sorted.len() + 1) as f64 * level - 1e-9).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::INFINITY)
}
