//! Right-hand sides that another program evaluates: a simulator, in any language.
//!
//! The program is started once, when it is first needed, and answers requests until its standard input
//! ends. A request is a line of JSON and numbers, all little-endian 64-bit floats; the answer is a line
//! with the number of its bytes, and the numbers:
//!
//! ```text
//! {"count": 3, "dimension": 2, "parameters": 1}⏎   times [3]   states [3, 2]   parameters [3, 1]
//! 48⏎   slopes [3, 2]
//! ```
//!
//! There is one process and not one for each thread, so that requests are large and whatever the
//! program holds, such as a model on a graphics card, is there once. The solvers stay those of all
//! other systems: each group of [`LANES`] trajectories is solved on a thread of its own,
//! and when all threads wait for slopes, one request asks for all of them.

mod meeting;
mod member;
mod process;

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use self::{
    meeting::{Meeting, Seat},
    member::Member,
    process::Process,
};
use crate::{
    Dynamics, Ensemble, Error, LANES, Lanes, Method, Result, Scheme, Solution,
    dynamics::{Job, each},
    text::Events,
};

/// Most threads that solve at once: most rows of a request in groups of lanes.
const THREADS: usize = 256;

/// A right-hand side that a program evaluates.
#[derive(Debug)]
pub struct Program {
    /// The program, its arguments, and how it is to be run.
    settings: Settings,
    /// What is watched along its trajectories.
    events: Events,
    process: Mutex<State>,
    failed: AtomicBool,
}

/// How a program is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Components of a state.
    pub dimension: usize,
    /// Number of parameters.
    pub parameters: usize,
}

#[derive(Debug)]
enum State {
    Idle,
    Running(Process),
    Failed(Error),
}

/// What is asked for.
#[derive(Debug, Default)]
struct Rows {
    /// `[n]`
    times: Vec<f64>,
    /// `[n, d]`
    states: Vec<f64>,
    /// `[n, p]`
    parameters: Vec<f64>,
}

impl Program {
    /// A program; it is not started yet.
    pub fn new(settings: Settings) -> Self {
        let (process, failed) = (Mutex::new(State::Idle), AtomicBool::new(false));
        Self { settings, events: Events::default(), process, failed }
    }

    /// The same, with events.
    pub fn watching(self, events: Events) -> Self {
        Self { events, ..self }
    }

    /// Slopes of all rows, `[n, d]`. After a failure there are no others.
    fn evaluate(&self, rows: &Rows) -> Result<Vec<f64>> {
        let Settings { command, dimension, parameters, .. } = &self.settings;
        let mut state = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let fail = |reason| Error::Program { program: command.join(" "), reason };
        let n = rows.times.len();
        let answer = (|| {
            if let State::Idle = *state {
                *state = State::Running(Process::start(&self.settings).map_err(fail)?);
            }
            match &mut *state {
                State::Failed(error) => Err(error.clone()),
                State::Idle => Err(fail("it was not started".into())),
                State::Running(process) => {
                    let mut request = format!(
                        "{{\"count\": {n}, \"dimension\": {dimension}, \"parameters\": {parameters}}}\n"
                    )
                    .into_bytes();
                    for values in [&rows.times, &rows.states, &rows.parameters] {
                        request.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                    }
                    process.ask(request, n * dimension * size_of::<f64>()).map_err(fail)
                }
            }
        })();
        match answer {
            Ok(bytes) => {
                Ok(bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
            }
            Err(error) => {
                self.failed.store(true, Ordering::Release);
                // Ends the process.
                *state = State::Failed(error.clone());
                Err(error)
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// The failure, if there was one.
    fn check(&self) -> Result<()> {
        match &*self.process.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Failed(error) => Err(error.clone()),
            State::Idle | State::Running(_) => Ok(()),
        }
    }
}

impl Dynamics for Program {
    fn dimension(&self) -> usize {
        self.settings.dimension
    }

    fn parameters(&self) -> usize {
        self.settings.parameters
    }

    fn solve(&self, ensemble: &Ensemble<'_>, method: Method) -> Result<Solution> {
        solve_groups(self, ensemble, method)
    }

    fn step(
        &self,
        scheme: Scheme,
        at: [f64; 2],
        u: &[Lanes],
        p: &[Lanes],
        slopes: &mut [Lanes],
        next: &mut [Lanes],
    ) {
        let meeting = Meeting::new(self, 1);
        Member::new(self, &meeting).step(scheme, at, u, p, slopes, next);
    }

    fn slopes(&self, t: Lanes, u: &[Lanes], p: &[Lanes], slopes: &mut [Lanes]) {
        let meeting = Meeting::new(self, 1);
        Member::new(self, &meeting).slopes(t, u, p, slopes);
    }

    fn run(&self, jobs: Vec<Job<'_>>) -> Result<()> {
        let threads = jobs.len().min(THREADS);
        let waiting = Mutex::new(jobs.into_iter());
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = |meeting: &Meeting<'_>| {
            let _seat = Seat::new(meeting);
            let member = Member::new(self, meeting);
            while let Some(job) = next() {
                job(&member);
            }
        };
        // Threads of a pool, as solvers that run on others would wait for those of the common one.
        let pool = (threads > 1)
            .then(|| rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok())
            .flatten();
        match pool {
            Some(pool) => {
                let meeting = Meeting::new(self, threads);
                pool.broadcast(|_| work(&meeting));
            }
            None => work(&Meeting::new(self, 1)),
        }
        self.check()
    }
}

/// Solves groups of as many trajectories as there are lanes, each as a job.
fn solve_groups(
    system: &dyn Dynamics,
    ensemble: &Ensemble<'_>,
    method: Method,
) -> Result<Solution> {
    let (d, p) = (system.dimension(), system.parameters());
    let n = ensemble.check(d, p)?;
    let group = |system: &dyn Dynamics, group: usize| {
        let members = group * LANES..n.min((group + 1) * LANES);
        let part = Ensemble {
            initial: &ensemble.initial[members.start * d..members.end * d],
            parameters: &ensemble.parameters[members.start * p..members.end * p],
            ..*ensemble
        };
        system.solve(&part, method)
    };
    // Without trajectories there is an empty group.
    let mut groups = each(system, n.div_ceil(LANES).max(1), &group)?.into_iter();
    let mut all = match groups.next() {
        Some(first) => first?,
        None => return Err(Error::Shape { what: "groups", found: 0, expected: 1 }),
    };
    for group in groups {
        let Solution { states, status, end, last, evaluations, crossings } = group?;
        all.states.extend(states);
        all.status.extend(status);
        all.end.extend(end);
        all.last.extend(last);
        all.evaluations.extend(evaluations);
        all.crossings.extend(crossings);
    }
    Ok(all)
}
