//! Steps as large as the error allows, for each trajectory its own.

use pulp::Simd;

use super::{
    Tolerance,
    control::Control,
    pair::Pair,
    waiting::{Waiting, gather},
    work::Work,
};
use crate::{LANES, Lanes, Status, System};

/// A step that was tried in vain ends a trajectory if even this share of it ...
const SHORTER: f64 = 0.2;
/// ... would be below this many units in the last place of the time.
const SMALLEST: f64 = 8.0 * f64::EPSILON;
/// Halvings of a step in search of an event.
const HALVINGS: usize = 60;

/// Solves with the steps that a pair of methods finds.
#[inline(always)]
pub(super) fn adaptive<V: Simd, S: System, P: Pair<S>>(
    simd: V,
    system: &S,
    tolerance: Tolerance,
    work: &mut Work<'_>,
) {
    let mut waiting = Waiting::new(system, work);
    let (mut lanes, mut pair) = (Filled::new(system, work), P::new(system));
    let mut ended = [true; LANES];
    loop {
        lanes.t = Lanes::splat(f64::NAN).select(ended, lanes.t);
        for lane in (0..LANES).filter(|&lane| ended[lane]) {
            let Some(next) = waiting.pop(system, P::ORDER, tolerance, work) else { break };
            lanes.fill(system, &mut pair, lane, &waiting, next, work);
        }
        if !any(&lanes.runs) {
            return;
        }
        ended = lanes.step(simd, system, &mut pair, tolerance, work);
    }
}

/// Trajectories in lanes.
struct Filled<S: System> {
    /// Which lanes have one.
    runs: [bool; LANES],
    trajectories: [usize; LANES],
    /// Index of the next time whose state is wanted.
    time: [usize; LANES],
    /// That time, or infinity after the last.
    wanted: Lanes,
    /// Steps, those that were tried in vain included.
    steps: [u64; LANES],
    /// Those whose inside was computed.
    dense: [u64; LANES],
    t: Lanes,
    h: Lanes,
    u: S::State,
    p: Vec<Lanes>,
    control: Control,
    /// A state inside a step.
    inside: S::State,
    /// Values of the events at the beginning of the step.
    events: Vec<Lanes>,
}

/// `f` of each lane.
#[inline(always)]
fn each(f: impl Fn(usize) -> bool) -> [bool; LANES] {
    let mut mask = [false; LANES];
    for (lane, mask) in mask.iter_mut().enumerate() {
        *mask = f(lane);
    }
    mask
}

/// Whether any lane is.
#[inline(always)]
fn any(mask: &[bool; LANES]) -> bool {
    mask.iter().fold(false, |any, lane| any | lane)
}

impl<S: System> Filled<S> {
    fn new(system: &S, work: &Work<'_>) -> Self {
        Self {
            runs: [false; LANES],
            trajectories: [0; LANES],
            time: [0; LANES],
            wanted: Lanes::splat(f64::INFINITY),
            steps: [0; LANES],
            dense: [0; LANES],
            t: Lanes::splat(f64::NAN),
            h: Lanes::ZERO,
            u: system.zero(),
            p: work.parameters(),
            control: Control::new(),
            inside: system.zero(),
            events: vec![Lanes::ZERO; system.events()],
        }
    }

    /// Gives a lane the trajectory that waited in another.
    fn fill<P: Pair<S>>(
        &mut self,
        system: &S,
        pair: &mut P,
        lane: usize,
        waiting: &Waiting<S>,
        (trajectory, from): (usize, usize),
        work: &Work<'_>,
    ) {
        let copy = |into: &mut [Lanes], values: &[Lanes]| {
            into.iter_mut().zip(values).for_each(|(into, value)| into.0[lane] = value.0[from]);
        };
        copy(self.u.as_mut(), waiting.u.as_ref());
        copy(&mut self.p, &waiting.p);
        copy(pair.first().as_mut(), waiting.slope.as_ref());
        self.h.0[lane] = waiting.h.0[from];
        self.t.0[lane] = work.start;
        self.control.begin(lane);
        self.runs[lane] = true;
        self.trajectories[lane] = trajectory;
        self.time[lane] = work.first();
        self.wanted.0[lane] = work.time(work.first());
        (self.steps[lane], self.dense[lane]) = (0, 0);
        for event in 0..self.events.len() {
            let value = system.event(event, self.t, &self.u, &self.p);
            self.events[event].0[lane] = value.0[lane];
        }
    }

    /// Tries a step in all lanes; which trajectories ended.
    #[inline(always)]
    fn step<V: Simd, P: Pair<S>>(
        &mut self,
        simd: V,
        system: &S,
        pair: &mut P,
        tolerance: Tolerance,
        work: &mut Work<'_>,
    ) -> [bool; LANES] {
        let last = work.times.last().copied().unwrap_or(work.start);
        let room = Lanes::splat(last) - self.t;
        let h = self.h.min(room);
        let error = pair.attempt(simd, system, (self.t, h), &self.u, &self.p, tolerance);
        // The last step ends at the last time, not a rounding beside it.
        let whole = each(|lane| h.0[lane] == room.0[lane]);
        let to = Lanes::splat(last).select(whole, self.t + h);
        let watched = !self.events.is_empty();
        // Lanes that take the step, and those that want states inside it.
        let taken: [bool; LANES] = each(|lane| self.runs[lane] & (error.0[lane] <= 1.0));
        let inside: [bool; LANES] =
            each(|lane| taken[lane] & (watched | (self.wanted.0[lane] < to.0[lane])));
        for (lane, inside) in inside.iter().enumerate() {
            self.steps[lane] += 1;
            self.dense[lane] += u64::from(*inside);
        }
        let between = any(&inside);
        if between {
            pair.dense(simd, system, (self.t, h), &self.u, &self.p);
        }
        let mut stopped = [None; LANES];
        let mut until = to;
        if watched {
            stopped = self.watch(simd, system, pair, taken, [h, to], work);
            for (lane, stopped) in stopped.iter().enumerate() {
                if let Some((_, theta)) = stopped {
                    until.0[lane] = self.t.0[lane] + theta * h.0[lane];
                }
            }
        }
        self.write(simd, pair, work, taken, between, [h, to, until]);
        let mut ended = [false; LANES];
        for lane in 0..LANES {
            let Some((event, theta)) = stopped[lane] else { continue };
            pair.between(simd, &self.u, h, Lanes::splat(theta), &mut self.inside);
            let state = self.inside.as_ref().iter().map(|u| u.0[lane]);
            work.reach(self.trajectories[lane], until.0[lane], state);
            self.finish::<P>(work, lane, Status::Event(event));
            ended[lane] = true;
        }
        for (u, end) in self.u.as_mut().iter_mut().zip(pair.end().as_ref()) {
            *u = end.select(taken, *u);
        }
        self.t = to.select(taken, self.t);
        self.h = h * self.control.ratio(error, P::ORDER);
        pair.advance(taken);
        // Lanes that took their last step, or for which a shorter one makes no sense.
        let done: [bool; LANES] = each(|lane| taken[lane] & (self.wanted.0[lane] == f64::INFINITY));
        let stuck: [bool; LANES] = each(|lane| {
            let least = SMALLEST * self.t.0[lane].abs() + f64::MIN_POSITIVE;
            // Also where the step is no number.
            let shortens = h.0[lane] * SHORTER > least;
            !taken[lane] & !shortens
        });
        let over: [bool; LANES] = each(|lane| {
            let late = self.steps[lane] >= tolerance.max_steps;
            self.runs[lane] & (done[lane] | stuck[lane] | late)
        });
        if any(&over) {
            for lane in 0..LANES {
                let status = match () {
                    () if !over[lane] => continue,
                    () if done[lane] => Status::Finished,
                    () if stuck[lane] && error.0[lane].is_finite() => Status::TooSmallSteps,
                    () if stuck[lane] => Status::Diverged,
                    () => Status::MaxSteps,
                };
                let state = self.u.as_ref().iter().map(|u| u.0[lane]);
                work.reach(self.trajectories[lane], self.t.0[lane], state);
                self.finish::<P>(work, lane, status);
                ended[lane] = true;
            }
        }
        ended
    }

    /// Writes the states at the times that a step passed.
    #[inline(always)]
    fn write<V: Simd, P: Pair<S>>(
        &mut self,
        simd: V,
        pair: &P,
        work: &mut Work<'_>,
        taken: [bool; LANES],
        between: bool,
        [h, to, until]: [Lanes; 3],
    ) {
        loop {
            let due: [bool; LANES] =
                each(|lane| taken[lane] & (self.wanted.0[lane] <= until.0[lane]));
            if !any(&due) {
                return;
            }
            if between {
                let theta = (self.wanted - self.t) / h;
                pair.between(simd, &self.u, h, theta, &mut self.inside);
            }
            for lane in (0..LANES).filter(|&lane| due[lane]) {
                let into = work.state(self.trajectories[lane], self.time[lane]);
                match self.wanted.0[lane] == to.0[lane] {
                    true => gather(pair.end(), lane, into),
                    false => gather(&self.inside, lane, into),
                }
                self.time[lane] += 1;
                self.wanted.0[lane] = work.time(self.time[lane]);
            }
        }
    }

    /// Empties a lane.
    fn finish<P: Pair<S>>(&mut self, work: &mut Work<'_>, lane: usize, status: Status) {
        // Two for the first step.
        let steps = self.steps[lane] * P::cost(work.dimension);
        let evaluations = 2 + steps + self.dense[lane] * P::DENSE_COST;
        work.finish(self.trajectories[lane], status, evaluations);
        self.runs[lane] = false;
        self.wanted.0[lane] = f64::INFINITY;
    }

    /// The first event in a step of each lane that stops it, and where, in shares of the step. Notes all
    /// events up to there.
    fn watch<V: Simd, P: Pair<S>>(
        &mut self,
        simd: V,
        system: &S,
        pair: &P,
        taken: [bool; LANES],
        [h, to]: [Lanes; 2],
        work: &mut Work<'_>,
    ) -> [Option<(usize, f64)>; LANES] {
        let mut stopped: [Option<(usize, f64)>; LANES] = [None; LANES];
        let mut found = Vec::new();
        for event in 0..self.events.len() {
            let (before, watch) = (self.events[event], system.watch(event));
            let after = system.event(event, to, pair.end(), &self.p);
            let crosses =
                each(|lane| taken[lane] & watch.direction.crosses(before.0[lane], after.0[lane]));
            self.events[event] = after.select(taken, before);
            if !any(&crosses) {
                continue;
            }
            let theta = self.zero(simd, system, pair, (event, before), h);
            for lane in (0..LANES).filter(|&lane| crosses[lane]) {
                let theta = theta.0[lane];
                if watch.stops && stopped[lane].is_none_or(|(_, first)| theta < first) {
                    stopped[lane] = Some((event, theta));
                }
                found.push((lane, event, theta));
            }
        }
        for (lane, event, theta) in found {
            if stopped[lane].is_none_or(|(_, first)| theta <= first) {
                let time = self.t.0[lane] + theta * h.0[lane];
                work.cross(self.trajectories[lane], (event, self.events.len()), time);
            }
        }
        stopped
    }

    /// Where an event that had these values at the beginning of a step has a zero, in shares of it, in
    /// each lane that has one.
    fn zero<V: Simd, P: Pair<S>>(
        &mut self,
        simd: V,
        system: &S,
        pair: &P,
        (event, before): (usize, Lanes),
        h: Lanes,
    ) -> Lanes {
        let (mut low, mut high) = (Lanes::ZERO, Lanes::splat(1.0));
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            pair.between(simd, &self.u, h, middle, &mut self.inside);
            let value = system.event(event, self.t + middle * h, &self.inside, &self.p);
            let later = each(|lane| before.0[lane] * value.0[lane] > 0.0);
            low = middle.select(later, low);
            high = high.select(later, middle);
        }
        high
    }
}
