//! Systems as text: equations that a person wrote.
//!
//! ```toml
//! name = "roessler"
//! state = ["x", "y", "z"]
//!
//! [equations]                  # of t, the state and the parameters
//! x = "-y - z"
//! y = "x + a * y"
//! z = "b + z * (x - c)"
//!
//! [initial]                    # numbers, or from where to where they are drawn
//! x = [-1.0, 1.0]
//! y = 0.0
//! z = 0.0
//!
//! [parameters]
//! a = [0.1, 0.3]
//! b = 0.2
//! c = 5.7
//! ```
//!
//! `time = [0.0, 20.0]`, above the tables, says from when to when it is solved if nothing else does.
//!
//! Instead of equations there may be a [`program`] that evaluates the right-hand side,
//! run in the file's directory, and how many seconds each answer may take (30 if it does not say):
//!
//! ```toml
//! [program]
//! command = ["python3", "roessler.py"]
//! timeout = 60.0
//! ```
//!
//! Parameters are in the order of their names, states in that of `state`.
//!
//! Methods that choose their steps can watch for zeros of expressions, `rising`, `falling` or `either`
//! if it does not say; the first ends the trajectory unless `stop` is false:
//!
//! ```toml
//! [events]
//! ground = { when = "z", direction = "falling" }
//! noon = { when = "sin(t)", direction = "rising", stop = false }
//! ```

mod events;
mod expression;

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use serde::Deserialize;

pub use self::events::Events;
use self::{
    events::Entry,
    expression::{Expression, is_taken},
};
use crate::{
    Dynamics, Ensemble, Error, Lanes, Method, Program, Ranges, Result, Scheme, Solution, System,
    dynamics::Job, event::Watch, program,
};

/// How long an answer of a program may take, in seconds, if the file does not say.
const TIMEOUT: f64 = 30.0;

/// A system that was read from a text, its equations compiled once.
#[derive(Debug)]
pub struct TextSystem {
    /// Its name.
    pub name: String,
    /// The names of the components of its state.
    pub states: Vec<String>,
    /// The names of its parameters.
    pub parameters: Vec<String>,
    /// From where to where first states and parameters are drawn; both ends are equal where there is
    /// one number.
    pub ranges: Ranges,
    /// From when to when it is solved, if it says so.
    pub time: Option<[f64; 2]>,
    /// The names of its events.
    pub events: Vec<String>,
    right: Right,
}

/// A right-hand side.
#[derive(Debug)]
enum Right {
    Equations(Equations),
    Program(Program),
}

/// Equations as a system.
#[derive(Debug, Default)]
struct Equations {
    /// Number of parameters.
    parameters: usize,
    /// One for each component.
    all: Vec<Expression>,
    events: Events,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    state: Vec<String>,
    equations: Option<BTreeMap<String, String>>,
    program: Option<Table>,
    initial: BTreeMap<String, Range>,
    #[serde(default)]
    parameters: BTreeMap<String, Range>,
    #[serde(default)]
    events: BTreeMap<String, Entry>,
    time: Option<[f64; 2]>,
}

/// A program.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    command: Vec<String>,
    timeout: Option<f64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "expected a number, or two: from where to where")]
enum Range {
    Fixed(f64),
    Drawn([f64; 2]),
}

impl TextSystem {
    /// Reads a system.
    ///
    /// # Errors
    /// If the file cannot be read, or see [`TextSystem::parse`].
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|source| Error::Io { path: path.to_owned(), reason: source.to_string() })?;
        Self::parse(path, &text)
    }

    /// As [`TextSystem::load`], from text; `path` is for messages.
    ///
    /// # Errors
    /// If a key is missing or unknown, a component has no equation or no first state, or an equation
    /// cannot be understood; the message names it.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let fail = |reason: String| Error::Text { path: path.to_owned(), reason };
        let file: File = toml::from_str(text).map_err(|error| fail(error.to_string()))?;
        let stem = || path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let mut system = Self {
            name: file.name.or_else(stem).unwrap_or_default(),
            states: file.state,
            parameters: file.parameters.keys().cloned().collect(),
            ranges: Ranges { initial: Vec::new(), parameters: Vec::new() },
            time: file.time,
            events: file.events.keys().cloned().collect(),
            right: Right::Equations(Equations::default()),
        };
        if system.states.is_empty() {
            return Err(fail("state: no component; at least one is needed".into()));
        }
        for (name, range) in &file.parameters {
            system.ranges.parameters.push(ends("parameters", name, *range).map_err(fail)?);
        }
        system.check_names().map_err(fail)?;
        if let Some(time) = file.time
            && !(time[0] < time[1] && time.iter().all(|time| time.is_finite()))
        {
            return Err(fail(format!("time: {time:?} does not go from a time to a later one")));
        }
        let known = |table: &str, keys: Vec<&String>| {
            let unknown = keys.into_iter().find(|key| !system.states.contains(key));
            match unknown {
                Some(key) => Err(fail(format!("{table}.{key}: state has no such component"))),
                None => Ok(()),
            }
        };
        let missing = |table: &str, state: &str| fail(format!("{table}: nothing for {state}"));
        known("initial", file.initial.keys().collect())?;
        let mut initial = Vec::new();
        for state in &system.states {
            let range = file.initial.get(state).ok_or_else(|| missing("initial", state))?;
            initial.push(ends("initial", state, *range).map_err(fail)?);
        }
        let expression = |text: &str| Expression::parse(text, &system.states, &system.parameters);
        let mut events = Events::default();
        for (name, entry) in &file.events {
            let when = expression(&entry.when);
            events.add(when.map_err(|reason| fail(format!("events.{name}: {reason}")))?, entry);
        }
        let right = match (&file.equations, file.program) {
            (Some(equations), None) => {
                known("equations", equations.keys().collect())?;
                let mut all = Vec::new();
                for state in &system.states {
                    let text = equations.get(state).ok_or_else(|| missing("equations", state))?;
                    all.push(
                        expression(text)
                            .map_err(|reason| fail(format!("equations.{state}: {reason}")))?,
                    );
                }
                Right::Equations(Equations { parameters: system.parameters.len(), all, events })
            }
            (None, Some(table)) => {
                let seconds = table.timeout.unwrap_or(TIMEOUT);
                let timeout = Duration::try_from_secs_f64(seconds).ok();
                let timeout = timeout.filter(|timeout| !timeout.is_zero() && seconds < 1e9);
                if table.command.is_empty() {
                    return Err(fail("program.command: empty; name a program first".into()));
                }
                let settings = program::Settings {
                    command: table.command,
                    directory: path.parent().unwrap_or(Path::new("")).to_owned(),
                    timeout: timeout.ok_or_else(|| {
                        fail(format!("program.timeout: {seconds} is no time in seconds above 0"))
                    })?,
                    dimension: system.states.len(),
                    parameters: system.parameters.len(),
                };
                Right::Program(Program::new(settings).watching(events))
            }
            (Some(_), Some(_)) => {
                return Err(fail("both equations and a program; one of them is needed".into()));
            }
            (None, None) => {
                return Err(fail("neither equations nor a program; one of them is needed".into()));
            }
        };
        system.ranges.initial = initial;
        system.right = right;
        Ok(system)
    }

    /// Names must be different, and none may already mean something.
    fn check_names(&self) -> std::result::Result<(), String> {
        let mut seen = Vec::new();
        for name in self.states.iter().chain(&self.parameters).chain(&self.events) {
            let letters = name.chars().all(|c| c.is_alphanumeric() || c == '_');
            if !letters || name.chars().next().is_none_or(|c| c.is_numeric()) {
                return Err(format!("{name:?} is no name: letters, digits and _, no digit first"));
            }
            if is_taken(name) {
                return Err(format!("{name} means something already; choose another name"));
            }
            if seen.contains(&name) {
                return Err(format!("{name} is there twice"));
            }
            seen.push(name);
        }
        Ok(())
    }
}

/// The ends of a range.
fn ends(table: &str, name: &str, range: Range) -> std::result::Result<[f64; 2], String> {
    let ends = match range {
        Range::Fixed(value) => [value; 2],
        Range::Drawn(ends) => ends,
    };
    match ends[0] <= ends[1] && ends.iter().all(|end| end.is_finite()) {
        true => Ok(ends),
        false => {
            Err(format!("{table}.{name}: {ends:?} does not go from a number to a greater one"))
        }
    }
}

impl TextSystem {
    /// Whether a program evaluates it.
    pub fn is_program(&self) -> bool {
        matches!(self.right, Right::Program(_))
    }

    fn right(&self) -> &dyn Dynamics {
        match &self.right {
            Right::Equations(equations) => equations,
            Right::Program(program) => program,
        }
    }
}

impl Dynamics for TextSystem {
    fn dimension(&self) -> usize {
        self.states.len()
    }

    fn parameters(&self) -> usize {
        self.parameters.len()
    }

    fn solve(&self, ensemble: &Ensemble<'_>, method: Method) -> Result<Solution> {
        self.right().solve(ensemble, method)
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
        self.right().step(scheme, at, u, p, slopes, next);
    }

    fn slopes(&self, t: Lanes, u: &[Lanes], p: &[Lanes], slopes: &mut [Lanes]) {
        self.right().slopes(t, u, p, slopes);
    }

    fn run(&self, jobs: Vec<Job<'_>>) -> Result<()> {
        self.right().run(jobs)
    }
}

impl System for Equations {
    type State = Vec<Lanes>;

    fn zero(&self) -> Self::State {
        vec![Lanes::ZERO; self.all.len()]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn rhs(&self, t: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        let mut room = Vec::new();
        for (equation, du) in self.all.iter().zip(du) {
            *du = equation.value(t, u, p, &mut room);
        }
    }

    fn events(&self) -> usize {
        self.events.len()
    }

    fn watch(&self, event: usize) -> Watch {
        self.events.watch(event)
    }

    fn event(&self, event: usize, t: Lanes, u: &Self::State, p: &[Lanes]) -> Lanes {
        self.events.value(event, t, u, p)
    }
}

#[cfg(test)]
mod tests;
