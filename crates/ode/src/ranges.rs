//! From where to where first states and parameters are drawn.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Ensemble;

/// Ranges of first states and parameters; a fixed number is a range with equal ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges {
    /// Of each component of first states.
    pub initial: Vec<[f64; 2]>,
    /// Of each parameter.
    pub parameters: Vec<[f64; 2]>,
}

/// First states and parameters of some trajectories.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    /// First states, `[n, d]`.
    pub initial: Vec<f64>,
    /// Parameters, `[n, p]`.
    pub parameters: Vec<f64>,
}

impl Ranges {
    /// The members of these numbers, evenly distributed. A seed and a number always give the same one.
    pub fn draw(&self, seed: u64, numbers: Range<u64>) -> Members {
        let mut members = Members::default();
        for number in numbers {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(number);
            let mut draw = |[low, high]: &[f64; 2]| low + (high - low) * rng.random::<f64>();
            members.parameters.extend(self.parameters.iter().map(&mut draw));
            members.initial.extend(self.initial.iter().map(&mut draw));
        }
        members
    }
}

impl Members {
    /// As an ensemble.
    pub fn ensemble<'a>(&'a self, start: f64, times: &'a [f64]) -> Ensemble<'a> {
        Ensemble { start, times, initial: &self.initial, parameters: &self.parameters }
    }

    /// Some of them; `d` and `p` are the widths of their rows.
    pub fn select(&self, which: &[usize], d: usize, p: usize) -> Self {
        let rows = |values: &[f64], width: usize| {
            which.iter().flat_map(|i| &values[i * width..][..width]).copied().collect()
        };
        Self { initial: rows(&self.initial, d), parameters: rows(&self.parameters, p) }
    }
}
