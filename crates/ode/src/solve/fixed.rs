//! Methods with equal steps.

use std::array;

use super::{pair::Row, work::Work};
use crate::{LANES, Lanes, State, Status, System};

/// An explicit Runge–Kutta method.
pub(crate) trait Explicit {
    /// What each stage after the first adds up of the ones before.
    const A: &'static [Row];
    /// What the step adds up.
    const B: Row;
    /// When each stage is, in shares of the step.
    const C: &'static [f64];
}

pub(crate) struct Euler;

impl Explicit for Euler {
    const A: &'static [Row] = &[];
    const B: Row = &[(0, 1.0)];
    const C: &'static [f64] = &[0.0];
}

pub(crate) struct Heun;

impl Explicit for Heun {
    const A: &'static [Row] = &[&[(0, 1.0)]];
    const B: Row = &[(0, 0.5), (1, 0.5)];
    const C: &'static [f64] = &[0.0, 1.0];
}

pub(crate) struct Rk4;

impl Explicit for Rk4 {
    const A: &'static [Row] = &[&[(0, 0.5)], &[(1, 0.5)], &[(2, 1.0)]];
    const B: Row = &[(0, 1.0 / 6.0), (1, 1.0 / 3.0), (2, 1.0 / 3.0), (3, 1.0 / 6.0)];
    const C: &'static [f64] = &[0.0, 0.5, 0.5, 1.0];
}

/// Most stages of a method.
const STAGES: usize = 4;

/// Room for the slopes of all stages.
pub(crate) fn slopes<T: State>(zero: &T) -> [T; STAGES] {
    array::from_fn(|_| zero.clone())
}

/// The state after a step of `h` from `u`, and the slopes of its stages.
#[inline(always)]
pub(crate) fn step<S: System, E: Explicit>(
    system: &S,
    [t, h]: [f64; 2],
    u: &S::State,
    p: &[Lanes],
    k: &mut [S::State; STAGES],
    next: &mut S::State,
) {
    // Written out: a loop over stages would keep none of them in registers.
    stage::<S, E, 0>(system, [t, h], u, p, k, next);
    stage::<S, E, 1>(system, [t, h], u, p, k, next);
    stage::<S, E, 2>(system, [t, h], u, p, k, next);
    stage::<S, E, 3>(system, [t, h], u, p, k, next);
    add(u, h, E::B, k, next);
}

/// The slope of one stage, if there is one of this number; `inner` is overwritten.
#[inline(always)]
fn stage<S: System, E: Explicit, const STAGE: usize>(
    system: &S,
    [t, h]: [f64; 2],
    u: &S::State,
    p: &[Lanes],
    k: &mut [S::State; STAGES],
    inner: &mut S::State,
) {
    if STAGE == 0 {
        system.rhs(Lanes::splat(t), u, p, &mut k[0]);
    } else if STAGE < E::C.len() {
        add(u, h, E::A[STAGE - 1], k, inner);
        system.rhs(Lanes::splat(t + E::C[STAGE] * h), inner, p, &mut k[STAGE]);
    }
}

/// `u + h Σ row k`, with one step for all lanes.
#[inline(always)]
fn add<T: State>(u: &T, h: f64, row: Row, k: &[T; STAGES], into: &mut T) {
    let (u, into) = (u.as_ref(), into.as_mut());
    for i in 0..u.len() {
        let mut sum = u[i];
        for &(stage, share) in row {
            sum += (h * share) * k[stage].as_ref()[i];
        }
        into[i] = sum;
    }
}

/// Solves with `steps` equal steps between two times.
#[inline(always)]
pub(super) fn fixed<S: System, E: Explicit>(system: &S, steps: usize, work: &mut Work<'_>) {
    let mut u = system.zero();
    let (mut p, mut next) = (work.parameters(), u.clone());
    let mut k = slopes(&u);
    for first in (0..work.count()).step_by(LANES) {
        let count = LANES.min(work.count() - first);
        let mut ended = [true; LANES];
        for (lane, ended) in ended.iter_mut().enumerate().take(count) {
            work.load(first + lane, lane, u.as_mut(), &mut p);
            *ended = false;
        }
        u.as_mut().iter_mut().for_each(|lanes| lanes.0[count..].fill(f64::NAN));
        let (mut from, mut evaluations) = (work.start, 0);
        for time in 0..work.times.len() {
            let to = work.times[time];
            let h = (to - from) / steps as f64;
            if h > 0.0 {
                for index in 0..steps {
                    let t = from + index as f64 * h;
                    step::<S, E>(system, [t, h], &u, &p, &mut k, &mut next);
                    u.clone_from(&next);
                }
                evaluations += (steps * E::C.len()) as u64;
            }
            for lane in (0..count).filter(|&lane| !ended[lane]).collect::<Vec<_>>() {
                let state = || u.as_ref().iter().map(|lanes| lanes.0[lane]);
                if state().all(f64::is_finite) {
                    let into = work.state(first + lane, time);
                    into.iter_mut().zip(state()).for_each(|(into, value)| *into = value);
                    work.reach(first + lane, to, state());
                    work.finish(first + lane, Status::Finished, evaluations);
                } else {
                    ended[lane] = true;
                    work.finish(first + lane, Status::Diverged, evaluations);
                }
            }
            from = to;
        }
    }
}
