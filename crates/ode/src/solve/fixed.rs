//! Methods with equal steps.

use super::{
    pair::{Row, combine},
    work::Work,
};
use crate::{LANES, Lanes, Status, System};

/// An explicit Runge–Kutta method.
pub(super) trait Explicit {
    /// What each stage after the first adds up of the ones before.
    const A: &'static [Row];
    /// What the step adds up.
    const B: Row;
    /// When each stage is, in shares of the step.
    const C: &'static [f64];
}

pub(super) struct Euler;

impl Explicit for Euler {
    const A: &'static [Row] = &[];
    const B: Row = &[(0, 1.0)];
    const C: &'static [f64] = &[0.0];
}

pub(super) struct Heun;

impl Explicit for Heun {
    const A: &'static [Row] = &[&[(0, 1.0)]];
    const B: Row = &[(0, 0.5), (1, 0.5)];
    const C: &'static [f64] = &[0.0, 1.0];
}

pub(super) struct Rk4;

impl Explicit for Rk4 {
    const A: &'static [Row] = &[&[(0, 0.5)], &[(1, 0.5)], &[(2, 1.0)]];
    const B: Row = &[(0, 1.0 / 6.0), (1, 1.0 / 3.0), (2, 1.0 / 3.0), (3, 1.0 / 6.0)];
    const C: &'static [f64] = &[0.0, 0.5, 0.5, 1.0];
}

/// Solves with `steps` equal steps between two times.
#[inline(always)]
pub(super) fn fixed<S: System, E: Explicit>(system: &S, steps: usize, work: &mut Work<'_>) {
    let mut u = system.zero();
    let (mut p, mut next) = (work.parameters(), u.clone());
    let mut k = vec![u.clone(); E::C.len()];
    for first in (0..work.count()).step_by(LANES) {
        let count = LANES.min(work.count() - first);
        let mut ended = [true; LANES];
        for (lane, ended) in ended.iter_mut().enumerate().take(count) {
            work.load(first + lane, lane, u.as_mut(), &mut p);
            *ended = false;
        }
        let (mut from, mut evaluations) = (work.start, 0);
        for time in 0..work.times.len() {
            let to = work.times[time];
            let h = (to - from) / steps as f64;
            if h > 0.0 {
                for step in 0..steps {
                    let t = from + step as f64 * h;
                    for stage in 0..E::C.len() {
                        let at = Lanes::splat(t + E::C[stage] * h);
                        if stage == 0 {
                            system.rhs(at, &u, &p, &mut k[0]);
                        } else {
                            combine(&u, Lanes::splat(h), E::A[stage - 1], &k, &mut next);
                            system.rhs(at, &next, &p, &mut k[stage]);
                        }
                    }
                    combine(&u, Lanes::splat(h), E::B, &k, &mut next);
                    std::mem::swap(&mut u, &mut next);
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
