//! Which way of solving an ensemble costs least.

use super::{Calibrated, Compiled, Grid, Normal, References, Settings};
use crate::{Dynamics, Error, Ranges, Result};

/// Coarse steps between two times of the output that are tried.
const SUBSTEPS: [usize; 4] = [1, 2, 4, 8];

/// The least tolerance that 64-bit numbers have room for.
const LEAST: f64 = 1e-13;

/// A way that was looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Considered {
    /// Coarse steps between two times; `None` is the classical solver.
    pub substeps: Option<usize>,
    /// The share of trajectories that it keeps within the tolerance by its own promise.
    pub share: f64,
    /// Evaluations for a trajectory, those of the solver for the others included.
    pub evaluations: f64,
}

/// How an ensemble is to be solved.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The corrector, if it is cheaper.
    pub compiled: Option<Compiled>,
    /// What solves the rest, or all.
    pub solver: Calibrated,
    /// All that was looked at.
    pub considered: Vec<Considered>,
    /// Middle and spread of the demos: what errors are measured in.
    pub normal: Normal,
    /// Evaluations that demos and calibration took in all.
    pub spent: f64,
}

/// Which ways may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ways {
    /// The cheapest in evaluations.
    All,
    /// The cheapest corrector.
    Corrected,
    /// A corrector of so many coarse steps between two times.
    Substeps(usize),
}

/// Chooses how to solve members that are drawn from ranges, so that the error in spreads stays within
/// a tolerance.
///
/// # Errors
/// If the ranges do not fit the system, or the tolerance is none.
pub fn choose(
    system: &dyn Dynamics,
    (ranges, grid): (&Ranges, Grid),
    tolerance: f64,
    ways: Ways,
    settings: Settings,
) -> Result<Choice> {
    if !(tolerance >= LEAST && tolerance.is_finite()) {
        let what = "the tolerance";
        return Err(Error::Setting { what, value: tolerance, expected: "at least 1e-13" });
    }
    let tried = match ways {
        Ways::Substeps(substeps) => vec![substeps],
        Ways::All | Ways::Corrected => SUBSTEPS.to_vec(),
    };
    let finest = tried.iter().copied().max().unwrap_or(1);
    let references = References::solve(system, ranges, grid, finest, settings)?;
    let normal = references.normal(system);
    let solver = references.solver(system, &normal, tolerance)?;
    let mut best: Option<(Compiled, f64)> = None;
    let mut considered = Vec::new();
    for substeps in tried {
        let compiled = references.compile(system, substeps)?;
        let (share, own) = references.share_within(system, &compiled, tolerance)?;
        let evaluations = own + (1.0 - share) * solver.evaluations;
        considered.push(Considered { substeps: Some(substeps), share, evaluations });
        // One that keeps nothing within the tolerance only adds to the solver's cost.
        let serves = share > 0.0 || ways != Ways::Corrected;
        if serves && best.as_ref().is_none_or(|(_, least)| evaluations < *least) {
            best = Some((compiled, evaluations));
        }
    }
    let share = f64::from(solver.promise <= tolerance);
    let evaluations = solver.evaluations;
    considered.push(Considered { substeps: None, share, evaluations });
    let cheaper = best.filter(|(_, least)| ways != Ways::All || *least < solver.evaluations);
    let compiled = cheaper.map(|(compiled, _)| compiled);
    let spent = references.evaluations * (settings.demos + settings.held) as f64;
    Ok(Choice { compiled, solver, considered, normal, spent })
}
