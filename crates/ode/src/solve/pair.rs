//! Pairs of methods: a step and an estimate of its error.

use pulp::Simd;

use super::Tolerance;
use crate::{LANES, Lanes, State, System};

/// Stages that are added up, and how much of each.
pub(super) type Row = &'static [(usize, f64)];

/// A method that knows how wrong its steps are, and the states between their ends.
pub(super) trait Pair<S: System> {
    /// The power of the step that its error grows with.
    const ORDER: f64;
    /// Evaluations for the states between the ends.
    const DENSE_COST: u64;

    /// Evaluations of a step, but for the first stage where that is the last of the step before, for a
    /// system of so many components.
    fn cost(dimension: usize) -> u64;

    fn new(system: &S) -> Self;

    /// The right-hand side at the beginning of the step.
    fn first(&mut self) -> &mut S::State;

    /// Tries a step of `h`; the square of the error in shares of what is allowed.
    fn attempt<V: Simd>(
        &mut self,
        simd: V,
        system: &S,
        at: (Lanes, Lanes),
        u: &S::State,
        p: &[Lanes],
        tolerance: Tolerance,
    ) -> Lanes;

    /// The state at the end of the step that was tried.
    fn end(&self) -> &S::State;

    /// Prepares [`Pair::between`].
    fn dense<V: Simd>(
        &mut self,
        simd: V,
        system: &S,
        at: (Lanes, Lanes),
        u: &S::State,
        p: &[Lanes],
    );

    /// The state after the share `theta` of the step of `h` from `u`.
    fn between<V: Simd>(&self, simd: V, u: &S::State, h: Lanes, theta: Lanes, into: &mut S::State);

    /// Makes the end the beginning, in these lanes.
    fn advance(&mut self, lanes: [bool; LANES]);
}

// What follows names the registers: of the loops over lanes and components compilers make gathers.

/// `u + h Σ row k`.
#[inline(always)]
pub(super) fn combine<V: Simd, T: State>(
    simd: V,
    u: &T,
    h: &Lanes,
    row: Row,
    k: &[T],
    into: &mut T,
) {
    let (u, into) = (u.as_ref(), into.as_mut());
    for i in 0..u.len() {
        let (u, h) = (registers::<V>(&u[i]), registers::<V>(h));
        for (r, into) in V::as_mut_simd_f64s(&mut into[i].0).0.iter_mut().enumerate() {
            *into = simd.add_f64s(u[r], simd.mul_f64s(h[r], register(simd, row, k, i, r)));
        }
    }
}

/// `Σ row k` of one component.
#[inline(always)]
pub(super) fn sum<V: Simd, T: State>(simd: V, row: Row, k: &[T], i: usize) -> Lanes {
    let mut sum = Lanes::ZERO;
    for (r, sum) in V::as_mut_simd_f64s(&mut sum.0).0.iter_mut().enumerate() {
        *sum = register(simd, row, k, i, r);
    }
    sum
}

/// One register of `Σ row k`.
#[inline(always)]
fn register<V: Simd, T: State>(simd: V, row: Row, k: &[T], i: usize, r: usize) -> V::f64s {
    let term = |&(stage, share): &(usize, f64)| {
        simd.mul_f64s(simd.splat_f64s(share), registers::<V>(&k[stage].as_ref()[i])[r])
    };
    let Some((first, others)) = row.split_first() else { return simd.splat_f64s(0.0) };
    let mut sum = term(first);
    for other in others {
        sum = simd.add_f64s(sum, term(other));
    }
    sum
}

/// The registers of lanes.
#[inline(always)]
pub(super) fn registers<V: Simd>(lanes: &Lanes) -> &[V::f64s] {
    V::as_simd_f64s(&lanes.0).0
}

/// The error that is allowed in one component of a step from `u` to `v`.
#[inline(always)]
pub(super) fn allowed(tolerance: Tolerance, u: Lanes, v: Lanes) -> Lanes {
    Lanes::splat(tolerance.absolute) + tolerance.relative * u.abs().max(v.abs())
}
