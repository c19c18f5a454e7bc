//! Ways of solving an ensemble, and what one run of them takes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use indicatif::ProgressBar;
use quintet_fmint::Fmint;
use quintet_ode::{
    Dynamics, Members, Method, Slowed, Solution,
    correct::{Compiled, References, Settings},
};

use crate::{
    commands::ode::{problem::Problem, summary::BATCH, teach::teach},
    interrupt::Interrupt,
};

/// Short runs are repeated so often, and the fastest counts.
const REPEATS: usize = 3;
/// Those shorter than this, in seconds.
const SHORT: f64 = 0.2;

/// A way of solving an ensemble.
#[derive(Clone)]
pub enum Way {
    Solver(Method),
    /// A corrector of so many coarse steps between two times: a transformer, or in closed form.
    Corrector(usize, Option<Arc<Fmint>>),
}

/// A way that has learned what there is to learn.
pub enum Ready {
    Solver(Method),
    Corrector(Box<Compiled>),
}

/// What a run took: `seconds` if the right-hand side costs what it does, and evaluations of it.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub seconds: f64,
    pub evaluations: f64,
}

/// What measurements have in common.
pub struct Bench<'a> {
    pub problem: &'a Problem,
    pub settings: Settings,
    /// The longest run that is measured, in seconds.
    pub longest: f64,
    pub threads: usize,
    interrupt: &'a Interrupt,
    bar: &'a ProgressBar,
}

impl Way {
    /// Solves and reads demos, if it is a corrector.
    pub fn prepare(&self, bench: &Bench<'_>, system: &dyn Dynamics) -> anyhow::Result<Ready> {
        Ok(match self {
            Self::Solver(method) => Ready::Solver(*method),
            Self::Corrector(substeps, model) => {
                let Problem { ranges, grid, .. } = bench.problem;
                let references =
                    References::solve(system, ranges, *grid, *substeps, bench.settings)?;
                let (compiled, _) =
                    references.teach(system, *substeps, &|system, demos, coarse| {
                        teach(model, system, demos, coarse)
                    })?;
                Ready::Corrector(Box::new(compiled))
            }
        })
    }
}

impl Ready {
    /// Solves some members; nothing is solved again that a corrector does not promise enough of.
    pub fn solve(
        &self,
        bench: &Bench<'_>,
        system: &dyn Dynamics,
        members: &Members,
    ) -> anyhow::Result<Solution> {
        let grid = bench.problem.grid;
        Ok(match self {
            Self::Solver(method) => {
                system.solve(&members.ensemble(grid.start, &grid.times()), *method)?
            }
            Self::Corrector(compiled) => compiled.solve(system, members, grid, None)?.solution,
        })
    }
}

impl<'a> Bench<'a> {
    pub fn new(
        problem: &'a Problem,
        settings: Settings,
        longest: f64,
        (interrupt, bar): (&'a Interrupt, &'a ProgressBar),
    ) -> Self {
        let threads = rayon::current_num_threads();
        Self { problem, settings, longest, threads, interrupt, bar }
    }

    /// A step of progress.
    pub fn tick(&self) -> anyhow::Result<()> {
        ensure!(!self.interrupt.requested(), "stopped; nothing was written");
        self.bar.inc(1);
        Ok(())
    }

    /// Solves the first members of the ranges, batch by batch as `quintet ode solve` does.
    pub fn run(&self, ready: &Ready, system: &dyn Dynamics, n: u64) -> anyhow::Result<Run> {
        let mut run = Run { seconds: 0.0, evaluations: 0.0 };
        for first in (0..n).step_by(BATCH as usize) {
            let numbers = first..n.min(first + BATCH);
            let members = self.problem.ranges.draw(self.settings.seed, numbers);
            let started = Instant::now();
            let solution = ready.solve(self, system, &members)?;
            run.seconds += started.elapsed().as_secs_f64();
            run.evaluations += solution.evaluations.iter().sum::<u64>() as f64;
        }
        self.tick()?;
        Ok(run)
    }

    /// The fastest of a few runs with the system as it is.
    pub fn best(&self, ready: &Ready, n: u64) -> anyhow::Result<Run> {
        let system = self.problem.system();
        let mut best = self.run(ready, system, n)?;
        for _ in 1..REPEATS {
            if best.seconds < SHORT {
                best.seconds = best.seconds.min(self.run(ready, system, n)?.seconds);
            }
        }
        Ok(best)
    }

    /// Prepares a way, with what that takes.
    pub fn prepare(&self, way: &Way) -> anyhow::Result<(Ready, Run)> {
        let started = Instant::now();
        let ready = way.prepare(self, self.problem.system())?;
        let seconds = started.elapsed().as_secs_f64();
        let counted = Slowed::new(self.problem.system(), Duration::ZERO);
        way.prepare(self, &counted)?;
        self.tick()?;
        match way {
            Way::Solver(_) => Ok((ready, Run { seconds: 0.0, evaluations: 0.0 })),
            Way::Corrector(..) => {
                Ok((ready, Run { seconds, evaluations: counted.evaluations() as f64 }))
            }
        }
    }
}
