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

use std::{
    collections::BTreeMap, fs, num::ParseFloatError, path::Path, str::FromStr, time::Duration,
};

use exmex::{
    BinOp, Express, FlatEx, MakeOperators, MatchLiteral, Operator, literal_matcher_from_pattern,
};
use serde::Deserialize;

use crate::{
    Dynamics, Ensemble, Error, Lanes, Method, Program, Ranges, Result, Scheme, Solution, System,
    dynamics::Job, program,
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
    right: Right,
}

/// A right-hand side.
#[derive(Debug)]
enum Right {
    Equations(Equations),
    Program(Program),
}

/// Equations as a system.
#[derive(Debug)]
struct Equations {
    /// Number of parameters.
    parameters: usize,
    /// One for each component.
    all: Vec<Equation>,
}

/// One component of the right-hand side.
#[derive(Clone, Debug)]
struct Equation {
    expression: FlatEx<Lanes, Functions, Numbers>,
    /// What each of its variables is.
    variables: Vec<Variable>,
}

#[derive(Clone, Copy, Debug)]
enum Variable {
    Time,
    State(usize),
    Parameter(usize),
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
            right: Right::Equations(Equations { parameters: 0, all: Vec::new() }),
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
        let right = match (&file.equations, file.program) {
            (Some(equations), None) => {
                known("equations", equations.keys().collect())?;
                let mut all = Vec::new();
                for state in &system.states {
                    let text = equations.get(state).ok_or_else(|| missing("equations", state))?;
                    let equation = system.equation(text);
                    all.push(
                        equation.map_err(|reason| fail(format!("equations.{state}: {reason}")))?,
                    );
                }
                Right::Equations(Equations { parameters: system.parameters.len(), all })
            }
            (None, Some(table)) => {
                let seconds = table.timeout.unwrap_or(TIMEOUT);
                let timeout = Duration::try_from_secs_f64(seconds).ok();
                let timeout = timeout.filter(|timeout| !timeout.is_zero() && seconds < 1e9);
                if table.command.is_empty() {
                    return Err(fail("program.command: empty; name a program first".into()));
                }
                Right::Program(Program::new(program::Settings {
                    command: table.command,
                    directory: path.parent().unwrap_or(Path::new("")).to_owned(),
                    timeout: timeout.ok_or_else(|| {
                        fail(format!("program.timeout: {seconds} is no time in seconds above 0"))
                    })?,
                    dimension: system.states.len(),
                    parameters: system.parameters.len(),
                }))
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
        let names = self.states.iter().chain(&self.parameters);
        let taken: Vec<&str> = Functions::make().iter().map(Operator::repr).collect();
        let mut seen = Vec::new();
        for name in names {
            let letters = name.chars().all(|c| c.is_alphanumeric() || c == '_');
            if !letters || name.chars().next().is_none_or(|c| c.is_numeric()) {
                return Err(format!("{name:?} is no name: letters, digits and _, no digit first"));
            }
            if name == "t" || taken.contains(&name.as_str()) {
                return Err(format!("{name} means something already; choose another name"));
            }
            if seen.contains(&name) {
                return Err(format!("{name} is there twice"));
            }
            seen.push(name);
        }
        Ok(())
    }

    fn equation(&self, text: &str) -> std::result::Result<Equation, String> {
        if let Some(power) = unclear_power(text) {
            return Err(format!(
                "{text:?} can be read in two ways at {power:?}: use brackets, as in -(x^2), (-x)^2 or \
                 x^(y^z)"
            ));
        }
        let expression =
            FlatEx::parse(text).map_err(|error| format!("{text:?} cannot be read: {error}"))?;
        let variable = |name: &String| {
            let state = || self.states.iter().position(|state| state == name);
            let parameter = || self.parameters.iter().position(|other| other == name);
            (name == "t")
                .then_some(Variable::Time)
                .or_else(|| state().map(Variable::State))
                .or_else(|| parameter().map(Variable::Parameter))
                .ok_or_else(|| format!("{text:?} has {name}, which is no state, parameter or t"))
        };
        let variables =
            expression.var_names().iter().map(variable).collect::<std::result::Result<_, _>>()?;
        Ok(Equation { expression, variables })
    }
}

/// A power with a sign or another power before it, which the parser takes first and mathematics
/// last; as far as the `^`.
fn unclear_power(text: &str) -> Option<&str> {
    text.match_indices('^').map(|(at, _)| &text[..=at]).find(|power| {
        let before = without_last_factor(&power[..power.len() - 1]).trim_end();
        let Some(before) = before.strip_suffix(['-', '+']) else { return before.ends_with('^') };
        // A sign, where there is nothing that could be subtracted from.
        before.trim_end().ends_with(|c| "(,+-*/^".contains(c)) || before.trim().is_empty()
    })
}

/// A text without the number, name, bracket or call it ends with.
fn without_last_factor(text: &str) -> &str {
    let word = |text: &'_ str| {
        text.trim_end_matches(|c: char| c.is_alphanumeric() || "_.".contains(c)).len()
    };
    let text = text.trim_end();
    let mut open = 0;
    for (at, c) in text.char_indices().rev() {
        open += i32::from(c == ')') - i32::from(c == '(');
        if open == 0 {
            return match c {
                '(' => &text[..word(&text[..at])],
                _ => &text[..word(text)],
            };
        }
    }
    ""
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
        let mut values = Vec::new();
        for (equation, du) in self.all.iter().zip(du) {
            values.clear();
            values.extend(equation.variables.iter().map(|variable| match variable {
                Variable::Time => t,
                Variable::State(i) => u[*i],
                Variable::Parameter(i) => p[*i],
            }));
            // It has as many values as variables, the only thing that can be wrong.
            let nothing = Lanes::splat(f64::NAN);
            *du = equation.expression.eval(&values).unwrap_or(nothing);
        }
    }
}

literal_matcher_from_pattern!(Numbers, r"^([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?");

/// What equations may use beside numbers, names and brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Functions;

impl MakeOperators<Lanes> for Functions {
    fn make<'a>() -> Vec<Operator<'a, Lanes>> {
        let binary = |apply, prio, is_commutative| BinOp { apply, prio, is_commutative };
        let (pi, e) = (std::f64::consts::PI, std::f64::consts::E);
        vec![
            Operator::make_bin_unary("+", binary(|a, b| a + b, 0, true), |a| a),
            Operator::make_bin_unary("-", binary(|a, b| a - b, 1, false), |a| -a),
            Operator::make_bin("*", binary(|a, b| a * b, 2, true)),
            Operator::make_bin("/", binary(|a, b| a / b, 3, false)),
            Operator::make_bin("^", binary(power, 4, false)),
            Operator::make_bin("min", binary(|a, b| a.zip(b, f64::min), 5, true)),
            Operator::make_bin("max", binary(|a, b| a.zip(b, f64::max), 5, true)),
            Operator::make_unary("abs", Lanes::abs),
            Operator::make_unary("sign", |a| a.map(|a| if a == 0.0 { 0.0 } else { a.signum() })),
            Operator::make_unary("floor", |a| a.map(f64::floor)),
            Operator::make_unary("sqrt", Lanes::sqrt),
            Operator::make_unary("exp", |a| a.map(f64::exp)),
            Operator::make_unary("log", |a| a.map(f64::ln)),
            Operator::make_unary("sin", Lanes::sin),
            Operator::make_unary("cos", Lanes::cos),
            Operator::make_unary("tan", |a| a.map(f64::tan)),
            Operator::make_unary("asin", |a| a.map(f64::asin)),
            Operator::make_unary("acos", |a| a.map(f64::acos)),
            Operator::make_unary("atan", |a| a.map(f64::atan)),
            Operator::make_unary("sinh", |a| a.map(f64::sinh)),
            Operator::make_unary("cosh", |a| a.map(f64::cosh)),
            Operator::make_unary("tanh", |a| a.map(f64::tanh)),
            Operator::make_constant("PI", Lanes::splat(pi)),
            Operator::make_constant("E", Lanes::splat(e)),
        ]
    }
}

/// Small whole powers are products, which is exact for negative numbers and fast.
fn power(base: Lanes, exponent: Lanes) -> Lanes {
    base.zip(exponent, |base, exponent| match exponent {
        2.0 => base * base,
        3.0 => base * base * base,
        _ => base.powf(exponent),
    })
}

impl FromStr for Lanes {
    type Err = ParseFloatError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        text.parse().map(Self::splat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tolerance, families};

    const PENDULUM: &str = r#"
        state = ["x", "v"]
        [equations]
        x = "v"
        v = "-b*v - c*sin(x) + A*cos(omega*t)"
        [initial]
        x = [-0.7, 0.7]
        v = 0.1
        [parameters]
        b = [0.1, 0.2]
        c = [1.0, 2.0]
        A = 0.15
        omega = 1e0
    "#;

    fn parse(text: &str) -> Result<TextSystem> {
        TextSystem::parse(Path::new("driven.toml"), text)
    }

    #[test]
    fn a_text_is_the_system_it_describes() {
        let system = parse(PENDULUM).unwrap();
        assert_eq!((system.name.as_str(), system.ranges.initial[1]), ("driven", [0.1, 0.1]));
        let names: Vec<&str> = system.parameters.iter().map(String::as_str).collect();
        assert_eq!(names, ["A", "b", "c", "omega"]);
        let family = families::find("driven").unwrap();
        let ours = [0.15, 0.1, 1.5, 1.0, 0.12, 0.2, 1.1, 0.7];
        let theirs = [0.1, 1.5, 0.15, 1.0, 0.2, 1.1, 0.12, 0.7];
        let (times, initial) = ([0.0, 1.0, 5.0], [0.3, 0.1, -0.5, 0.2]);
        let ensemble =
            |parameters| Ensemble { start: 0.0, times: &times, initial: &initial, parameters };
        for method in [Method::Rk4(50), Method::Tsit5(Tolerance::new(1e-9))] {
            let found = system.solve(&ensemble(&ours), method).unwrap();
            let expected = family.system.solve(&ensemble(&theirs), method).unwrap();
            for (found, expected) in found.states.iter().zip(&expected.states) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
    }

    #[test]
    fn equations_follow_the_rules_of_arithmetic() {
        for (text, expected) in [
            ("2 + 3*4", 14.0),
            ("7 - 3 - 2", 2.0),
            ("8 / 4 / 2", 1.0),
            ("8 / 4 * 2", 4.0),
            ("2*8/4", 4.0),
            ("1 - 2 + 3", 2.0),
            ("-(2^2) + 1 - 2^2", -7.0),
            ("(-2)^2 - (1 + 1)^(3)", -4.0),
            ("2^(3^2)", 512.0),
            ("3 - cos(0)^2", 2.0),
            ("2^-1", 0.5),
            ("1.5e-3 * 2", 3e-3),
            ("exp(0) + sqrt(16) - abs(-2)", 3.0),
            ("(-2)^3 + sign(-4)", -9.0),
            ("max(1, 2) * min(3, 4)", 6.0),
        ] {
            let toml = format!("state = [\"x\"]\n[equations]\nx = \"{text}\"\n[initial]\nx = 0");
            let system = parse(&toml);
            let mut du = vec![Lanes::ZERO];
            let Right::Equations(equations) = system.unwrap().right else { panic!("equations") };
            equations.rhs(Lanes::ZERO, &vec![Lanes::ZERO], &[], &mut du);
            assert_eq!(du[0], Lanes::splat(expected), "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, said) in [
            ("\"v\"\n", "\"v +\"\n", "equations.x: \"v +\" cannot be read"),
            ("*sin(x)", "*-x^2", "two ways at \"-b*v - c*-x^\""),
            ("-b*v", "- (b*v)^2", "two ways"),
            ("-b*v", "b^v ^2", "two ways"),
            ("-b*v", "-sin(b*(v))^2", "two ways"),
            ("*sin(x)", "*sin(q)", "has q, which is no state, parameter or t"),
            ("v = 0.1", "w = 0.1", "initial.w: state has no such component"),
            ("v = 0.1", "", "initial: nothing for v"),
            ("[0.1, 0.2]", "[0.2, 0.1]", "parameters.b: [0.2, 0.1] does not go"),
            ("[0.1, 0.2]", "\"fast\"", "expected a number, or two"),
            ("b = [", "sin = [", "sin means something already"),
            ("b = [", "x = [", "x is there twice"),
            ("state = [", "stat = [", "unknown field `stat`"),
            ("[\"x\", \"v\"]", "[]", "no component"),
            ("[equations]", "[program]\ncommand = [\"a\"]\n[equations]", "one of them is needed"),
            ("[\"x\", \"v\"]", "[\"x\", \"v\", \"2\"]", "\"2\" is no name"),
        ] {
            assert!(PENDULUM.contains(from), "{from}");
            let error = parse(&PENDULUM.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.starts_with("driven.toml: ") && error.contains(said), "{error}");
        }
        let error = TextSystem::load(Path::new("nowhere.toml")).unwrap_err().to_string();
        assert!(error.starts_with("nowhere.toml: "), "{error}");
    }
}
