//! What is to be solved: a system, members, times.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use quintet_ode::{
    Dynamics, Grid, Ranges, TextSystem,
    families::{self, Info},
};

use super::members::Source;

/// Coarse steps of a trajectory in the FMint paper.
const POINTS: usize = 49;

#[derive(clap::Args)]
pub struct ProblemArgs {
    /// A name of `quintet ode list`, or a file that describes a system (see docs/ode.md)
    system: String,
    /// Number of trajectories, drawn from the ranges of the system
    #[arg(long, short, default_value_t = 1000, conflicts_with = "initial")]
    n: u64,
    /// Take first states and parameters from a file instead: .csv or .parquet with a column for each, or
    /// .npy, an array [n, states] or [n, states + parameters]
    #[arg(long, value_name = "FILE")]
    initial: Option<PathBuf>,
    /// When trajectories begin [default: as the system says, or 0]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    start: Option<f64>,
    /// When they end [default: as the system says]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    end: Option<f64>,
    /// Times after the first at which states are given
    #[arg(long, value_name = "N", default_value_t = POINTS)]
    points: usize,
    /// Seed of first states and parameters
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// A system with its members and times.
pub struct Problem {
    system: System,
    /// Its name.
    pub name: String,
    /// The names of the components of its state.
    pub states: Vec<String>,
    /// The names of its parameters.
    pub parameters: Vec<String>,
    /// The names of its events.
    pub events: Vec<String>,
    /// From where to where both are drawn.
    pub ranges: Ranges,
    /// The times.
    pub grid: Grid,
    /// Its members.
    pub members: Source,
}

enum System {
    Known(&'static dyn Dynamics),
    Text(Box<TextSystem>),
}

/// When the trajectories of a family end.
pub fn end(info: &Info) -> f64 {
    // Divided, not multiplied: 1 / 0.005 is whole.
    (POINTS * info.stride) as f64 / (1.0 / info.step)
}

impl ProblemArgs {
    /// Reads everything.
    pub fn open(&self) -> anyhow::Result<Problem> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
        let (mut problem, time) = match families::find(&self.system) {
            Some(family) => {
                let info = &family.info;
                let names: Vec<&str> = info.parameters.iter().map(|(name, _)| *name).collect();
                let problem = Problem {
                    system: System::Known(family.system),
                    name: info.name.into(),
                    states: owned(info.states),
                    parameters: owned(&names),
                    events: Vec::new(),
                    ranges: info.ranges(),
                    grid: Grid { start: 0.0, step: 0.0, steps: self.points },
                    members: Source::Drawn { seed: self.seed, n: self.n },
                };
                (problem, Some([0.0, end(info)]))
            }
            None => {
                let path = Path::new(&self.system);
                ensure!(
                    path.exists() || path.extension().is_some(),
                    "{}: there is no such system and no such file; `quintet ode list` lists systems",
                    self.system
                );
                let system = TextSystem::load(path)?;
                let time = system.time;
                let problem = Problem {
                    name: system.name.clone(),
                    states: system.states.clone(),
                    parameters: system.parameters.clone(),
                    events: system.events.clone(),
                    ranges: system.ranges.clone(),
                    grid: Grid { start: 0.0, step: 0.0, steps: self.points },
                    members: Source::Drawn { seed: self.seed, n: self.n },
                    system: System::Text(Box::new(system)),
                };
                (problem, time)
            }
        };
        let start = self.start.or(time.map(|[start, _]| start)).unwrap_or(0.0);
        let end = self.end.or(time.map(|[_, end]| end)).with_context(|| {
            format!(
                "{}: it does not say when it ends; give --end, or time in the file",
                self.system
            )
        })?;
        ensure!(
            start < end && start.is_finite() && end.is_finite(),
            "from {start} to {end}: the end has to be later than the start"
        );
        ensure!(self.points > 0, "--points 0: at least one time is needed");
        problem.grid.start = start;
        problem.grid.step = (end - start) / self.points as f64;
        if let Some(path) = &self.initial {
            let names = (&problem.states[..], &problem.parameters[..]);
            problem.members = Source::read(path, names, (&problem.ranges, self.seed))?;
        }
        Ok(problem)
    }
}

impl Problem {
    /// Whether a program evaluates the system.
    pub fn is_program(&self) -> bool {
        matches!(&self.system, System::Text(system) if system.is_program())
    }

    /// The system.
    pub fn system(&self) -> &dyn Dynamics {
        match &self.system {
            System::Known(system) => *system,
            System::Text(system) => &**system,
        }
    }
}
