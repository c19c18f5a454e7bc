//! Pairs of methods: a step and an estimate of its error.

use super::Tolerance;
use crate::{LANES, Lanes, State, System};

/// Stages that are added up, and how much of each.
pub(super) type Row = &'static [(usize, f64)];

/// A method that knows how wrong its steps are, and the states between their ends.
pub(super) trait Pair<S: System> {
    /// The power of the step that its error grows with.
    const ORDER: f64;
    /// Evaluations of a step, but for the first stage, which is the last of the step before.
    const COST: u64;
    /// Evaluations for the states between the ends.
    const DENSE_COST: u64;

    fn new(system: &S) -> Self;

    /// The right-hand side at the beginning of the step.
    fn first(&mut self) -> &mut S::State;

    /// Tries a step of `h`; the error in shares of what is allowed.
    fn attempt(
        &mut self,
        system: &S,
        at: (Lanes, Lanes),
        u: &S::State,
        p: &[Lanes],
        tolerance: Tolerance,
    ) -> Lanes;

    /// The state at the end of the step that was tried.
    fn end(&self) -> &S::State;

    /// Prepares [`Pair::between`].
    fn dense(&mut self, system: &S, at: (Lanes, Lanes), u: &S::State, p: &[Lanes]);

    /// One lane's state after the share `theta` of the step of `h` from `u`.
    fn between(&self, u: &S::State, h: f64, lane: usize, theta: f64, into: &mut [f64]);

    /// Makes the end the beginning, in these lanes.
    fn advance(&mut self, lanes: [bool; LANES]);
}

/// `u + h Σ row k`.
#[inline(always)]
pub(super) fn combine<T: State>(u: &T, h: Lanes, row: Row, k: &[T], into: &mut T) {
    let (u, into) = (u.as_ref(), into.as_mut());
    for i in 0..u.len() {
        into[i] = u[i] + h * sum(row, k, i);
    }
}

/// `Σ row k` of one component.
#[inline(always)]
pub(super) fn sum<T: State>(row: Row, k: &[T], i: usize) -> Lanes {
    let term = |&(stage, share): &(usize, f64)| share * k[stage].as_ref()[i];
    let Some((first, others)) = row.split_first() else { return Lanes::ZERO };
    let mut sum = term(first);
    for other in others {
        sum += term(other);
    }
    sum
}

/// The error that is allowed in one component of a step from `u` to `v`.
#[inline(always)]
pub(super) fn allowed(tolerance: Tolerance, u: Lanes, v: Lanes) -> Lanes {
    Lanes::splat(tolerance.absolute) + tolerance.relative * u.abs().max(v.abs())
}
