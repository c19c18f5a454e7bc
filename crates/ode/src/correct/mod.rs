//! Correcting coarse solutions in context: from a few trajectories that were solved exactly, learn
//! what a coarse step of the same system lacks, and add it at each step of all others (FMint's Eq. 5),
//! here in closed form.
//!
//! [`learn`] fits correctors of several [`Shape`]s to demos by least squares and keeps the one that
//! serves best along trajectories that it was not fitted to. Applying it costs no evaluation beyond
//! those of the coarse solver, but for the first steps of one that looks back and for steps that no demo
//! came near, which are divided.

mod choose;
mod fit;
mod march;
mod plan;
mod reference;
mod select;
mod shape;
#[cfg(test)]
mod tests;
mod trust;

use std::{fmt::Debug, sync::Arc};

use march::Lessons;

use crate::{Dynamics, Ensemble, Members, Result, Scheme, Solution};

pub use self::{
    choose::{Choice, Considered, Ways, choose},
    plan::{Calibrated, Compiled, Outcome, References, Settings, Source},
    reference::Reference,
    select::{Learned, learn},
    shape::{Normal, Rule, Shape},
    trust::{Tried, Trust},
};

/// Times at equal distances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// The first.
    pub start: f64,
    /// From one to the next: a coarse step.
    pub step: f64,
    /// Number of steps.
    pub steps: usize,
}

impl Grid {
    /// All times but the first, `[steps]`.
    pub fn times(&self) -> Vec<f64> {
        (1..=self.steps).map(|i| self.time(i)).collect()
    }

    /// The same times and those between, so many steps in each.
    pub fn divided(&self, parts: usize) -> Self {
        Self { start: self.start, step: self.step / parts as f64, steps: self.steps * parts }
    }

    /// The time after so many steps.
    pub fn time(&self, steps: usize) -> f64 {
        self.start + steps as f64 * self.step
    }
}

/// Trajectories that were solved exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct Demos {
    /// When their states are given.
    pub grid: Grid,
    /// States from the first time on, `[demos, steps + 1, d]`. What follows a state that is not finite
    /// does not count.
    pub states: Vec<f64>,
    /// Parameters, `[demos, p]`.
    pub parameters: Vec<f64>,
}

impl Demos {
    /// Their first states, of `d` components, and parameters.
    pub fn members(&self, d: usize) -> Members {
        let rows = self.states.chunks((self.grid.steps + 1) * d);
        Members {
            initial: rows.flat_map(|row| &row[..d]).copied().collect(),
            parameters: self.parameters.clone(),
        }
    }
}

/// How trajectories are solved coarsely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coarse {
    /// The method.
    pub scheme: Scheme,
    /// The length of a step.
    pub step: f64,
    /// In how many a step is divided that no correction can be trusted with.
    pub finest: usize,
}

/// Adds to each coarse step what the demos say that it lacks.
#[derive(Clone, Debug, PartialEq)]
pub struct Corrector {
    /// The solver that it corrects.
    pub coarse: Coarse,
    /// Middle and spread of the demos.
    pub normal: Normal,
    /// The correction; `None` adds nothing.
    pub correction: Option<Fitted>,
    /// In how many the first steps are divided, if the correction looks back on them: it has nothing
    /// to look at yet.
    pub starter: usize,
    /// Another one, of the simplest kind that there is, which is computed along to see where the two
    /// differ.
    pub second: Option<Fitted>,
    /// The most by which they differed in each component along the demos, in spreads, `[d]`. A step
    /// where they differ by several times as much is divided instead.
    pub apart: Vec<f64>,
}

impl Corrector {
    /// One that adds nothing.
    pub fn plain(coarse: Coarse, normal: Normal) -> Self {
        let apart = vec![f64::INFINITY; normal.states.len()];
        Self { coarse, normal, correction: None, starter: 1, second: None, apart }
    }
}

/// A rule with its shares.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// What is added up.
    pub rule: Rule,
    /// How much of each, `[d, width]`.
    pub shares: Vec<f64>,
}

impl Fitted {
    /// The corrections for numbers `[steps, d, width]`, `[steps, d]`.
    fn sums(&self, numbers: &[f64]) -> Vec<f64> {
        let all = numbers.chunks(self.shares.len());
        let rows = all.flat_map(|numbers| numbers.chunks(self.rule.width()).zip(self.each()));
        rows.map(|(numbers, shares)| numbers.iter().zip(shares).map(|(a, b)| a * b).sum()).collect()
    }

    /// The shares of each component.
    fn each(&self) -> impl Iterator<Item = &[f64]> {
        self.shares.chunks(self.rule.width())
    }
}

/// What corrects coarse solutions.
pub trait Correction: Debug + Send + Sync {
    /// Solves an ensemble coarsely and corrects it.
    ///
    /// # Errors
    /// If the ensemble does not fit the system, or its times what the correction was made for.
    fn apply(&self, system: &dyn Dynamics, ensemble: &Ensemble<'_>) -> Result<Corrected>;
}

impl Correction for Corrector {
    fn apply(&self, system: &dyn Dynamics, ensemble: &Ensemble<'_>) -> Result<Corrected> {
        Self::apply(self, system, ensemble)
    }
}

/// A correction and how well it did.
#[derive(Clone, Debug)]
pub struct Taught {
    /// The correction.
    pub correction: Arc<dyn Correction>,
    /// Middle and spread of the demos.
    pub normal: Normal,
    /// The solver that it corrects.
    pub coarse: Coarse,
    /// Its error along trajectories that did not teach it: root mean square, in spreads.
    pub error: f64,
    /// That of the coarse solver.
    pub coarse_error: f64,
    /// Evaluations of the right-hand side that teaching asked for.
    pub evaluations: u64,
}

/// Makes a correction of a coarse solver from demos.
pub type Teach<'a> = &'a dyn Fn(&dyn Dynamics, &Demos, Coarse) -> Result<Taught>;

/// Teaches in closed form; see [`learn`].
///
/// # Errors
/// As there.
pub fn compile(system: &dyn Dynamics, demos: &Demos, coarse: Coarse) -> Result<Taught> {
    let Learned { corrector, error, coarse_error, evaluations } = learn(system, demos, coarse)?;
    let normal = corrector.normal.clone();
    let correction = Arc::new(corrector);
    Ok(Taught { correction, normal, coarse, error, coarse_error, evaluations })
}

/// Corrected trajectories.
#[derive(Clone, Debug, PartialEq)]
pub struct Corrected {
    /// States as of any solver.
    pub solution: Solution,
    /// What the correction itself makes of its error up to each time, in spreads of the demos;
    /// `[n, times]`; of a [`Corrector`], how far its two corrections differed, added up. A measure, not
    /// yet a promise.
    pub doubt: Vec<f64>,
}
