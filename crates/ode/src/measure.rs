//! How well queries are corrected in context: the measurements of FMint's Tables 3 to 5.

use rayon::prelude::*;

use crate::{
    Family, Members, Protocol, Result, Scheme, Task, Tasks,
    correct::{Coarse, Corrector, Demos, Grid, learn},
};

/// Parts of a step that no correction can be trusted with, at most.
const FINEST: usize = 16;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setup {
    /// Systems of each family, each with one query.
    pub tasks: u64,
    /// Demos of each.
    pub demos: usize,
    /// Coarse steps of a trajectory.
    pub points: usize,
    /// Factor of the family's stride.
    pub stride: f64,
    /// What the query is compared with.
    pub protocol: Protocol,
    /// Seed of the systems.
    pub seed: u64,
}

/// Errors of one way of solving, over all queries of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Errors {
    /// `coarse`, `steps x2` and `x3` (the coarse method with two and three steps for one), or
    /// `compiled`.
    pub method: &'static str,
    /// Mean of |error| / |solution| over components and times, the paper's MRE.
    pub relative: f64,
    /// Root of the mean square error, the paper's RMSE.
    pub rms: f64,
    /// The median over queries of their root mean square errors.
    pub median: f64,
    /// Evaluations of the right-hand side for a query.
    pub evaluations: f64,
}

/// One query, solved in one way.
struct Solved {
    states: Vec<f64>,
    evaluations: f64,
}

/// The ways, in the order of [`queries`].
const METHODS: [&str; 4] = ["coarse", "steps x2", "steps x3", "compiled"];

/// Measures a family.
///
/// # Errors
/// If there are no tasks, demos or points.
pub fn measure(family: &Family, setup: &Setup) -> Result<Vec<Errors>> {
    let tasks = setup.tasks_of(family).draw(0..setup.tasks)?;
    let stride = setup.stride_of(family);
    let solved: Vec<[Solved; 4]> =
        tasks.par_iter().map(|task| query(family, task, stride)).collect::<Result<_>>()?;
    let errors = METHODS.into_iter().enumerate().map(|(method, name)| {
        let ways = || solved.iter().map(|solved| &solved[method]);
        let evaluations = ways().map(|solved| solved.evaluations).sum::<f64>();
        let states = ways().map(|solved| &solved.states[..]);
        let truths = tasks.iter().map(Task::query_truth);
        Errors::of(name, states.zip(truths), evaluations / solved.len() as f64)
    });
    Ok(errors.collect())
}

impl Setup {
    /// How the tasks of a family are drawn: demos, then the query.
    pub fn tasks_of<'a>(&self, family: &'a Family) -> Tasks<'a> {
        Tasks {
            family,
            points: self.points,
            trajectories: self.demos + 1,
            stride: Some(self.stride_of(family)),
            protocol: self.protocol,
            seed: self.seed,
        }
    }

    /// Fine steps in a coarse one.
    fn stride_of(&self, family: &Family) -> usize {
        (family.info.stride as f64 * self.stride).round().max(1.0) as usize
    }
}

impl Errors {
    /// Of solutions beside the truths.
    pub fn of<'a>(
        method: &'static str,
        solved: impl Iterator<Item = (&'a [f64], Vec<f64>)>,
        evaluations: f64,
    ) -> Self {
        let (mut relative, mut count, mut squares) = (0.0, 0, Vec::new());
        for (found, truth) in solved {
            let pairs = || found.iter().zip(&truth);
            relative += pairs().map(|(found, truth)| ((found - truth) / truth).abs()).sum::<f64>();
            count += truth.len();
            let square = pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            squares.push(square / truth.len() as f64);
        }
        let rms = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
        squares.sort_by(f64::total_cmp);
        let median = squares.get(squares.len() / 2).map_or(f64::NAN, |square| square.sqrt());
        Self { method, relative: relative / count as f64, rms, median, evaluations }
    }
}

/// Solves the query of a task in all ways.
fn query(family: &Family, task: &Task, stride: usize) -> Result<[Solved; 4]> {
    let d = task.dimension;
    let row = task.times.len() * d;
    let (system, scheme) = (family.system, family.info.scheme);
    let demos = task.fine.len() / row - 1;
    let step = task.times[1] - task.times[0];
    let grid = Grid { start: 0.0, step, steps: task.times.len() - 1 };
    let taught = Demos {
        grid,
        states: task.fine[..demos * row].to_vec(),
        parameters: task.parameters.repeat(demos),
    };
    // Euler's method stands for the exact solution of some families; only as many of its steps do.
    let finest = if scheme == Scheme::Rk4 { stride.min(FINEST) } else { stride };
    let coarse = Coarse { scheme, step, finest };
    let corrector = learn(system, &taught, coarse)?.corrector;
    let first = task.fine[demos * row..][..d].to_vec();
    let parameters = task.parameters.clone();
    let members = Members { initial: first, parameters };
    let times = grid.times();
    let equal = |steps: usize| -> Result<Solved> {
        let solution = system.solve(&members.ensemble(0.0, &times), scheme.steps(steps))?;
        let evaluations = solution.evaluations[0] as f64;
        Ok(Solved { states: solution.states, evaluations })
    };
    Ok([equal(1)?, equal(2)?, equal(3)?, compiled(family, task, &members, &corrector)?])
}

/// Corrects a query. What the shifted protocol compares with begins one fine step later and is
/// reached by that step first.
fn compiled(
    family: &Family,
    task: &Task,
    members: &Members,
    corrector: &Corrector,
) -> Result<Solved> {
    let step = corrector.coarse.step;
    let grid = Grid { start: 0.0, step, steps: task.times.len() - 1 };
    let Some(shift) = task.shift() else {
        let corrected = corrector.apply(family.system, &members.ensemble(0.0, &grid.times()))?;
        let evaluations = corrected.solution.evaluations[0] as f64;
        return Ok(Solved { states: corrected.solution.states, evaluations });
    };
    let first =
        family.system.solve(&members.ensemble(0.0, &[shift]), family.info.scheme.steps(1))?;
    let members = Members { initial: first.states.clone(), parameters: members.parameters.clone() };
    let grid = Grid { start: shift, steps: grid.steps - 1, ..grid };
    let corrected = corrector.apply(family.system, &members.ensemble(shift, &grid.times()))?;
    let evaluations = first.evaluations[0] + corrected.solution.evaluations[0];
    let states = [first.states, corrected.solution.states].concat();
    Ok(Solved { states, evaluations: evaluations as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families;

    #[test]
    fn compiled_queries_are_better_by_either_protocol() {
        for protocol in [Protocol::Aligned, Protocol::Shifted] {
            let setup = Setup { tasks: 8, demos: 5, points: 49, stride: 1.0, protocol, seed: 3 };
            let errors = measure(families::find("pendulum").unwrap(), &setup).unwrap();
            let [coarse, twice, thrice, compiled] = &errors[..] else { panic!("four ways") };
            assert!(compiled.rms < coarse.rms / 1000.0, "{protocol:?}: {errors:?}");
            assert!(compiled.relative < coarse.relative / 100.0);
            assert!(compiled.evaluations < thrice.evaluations);
            assert_eq!(thrice.evaluations, 3.0 * coarse.evaluations);
            // By the shifted protocol all that is right is late.
            assert_eq!(twice.rms < coarse.rms / 10.0, protocol == Protocol::Aligned);
        }
    }
}
