//! Expressions of the time, the state and the parameters.

use std::{num::ParseFloatError, str::FromStr};

use exmex::{
    BinOp, Express, FlatEx, MakeOperators, MatchLiteral, Operator, literal_matcher_from_pattern,
};

use crate::Lanes;

/// An expression, compiled once.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    flat: FlatEx<Lanes, Functions, Numbers>,
    /// What each of its variables is.
    variables: Vec<Variable>,
}

#[derive(Clone, Copy, Debug)]
enum Variable {
    Time,
    State(usize),
    Parameter(usize),
}

impl Expression {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, states: &[String], parameters: &[String]) -> Result<Self, String> {
        if let Some(power) = unclear_power(text) {
            return Err(format!(
                "{text:?} can be read in two ways at {power:?}: use brackets, as in -(x^2), (-x)^2 or \
                 x^(y^z)"
            ));
        }
        let flat =
            FlatEx::parse(text).map_err(|error| format!("{text:?} cannot be read: {error}"))?;
        let variable = |name: &String| {
            let state = || states.iter().position(|state| state == name);
            let parameter = || parameters.iter().position(|other| other == name);
            (name == "t")
                .then_some(Variable::Time)
                .or_else(|| state().map(Variable::State))
                .or_else(|| parameter().map(Variable::Parameter))
                .ok_or_else(|| format!("{text:?} has {name}, which is no state, parameter or t"))
        };
        let variables = flat.var_names().iter().map(variable).collect::<Result<_, _>>()?;
        Ok(Self { flat, variables })
    }

    /// Its value in each lane; `room` is for the values of its variables.
    pub fn value(&self, t: Lanes, u: &[Lanes], p: &[Lanes], room: &mut Vec<Lanes>) -> Lanes {
        room.clear();
        room.extend(self.variables.iter().map(|variable| match variable {
            Variable::Time => t,
            Variable::State(i) => u[*i],
            Variable::Parameter(i) => p[*i],
        }));
        // It has as many values as variables, the only thing that can be wrong.
        self.flat.eval(room).unwrap_or(Lanes::splat(f64::NAN))
    }
}

/// Whether a name means something in every expression.
pub(super) fn is_taken(name: &str) -> bool {
    name == "t" || Functions::make().iter().any(|function| function.repr() == name)
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
