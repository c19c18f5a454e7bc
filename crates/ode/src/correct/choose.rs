//! Which way of solving an ensemble costs least.

use super::{Calibrated, Compiled, Grid, Normal, References, Settings, Teach};
use crate::{Dynamics, Error, Method, Ranges, Result};

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
    /// What solved demos and what promises were calibrated on.
    pub exact: Method,
    /// Evaluations that demos, learning and calibration took in all.
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

/// Chooses how to solve so many members that are drawn from ranges, by what is taught or by a classical
/// solver, so that the error in spreads stays within a tolerance.
///
/// Where all ways may be chosen, a corrector is not taught if teaching it asks for more evaluations than it
/// could spare.
///
/// # Errors
/// If the ranges do not fit the system, the tolerance is none, or the system has events.
pub fn choose(
    system: &dyn Dynamics,
    (ranges, grid, n): (&Ranges, Grid, u64),
    tolerance: f64,
    (ways, teach): (Ways, Teach<'_>),
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
    let held = references.held();
    let (mut solver, asked) = references.solver(system, &normal, tolerance, &held)?;
    let mut spent = references.evaluations * (settings.demos + settings.held) as f64 + asked;
    let mut best: Option<(Compiled, f64, Vec<usize>)> = None;
    let mut considered = Vec::new();
    for substeps in tried {
        let coarse = (grid.steps * substeps * settings.scheme.stages()) as f64;
        let spared = n as f64 * (solver.evaluations - coarse);
        if ways == Ways::All && spared < references.cost_of_learning(substeps) {
            continue;
        }
        let (compiled, tried) = references.teach(system, substeps, teach)?;
        spent += (compiled.taught.evaluations + tried.evaluations) as f64;
        let own = tried.evaluations as f64 / settings.held as f64;
        let left: Vec<usize> =
            held.iter().copied().filter(|i| !compiled.keeps(tried.doubt[*i], tolerance)).collect();
        let share = 1.0 - left.len() as f64 / settings.held as f64;
        let evaluations = own + (1.0 - share) * solver.evaluations;
        considered.push(Considered { substeps: Some(substeps), share, evaluations });
        // One that keeps nothing within the tolerance only adds to the solver's cost.
        let serves = share > 0.0 || ways != Ways::Corrected;
        if serves && best.as_ref().is_none_or(|(_, least, _)| evaluations < *least) {
            best = Some((compiled, evaluations, left));
        }
    }
    let share = f64::from(solver.promise <= tolerance);
    let evaluations = solver.evaluations;
    considered.push(Considered { substeps: None, share, evaluations });
    let cheaper = best.filter(|(_, least, _)| ways != Ways::All || *least < solver.evaluations);
    let compiled = match cheaper {
        None => None,
        Some((compiled, _, left)) => {
            // What is left over is harder than the rest: the solver's promise has to hold for that.
            let (for_those, asked) = references.solver(system, &normal, tolerance, &left)?;
            spent += asked;
            if for_those.promise.is_finite() {
                solver = for_those;
            }
            Some(compiled)
        }
    };
    Ok(Choice { compiled, solver, considered, normal, exact: references.exact, spent })
}
