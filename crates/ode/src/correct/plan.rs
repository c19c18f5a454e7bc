//! How an ensemble is solved within a tolerance: by the corrected coarse solver where its promise is
//! good enough, and by a classical one elsewhere.

use super::{
    Coarse, Corrected, Demos, Grid, Normal, Reference, Taught, Teach, Tried, Trust, select::TRIALS,
    trust::quantile,
};
use crate::{
    Dynamics, Error, Members, Method, Ranges, Result, Scheme, Solution, Status, Tolerance,
};

/// Demos are drawn with numbers from here on, other members with smaller ones.
const DEMOS: u64 = 1 << 40;
/// Parts of a step that no correction can be trusted with.
const FINEST: usize = 16;
/// Tolerances of the classical solver that are tried after the one asked for, in shares of it.
const TIGHTER: [f64; 7] = [0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4, 1e-5];

/// And of one for trajectories unlike all others, in shares of that.
const TIGHTENED: [f64; 5] = [0.1, 1e-2, 1e-3, 1e-4, 1e-5];

/// What is learned from, and how exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The coarse solver.
    pub scheme: Scheme,
    /// Trajectories that teach.
    pub demos: usize,
    /// Trajectories that promises are calibrated on.
    pub held: usize,
    /// The probability of a promise.
    pub level: f64,
    /// What solves both.
    pub reference: Reference,
    /// How exactly.
    pub exact: Tolerance,
    /// Seed of their first states and parameters.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            scheme: Scheme::Rk4,
            demos: 32,
            held: 200,
            level: 0.9,
            reference: Reference::Auto,
            exact: Tolerance::new(1e-11),
            seed: 0,
        }
    }
}

/// Trajectories that were solved exactly, on a grid that finer coarse steps fit into too.
#[derive(Clone, Debug)]
pub struct References {
    /// Those that teach, then those held back.
    all: Demos,
    teach: usize,
    /// Steps of its grid in a time of the output.
    finest: usize,
    settings: Settings,
    /// What they were solved by.
    pub exact: Method,
    /// Evaluations of the right-hand side that they took, for each.
    pub evaluations: f64,
}

/// A corrector with its promises.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The correction and its errors.
    pub taught: Taught,
    /// Its promises.
    pub trust: Trust,
    /// Coarse steps between two times of the output.
    pub substeps: usize,
}

/// A classical solver and the error that it stays below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibrated {
    /// The solver.
    pub method: Method,
    /// Its error, in spreads, with the probability of the settings.
    pub promise: f64,
    /// Its evaluations for a trajectory.
    pub evaluations: f64,
}

/// Where a trajectory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The corrected coarse solver.
    Corrected,
    /// The classical solver.
    Solver,
}

/// Trajectories with their promises.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The trajectories.
    pub solution: Solution,
    /// The error that each state stays below, in spreads, `[n, times]`; it holds for all times of a
    /// trajectory at once.
    pub bands: Vec<f64>,
    /// Where each comes from.
    pub sources: Vec<Source>,
    /// Whether the corrector was more in doubt than it ever was on those that it was calibrated on.
    pub unusual: Vec<bool>,
}

impl References {
    /// Solves demos and calibration trajectories, with states at `substeps` times in each step of the
    /// grid.
    ///
    /// # Errors
    /// If the ranges do not fit the system, or it has events.
    pub fn solve(
        system: &dyn Dynamics,
        ranges: &Ranges,
        grid: Grid,
        substeps: usize,
        settings: Settings,
    ) -> Result<Self> {
        let refuse = |what, value, expected| Err(Error::Setting { what, value, expected });
        if grid.steps == 0 || substeps == 0 {
            return refuse("steps", 0.0, "at least one");
        }
        if !(grid.step > 0.0 && grid.time(grid.steps).is_finite()) {
            return refuse("the step", grid.step, "a finite number above 0");
        }
        if !(0.0..1.0).contains(&settings.level) {
            return refuse("the level", settings.level, "a probability below 1");
        }
        for (what, count) in [("demos", settings.demos), ("held back", settings.held)] {
            if count == 0 {
                return refuse(what, 0.0, "at least one trajectory");
            }
        }
        let count = settings.demos + settings.held;
        let members = ranges.draw(settings.seed, DEMOS..DEMOS + count as u64);
        let grid = grid.divided(substeps);
        let times: Vec<f64> = (0..=grid.steps).map(|i| grid.time(i)).collect();
        let ensemble = members.ensemble(grid.start, &times);
        let (exact, solution) = settings.reference.solve(system, &ensemble, settings.exact)?;
        if !solution.crossings.is_empty() {
            return Err(Error::Events { way: "a corrector" });
        }
        let evaluations = mean(&solution.evaluations);
        let all = Demos { grid, states: solution.states, parameters: members.parameters };
        let teach = settings.demos;
        Ok(Self { all, teach, finest: substeps, settings, exact, evaluations })
    }

    /// Those that teach and those held back, with `substeps` states for each time of the output.
    fn parts(&self, system: &dyn Dynamics, substeps: usize) -> [Demos; 2] {
        let (d, p) = (system.dimension(), system.parameters());
        let all = &self.all;
        let every = self.finest / substeps;
        let grid =
            Grid { step: all.grid.step * every as f64, steps: all.grid.steps / every, ..all.grid };
        let row = (all.grid.steps + 1) * d;
        let part = |from: usize, to: usize| Demos {
            grid,
            states: all.states[from * row..to * row]
                .chunks(row)
                .flat_map(|row| row.chunks(d).step_by(every).flatten())
                .copied()
                .collect(),
            parameters: all.parameters[from * p..to * p].to_vec(),
        };
        [part(0, self.teach), part(self.teach, all.states.len() / row)]
    }

    /// Middle and spread of those that teach.
    pub fn normal(&self, system: &dyn Dynamics) -> Normal {
        let [teach, _] = self.parts(system, 1);
        Normal::new(&teach.states, system.dimension(), &teach.parameters, system.parameters())
    }

    /// Has a correction taught, of so many coarse steps for each time of the output, a divisor of those
    /// solved for, and calibrates it; with what it made of those that it was calibrated on.
    ///
    /// # Errors
    /// If there is nothing to learn from.
    pub fn teach(
        &self,
        system: &dyn Dynamics,
        substeps: usize,
        teach: Teach<'_>,
    ) -> Result<(Compiled, Tried)> {
        let [demos, held] = self.parts(system, substeps);
        let Settings { scheme, level, .. } = self.settings;
        let coarse = Coarse { scheme, step: demos.grid.step, finest: FINEST };
        let taught = teach(system, &demos, coarse)?;
        let (trust, tried) = Trust::calibrate(system, &taught, &held, substeps, level)?;
        Ok((Compiled { taught, trust, substeps }, tried))
    }

    /// The loosest Tsit5 that stays within a tolerance, in these spreads, as far as some of the
    /// trajectories held back tell; Rodas5P where they were solved by it. With it, the evaluations that
    /// finding it took.
    ///
    /// # Errors
    /// If the tolerance is none.
    pub fn solver(
        &self,
        system: &dyn Dynamics,
        normal: &Normal,
        tolerance: f64,
        which: &[usize],
    ) -> Result<(Calibrated, f64)> {
        let [_, held] = self.parts(system, 1);
        let (d, p) = (system.dimension(), system.parameters());
        let row = (held.grid.steps + 1) * d;
        let (members, times) = (held.members(d).select(which, d, p), held.grid.times());
        let attempt = |share: f64| -> Result<Calibrated> {
            let exact = Tolerance {
                relative: tolerance * share,
                // In the units of the states, of which the smallest counts.
                absolute: tolerance * share * normal.least_spread(),
                ..self.settings.exact
            };
            let method = match self.exact {
                Method::Rodas5p(_) => Method::Rodas5p(exact),
                _ => Method::Tsit5(exact),
            };
            let solution = system.solve(&members.ensemble(held.grid.start, &times), method)?;
            let fine = which.iter().map(|i| &held.states[i * row + d..(i + 1) * row]);
            let found = solution.states.chunks(row - d);
            let mut errors: Vec<f64> =
                fine.zip(found).map(|(fine, found)| normal.greatest(found, fine)).collect();
            errors.sort_by(f64::total_cmp);
            let promise = quantile(&errors, self.settings.level);
            Ok(Calibrated { method, promise, evaluations: mean(&solution.evaluations) })
        };
        let mut best = attempt(1.0)?;
        let mut asked = best.evaluations;
        for share in TIGHTER {
            if best.promise <= tolerance {
                break;
            }
            let tighter = attempt(share)?;
            asked += tighter.evaluations;
            if tighter.promise < best.promise {
                best = tighter;
            }
        }
        Ok((best, asked * which.len() as f64))
    }

    /// About how many evaluations learning in closed form asks for, of so many coarse steps for each time of
    /// the output.
    pub(super) fn cost_of_learning(&self, substeps: usize) -> f64 {
        let Self { all, settings, finest, .. } = self;
        let steps = (all.grid.steps / finest * substeps * settings.scheme.stages()) as f64;
        steps * (settings.demos * TRIALS + settings.held) as f64
    }

    /// All that are held back.
    pub fn held(&self) -> Vec<usize> {
        (0..self.settings.held).collect()
    }
}

impl Calibrated {
    /// Solves members that are like those it was calibrated on.
    ///
    /// # Errors
    /// If the members do not fit the system.
    pub fn solve(&self, system: &dyn Dynamics, members: &Members, grid: Grid) -> Result<Outcome> {
        let times = grid.times();
        let solution = system.solve(&members.ensemble(grid.start, &times), self.method)?;
        let n = solution.status.len();
        let promise = |status: &Status| match status {
            Status::Finished => self.promise,
            _ => f64::INFINITY,
        };
        let bands = solution.status.iter().flat_map(|status| vec![promise(status); grid.steps]);
        let bands = bands.collect();
        Ok(Outcome { solution, bands, sources: vec![Source::Solver; n], unusual: vec![false; n] })
    }
}

impl Compiled {
    /// Whether a trajectory that ends with this doubt stays within a tolerance.
    pub(super) fn keeps(&self, doubt: f64, tolerance: f64) -> bool {
        self.trust.promise(doubt) <= tolerance && !self.trust.is_unusual(doubt)
    }

    /// Solves members that nothing was calibrated on: ever more exactly, until it no longer makes a
    /// difference beyond the tolerance. The difference is the promise.
    fn solve_strange(
        &self,
        system: &dyn Dynamics,
        members: &Members,
        grid: Grid,
        (solver, tolerance): (Calibrated, f64),
    ) -> Result<(Solution, Vec<f64>)> {
        let (d, p) = (system.dimension(), system.parameters());
        let times = grid.times();
        let mut solution = system.solve(&members.ensemble(grid.start, &times), solver.method)?;
        let mut promises = vec![f64::INFINITY; solution.status.len()];
        for share in TIGHTENED {
            let open: Vec<usize> =
                (0..promises.len()).filter(|i| promises[*i] > tolerance).collect();
            let chosen = members.select(&open, d, p);
            let method = solver.method.tightened(share);
            let tighter = system.solve(&chosen.ensemble(grid.start, &times), method)?;
            let row = grid.steps * d;
            for (from, to) in open.into_iter().enumerate() {
                let (found, fine) = (&solution.states[to * row..], &tighter.states[from * row..]);
                let normal = &self.taught.normal;
                promises[to] = normal.greatest(&found[..row], &fine[..row]);
                replace(&mut solution, to, &tighter, from);
            }
        }
        Ok((solution, promises))
    }

    /// Solves members on a grid; those whose promise exceeds the tolerance, and those that are
    /// unusual, with the solver.
    ///
    /// # Errors
    /// If the members do not fit the system, or the grid is not the one it was learned on.
    pub fn solve(
        &self,
        system: &dyn Dynamics,
        members: &Members,
        grid: Grid,
        fallback: Option<(Calibrated, f64)>,
    ) -> Result<Outcome> {
        let (d, p) = (system.dimension(), system.parameters());
        let fine = grid.divided(self.substeps).times();
        let ensemble = members.ensemble(grid.start, &fine);
        let Corrected { mut solution, doubt } = self.taught.correction.apply(system, &ensemble)?;
        if self.substeps > 1 {
            let last = |row: &[f64]| row[row.len() - d..].to_vec();
            solution.states = solution.states.chunks(self.substeps * d).flat_map(last).collect();
        }
        let doubt: Vec<f64> =
            doubt.iter().skip(self.substeps - 1).step_by(self.substeps).copied().collect();
        let last = |trajectory: usize| doubt[(trajectory + 1) * grid.steps - 1];
        let n = solution.status.len();
        let unusual: Vec<bool> = (0..n).map(|i| self.trust.is_unusual(last(i))).collect();
        let mut bands: Vec<f64> = doubt.iter().map(|doubt| self.trust.promise(*doubt)).collect();
        let mut sources = vec![Source::Corrected; n];
        if let Some((solver, tolerance)) = fallback {
            let again: Vec<usize> = (0..n).filter(|i| !self.keeps(last(*i), tolerance)).collect();
            let (strange, known): (Vec<_>, Vec<_>) = again.into_iter().partition(|i| unusual[*i]);
            let of = |which: &[usize]| members.select(which, d, p);
            let times = grid.times();
            let solved = system.solve(&of(&known).ensemble(grid.start, &times), solver.method)?;
            let promises = vec![solver.promise; known.len()];
            let careful = self.solve_strange(system, &of(&strange), grid, (solver, tolerance))?;
            for (which, (solved, promises)) in [(known, (solved, promises)), (strange, careful)] {
                for (from, (to, promise)) in which.into_iter().zip(promises).enumerate() {
                    replace(&mut solution, to, &solved, from);
                    let finished = solved.status[from] == Status::Finished;
                    let promise = if finished { promise } else { f64::INFINITY };
                    bands[to * grid.steps..][..grid.steps].fill(promise);
                    sources[to] = Source::Solver;
                }
            }
        }
        Ok(Outcome { solution, bands, sources, unusual })
    }
}

/// Puts a trajectory in the place of another, whose evaluations are added.
fn replace(all: &mut Solution, to: usize, by: &Solution, from: usize) {
    let rows = |all: &mut [f64], rows: &[f64]| {
        let width = rows.len() / by.status.len();
        all[to * width..][..width].copy_from_slice(&rows[from * width..][..width]);
    };
    rows(&mut all.states, &by.states);
    rows(&mut all.last, &by.last);
    all.status[to] = by.status[from];
    all.end[to] = by.end[from];
    all.evaluations[to] += by.evaluations[from];
}

fn mean(values: &[u64]) -> f64 {
    values.iter().sum::<u64>() as f64 / values.len().max(1) as f64
}
