//! Steps as large as the error allows, for each trajectory its own.

use std::array;

use super::{Tolerance, pair::Pair, work::Work};
use crate::{LANES, Lanes, State, Status, System};

/// How much smaller than the error would allow the next step is.
const SAFETY: f64 = 0.9;
/// Least and greatest ratio of two steps.
const RATIO: [f64; 2] = [0.2, 10.0];
/// Steps below this many units in the last place of the time are too small.
const SMALLEST: f64 = 8.0 * f64::EPSILON;
/// Halvings of a step in search of an event.
const HALVINGS: usize = 60;

/// A trajectory in a lane.
#[derive(Clone, Copy)]
struct Run {
    trajectory: usize,
    /// The next time whose state is wanted.
    time: usize,
    steps: u64,
    evaluations: u64,
    /// The error of the last step that was taken.
    before: f64,
    /// Whether the last step was tried in vain.
    refused: bool,
}

/// Solves with the steps that a pair of methods finds.
#[inline(always)]
pub(super) fn adaptive<S: System, P: Pair<S>>(
    system: &S,
    tolerance: Tolerance,
    work: &mut Work<'_>,
) {
    let mut lanes = Filled::new(system, work);
    let mut pair = P::new(system);
    loop {
        let fresh = lanes.fill(work);
        if fresh.contains(&true) {
            lanes.begin(system, &mut pair, tolerance, fresh);
        }
        if lanes.runs.iter().all(Option::is_none) {
            return;
        }
        lanes.step(system, &mut pair, tolerance, work);
    }
}

/// Trajectories in lanes.
struct Filled<S: System> {
    runs: [Option<Run>; LANES],
    /// The next trajectory that waits for a lane.
    next: usize,
    t: Lanes,
    h: Lanes,
    u: S::State,
    p: Vec<Lanes>,
    /// The state of one trajectory.
    state: Vec<f64>,
    /// Values of the events at the beginning of the step, `[events, LANES]`.
    events: Vec<Lanes>,
}

impl<S: System> Filled<S> {
    fn new(system: &S, work: &Work<'_>) -> Self {
        Self {
            runs: [None; LANES],
            next: 0,
            t: Lanes::ZERO,
            h: Lanes::ZERO,
            u: system.zero(),
            p: work.parameters(),
            state: vec![0.0; work.dimension],
            events: vec![Lanes::ZERO; system.events()],
        }
    }

    /// Gives empty lanes a trajectory, while there are some; which lanes got one.
    fn fill(&mut self, work: &mut Work<'_>) -> [bool; LANES] {
        let mut fresh = [false; LANES];
        for (lane, fresh) in fresh.iter_mut().enumerate() {
            while self.runs[lane].is_none() && self.next < work.count() {
                let trajectory = self.next;
                self.next += 1;
                work.load(trajectory, lane, self.u.as_mut(), &mut self.p);
                self.t.0[lane] = work.start;
                let mut time = 0;
                if work.times.first() == Some(&work.start) {
                    gather(&self.u, lane, work.state(trajectory, 0));
                    time = 1;
                }
                // Nothing to do, or nowhere to begin.
                if time == work.times.len() {
                    continue;
                }
                gather(&self.u, lane, &mut self.state);
                if !self.state.iter().all(|value| value.is_finite()) {
                    work.finish(trajectory, Status::Diverged, 0);
                    continue;
                }
                self.runs[lane] = Some(Run {
                    trajectory,
                    time,
                    steps: 0,
                    evaluations: 2,
                    before: 1e-4,
                    refused: false,
                });
                *fresh = true;
            }
        }
        fresh
    }

    /// First slopes and steps of fresh lanes (Hairer et al., section II.4).
    #[inline(always)]
    fn begin<P: Pair<S>>(
        &mut self,
        system: &S,
        pair: &mut P,
        tolerance: Tolerance,
        fresh: [bool; LANES],
    ) {
        let (mut slope, mut ahead) = (system.zero(), self.u.clone());
        system.rhs(self.t, &self.u, &self.p, &mut slope);
        for (first, slope) in pair.first().as_mut().iter_mut().zip(slope.as_ref()) {
            *first = slope.select(fresh, *first);
        }
        let scale = |u: Lanes| Lanes::splat(tolerance.absolute) + tolerance.relative * u.abs();
        let norm = |values: &dyn Fn(usize) -> Lanes| {
            let total = (0..self.u.as_ref().len()).fold(Lanes::ZERO, |total, i| {
                let share = values(i) / scale(self.u.as_ref()[i]);
                total + share * share
            });
            (total / Lanes::splat(self.u.as_ref().len() as f64)).sqrt()
        };
        let (size, speed) = (norm(&|i| self.u.as_ref()[i]), norm(&|i| slope.as_ref()[i]));
        let guess = size.zip(speed, |size, speed| match size < 1e-5 || speed < 1e-5 {
            true => 1e-6,
            false => 0.01 * size / speed,
        });
        for (ahead, slope) in ahead.as_mut().iter_mut().zip(slope.as_ref()) {
            *ahead += guess * *slope;
        }
        let mut later = system.zero();
        system.rhs(self.t + guess, &ahead, &self.p, &mut later);
        let bend = norm(&|i| later.as_ref()[i] - slope.as_ref()[i]) / guess;
        let step = speed.max(bend).zip(guess, |most, guess| {
            let step = match most <= 1e-15 {
                true => (guess * 1e-3).max(1e-6),
                false => (0.01 / most).powf(1.0 / P::ORDER),
            };
            // Where the guess itself is no number, the error of the first step will tell.
            if step.is_finite() { step.min(100.0 * guess) } else { guess }
        });
        self.h = step.select(fresh, self.h);
        for lane in (0..LANES).filter(|&lane| fresh[lane]) {
            self.note_events(system, lane);
        }
    }

    /// Values of the events where a lane stands.
    fn note_events(&mut self, system: &S, lane: usize) {
        if !self.events.is_empty() {
            gather(&self.u, lane, &mut self.state);
            let p: Vec<f64> = self.p.iter().map(|p| p.0[lane]).collect();
            for (event, value) in self.events.iter_mut().enumerate() {
                value.0[lane] = system.event(event, self.t.0[lane], &self.state, &p);
            }
        }
    }

    /// Tries a step in all lanes.
    #[inline(always)]
    fn step<P: Pair<S>>(
        &mut self,
        system: &S,
        pair: &mut P,
        tolerance: Tolerance,
        work: &mut Work<'_>,
    ) {
        let last = work.times.last().copied().unwrap_or(work.start);
        let room = Lanes::splat(last) - self.t;
        let h = self.h.min(room);
        let error = pair.attempt(system, (self.t, h), &self.u, &self.p, tolerance);
        let mut taken = [false; LANES];
        for ((run, taken), error) in self.runs.iter_mut().zip(&mut taken).zip(error.0) {
            if let Some(run) = run {
                run.steps += 1;
                run.evaluations += P::COST;
                *taken = error <= 1.0;
            }
        }
        // The last step ends at the last time, not a rounding beside it.
        let whole = array::from_fn(|lane| h.0[lane] == room.0[lane]);
        let to = Lanes::splat(last).select(whole, self.t + h);
        let watched = !self.events.is_empty();
        // Lanes that pass a time before the end of the step.
        let inside: [bool; LANES] = array::from_fn(|lane| {
            let time = self.runs[lane].and_then(|run| work.times.get(run.time));
            taken[lane] && (watched || time.is_some_and(|time| *time < to.0[lane]))
        });
        if inside.contains(&true) {
            pair.dense(system, (self.t, h), &self.u, &self.p);
            for (run, _) in self.runs.iter_mut().zip(inside).filter(|(_, inside)| *inside) {
                run.iter_mut().for_each(|run| run.evaluations += P::DENSE_COST);
            }
        }
        for (lane, &taken) in taken.iter().enumerate() {
            let Some(run) = self.runs[lane] else { continue };
            self.runs[lane] = match taken {
                true => self.take(system, pair, work, run, [lane as f64, h.0[lane], to.0[lane]]),
                false => self.refuse(work, run, lane, [h.0[lane], error.0[lane]]),
            };
            if let Some(run) = &mut self.runs[lane] {
                let ratio = ratio(error.0[lane], run, P::ORDER);
                self.h.0[lane] = h.0[lane] * ratio;
                run.refused = !taken;
                if taken {
                    run.before = error.0[lane].max(1e-4);
                }
                if run.steps >= tolerance.max_steps {
                    work.finish(run.trajectory, Status::MaxSteps, run.evaluations);
                    self.runs[lane] = None;
                }
            }
        }
        for (u, end) in self.u.as_mut().iter_mut().zip(pair.end().as_ref()) {
            *u = end.select(taken, *u);
        }
        self.t = to.select(taken, self.t);
        pair.advance(taken);
        if watched {
            for lane in (0..LANES).filter(|&lane| taken[lane]) {
                self.note_events(system, lane);
            }
        }
    }

    /// Writes what a step passed; the trajectory, unless it ends here.
    fn take<P: Pair<S>>(
        &mut self,
        system: &S,
        pair: &P,
        work: &mut Work<'_>,
        mut run: Run,
        [lane, h, to]: [f64; 3],
    ) -> Option<Run> {
        let lane = lane as usize;
        let from = self.t.0[lane];
        let ended = self.event(system, pair, lane, [h, to]);
        let until = ended.map_or(to, |(_, theta)| from + theta * h);
        while let Some(&time) = work.times.get(run.time).filter(|time| **time <= until) {
            let into = work.state(run.trajectory, run.time);
            match time == to {
                true => gather(pair.end(), lane, into),
                false => pair.between(&self.u, h, lane, (time - from) / h, into),
            }
            run.time += 1;
        }
        match ended {
            Some((_, theta)) => pair.between(&self.u, h, lane, theta, &mut self.state),
            None => gather(pair.end(), lane, &mut self.state),
        }
        work.reach(run.trajectory, until, self.state.iter().copied());
        let status = match ended {
            Some((event, _)) => Status::Event(event),
            None if run.time == work.times.len() => Status::Finished,
            None => return Some(run),
        };
        work.finish(run.trajectory, status, run.evaluations);
        None
    }

    /// The first event in a step, and where, in shares of the step.
    fn event<P: Pair<S>>(
        &mut self,
        system: &S,
        pair: &P,
        lane: usize,
        [h, to]: [f64; 2],
    ) -> Option<(usize, f64)> {
        if self.events.is_empty() {
            return None;
        }
        let (from, p) = (self.t.0[lane], self.p.iter().map(|p| p.0[lane]).collect::<Vec<_>>());
        let mut first: Option<(usize, f64)> = None;
        for event in 0..self.events.len() {
            let before = self.events[event].0[lane];
            gather(pair.end(), lane, &mut self.state);
            let after = system.event(event, to, &self.state, &p);
            // One that begins at zero has been.
            if before == 0.0 || before * after > 0.0 || after.is_nan() {
                continue;
            }
            let (mut low, mut high) = (0.0, 1.0);
            for _ in 0..HALVINGS {
                let middle = 0.5 * (low + high);
                pair.between(&self.u, h, lane, middle, &mut self.state);
                let value = system.event(event, from + middle * h, &self.state, &p);
                match before * value > 0.0 {
                    true => low = middle,
                    false => high = middle,
                }
            }
            if first.is_none_or(|(_, theta)| high < theta) {
                first = Some((event, high));
            }
        }
        first
    }

    /// A step in vain; the trajectory, unless smaller ones make no sense.
    fn refuse(
        &self,
        work: &mut Work<'_>,
        run: Run,
        lane: usize,
        [h, error]: [f64; 2],
    ) -> Option<Run> {
        if h * RATIO[0] > (SMALLEST * self.t.0[lane].abs()).max(f64::MIN_POSITIVE) {
            return Some(run);
        }
        let status = match error.is_finite() {
            true => Status::TooSmallSteps,
            false => Status::Diverged,
        };
        work.finish(run.trajectory, status, run.evaluations);
        None
    }
}

/// The next step over this one: a proportional and integral controller (Hairer & Wanner, *Solving
/// Ordinary Differential Equations II*, section IV.2).
fn ratio(error: f64, run: &Run, order: f64) -> f64 {
    let [least, greatest] = RATIO;
    if !error.is_finite() {
        return least;
    }
    let error_now = error.max(1e-10);
    if error > 1.0 {
        return (SAFETY * error_now.powf(-1.0 / order)).max(least).min(1.0);
    }
    let ratio = SAFETY * error_now.powf(-0.7 / order) * run.before.powf(0.4 / order);
    ratio.clamp(least, if run.refused { 1.0 } else { greatest })
}

/// One lane's state.
fn gather<T: State>(u: &T, lane: usize, into: &mut [f64]) {
    into.iter_mut().zip(u.as_ref()).for_each(|(into, lanes)| *into = lanes.0[lane]);
}
