//! Trajectories that wait for a lane.

use super::{Tolerance, work::Work};
use crate::{LANES, Lanes, Status, System};

/// The next trajectories, with their first slopes and steps, which are found for as many as there are
/// lanes at a time.
pub(super) struct Waiting<S: System> {
    /// The first that is not prepared.
    next: usize,
    /// Those that are.
    ready: Vec<usize>,
    /// How many of them have gone.
    gone: usize,
    pub u: S::State,
    pub p: Vec<Lanes>,
    pub slope: S::State,
    pub h: Lanes,
    /// Room for a state and its slope.
    ahead: [S::State; 2],
}

impl<S: System> Waiting<S> {
    pub(super) fn new(system: &S, work: &Work<'_>) -> Self {
        let zero = system.zero();
        Self {
            next: 0,
            ready: Vec::with_capacity(LANES),
            gone: 0,
            p: work.parameters(),
            slope: zero.clone(),
            h: Lanes::ZERO,
            ahead: [zero.clone(), zero.clone()],
            u: zero,
        }
    }

    /// The next trajectory and the lane here where it is.
    #[inline(always)]
    pub(super) fn pop(
        &mut self,
        system: &S,
        order: f64,
        tolerance: Tolerance,
        work: &mut Work<'_>,
    ) -> Option<(usize, usize)> {
        if self.gone == self.ready.len() {
            self.load(work);
            if self.ready.is_empty() {
                return None;
            }
            self.prepare(system, order, tolerance, work.start);
        }
        self.gone += 1;
        Some((self.ready[self.gone - 1], self.gone - 1))
    }

    /// Puts those into lanes that have something to do and somewhere to begin.
    fn load(&mut self, work: &mut Work<'_>) {
        self.ready.clear();
        self.gone = 0;
        let first = work.first();
        while self.ready.len() < LANES && self.next < work.count() {
            let (trajectory, lane) = (self.next, self.ready.len());
            self.next += 1;
            work.load(trajectory, lane, self.u.as_mut(), &mut self.p);
            if first > 0 {
                gather(&self.u, lane, work.state(trajectory, 0));
            }
            if first == work.times.len() {
                continue;
            }
            match self.u.as_ref().iter().all(|u| u.0[lane].is_finite()) {
                true => self.ready.push(trajectory),
                false => work.finish(trajectory, Status::Diverged, 0),
            }
        }
    }

    /// First slopes and steps (Hairer et al., section II.4).
    #[inline(always)]
    fn prepare(&mut self, system: &S, order: f64, tolerance: Tolerance, start: f64) {
        let Self { ready, u, p, slope, h, ahead: [ahead, later], .. } = self;
        let mut t = Lanes::splat(start);
        t.0[ready.len()..].fill(f64::NAN);
        system.rhs(t, u, p, slope);
        let (u, d) = (u.as_ref(), u.as_ref().len());
        let scale = |u: Lanes| Lanes::splat(tolerance.absolute) + tolerance.relative * u.abs();
        let norm = |values: &dyn Fn(usize) -> Lanes| {
            let total = (0..d).fold(Lanes::ZERO, |total, i| {
                let share = values(i) / scale(u[i]);
                total + share * share
            });
            (total / Lanes::splat(d as f64)).sqrt()
        };
        let (size, speed) = (norm(&|i| u[i]), norm(&|i| slope.as_ref()[i]));
        let guess = size.zip(speed, |size, speed| match size < 1e-5 || speed < 1e-5 {
            true => 1e-6,
            false => 0.01 * size / speed,
        });
        for (i, ahead) in ahead.as_mut().iter_mut().enumerate() {
            *ahead = u[i] + guess * slope.as_ref()[i];
        }
        system.rhs(t + guess, ahead, p, later);
        let bend = norm(&|i| later.as_ref()[i] - slope.as_ref()[i]) / guess;
        *h = speed.max(bend).zip(guess, |most, guess| {
            let step = match most <= 1e-15 {
                true => (guess * 1e-3).max(1e-6),
                false => (0.01 / most).powf(1.0 / order),
            };
            // Where the guess itself is no number, the error of the first step will tell.
            if step.is_finite() { step.min(100.0 * guess) } else { guess }
        });
    }
}

/// One lane's state.
pub(super) fn gather<T: AsRef<[Lanes]>>(u: &T, lane: usize, into: &mut [f64]) {
    into.iter_mut().zip(u.as_ref()).for_each(|(into, lanes)| *into = lanes.0[lane]);
}
