//! Coarse steps with their corrections, and what there is to learn of them.

use pulp::{Arch, Simd, WithSimd};

use super::{Coarse, Corrected, Corrector, Demos, Fitted, Normal, Rule, shape::Room};
use crate::{
    Dynamics, Ensemble, Error, LANES, Lanes, Result, Solution, Status,
    dynamics::{Job, each},
    solve::PART,
};

/// How many times further than along the demos two corrections may differ.
const APART: f64 = 3.0;
/// How far times may be from a grid, in shares of a step.
const CLOSE: f64 = 1e-6;

/// What a rule reads along one trajectory, and what the coarse step lacks there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lessons {
    /// `[steps, d, width]`
    pub numbers: Vec<f64>,
    /// `[steps, d]`
    pub lacks: Vec<f64>,
}

impl Corrector {
    /// Solves an ensemble coarsely and corrects each step.
    ///
    /// # Errors
    /// If the ensemble does not fit the system, its times are not those of the coarse steps, or the
    /// system cannot be evaluated.
    pub fn apply(&self, system: &dyn Dynamics, ensemble: &Ensemble<'_>) -> Result<Corrected> {
        let dimension = system.dimension();
        let n = ensemble.check(dimension, system.parameters())?;
        let times = ensemble.times.len();
        for (index, &time) in ensemble.times.iter().enumerate() {
            let expected = ensemble.start + (index + 1) as f64 * self.coarse.step;
            if (time - expected).abs() > CLOSE * self.coarse.step {
                return Err(Error::Grid { index, time, expected });
            }
        }
        let mut corrected = Corrected {
            solution: Solution {
                states: vec![f64::NAN; n * times * dimension],
                status: vec![Status::Diverged; n],
                end: vec![ensemble.start; n],
                last: ensemble.initial.to_vec(),
                evaluations: vec![0; n],
                crossings: Vec::new(),
            },
            doubt: vec![f64::NAN; n * times],
        };
        if times == 0 {
            corrected.solution.status.fill(Status::Finished);
            return Ok(corrected);
        }
        let arch = Arch::new();
        let Corrected { solution, doubt } = &mut corrected;
        let parts = solution
            .states
            .chunks_mut((PART * times * dimension).max(1))
            .zip(doubt.chunks_mut(PART * times))
            .zip(solution.status.chunks_mut(PART))
            .zip(solution.end.chunks_mut(PART))
            .zip(solution.last.chunks_mut((PART * dimension).max(1)))
            .zip(solution.evaluations.chunks_mut(PART));
        let jobs = parts.enumerate().map(
            |(part, (((((states, doubt), status), end), last), evaluations))| -> Job<'_> {
                let out = Out { first: part * PART, states, doubt, status, end, last, evaluations };
                Box::new(move |system| {
                    arch.dispatch(Along { system, corrector: self, ensemble, out });
                })
            },
        );
        system.run(jobs.collect())?;
        Ok(corrected)
    }

    /// What each rule is to be fitted to along each demo, `[rules][demos]`: all read the same slopes.
    ///
    /// # Errors
    /// If the system cannot be evaluated.
    pub(super) fn lessons(
        &self,
        system: &dyn Dynamics,
        demos: &Demos,
        rules: &[Rule],
    ) -> Result<Vec<Vec<Lessons>>> {
        let dimension = system.dimension();
        let n = demos.states.len() / ((demos.grid.steps + 1) * dimension);
        let arch = Arch::new();
        let groups = each(system, n.div_ceil(LANES), &|system, group| {
            let first = group * LANES;
            let count = LANES.min(n - first);
            arch.dispatch(Watch { system, corrector: self, demos, rules, first, count })
        })?;
        let mut all = vec![Vec::with_capacity(n); rules.len()];
        for group in groups {
            for (all, of_rule) in all.iter_mut().zip(group) {
                all.extend(of_rule);
            }
        }
        Ok(all)
    }
}

/// A part of an ensemble's outputs.
struct Out<'a> {
    /// The first trajectory of the part.
    first: usize,
    states: &'a mut [f64],
    doubt: &'a mut [f64],
    status: &'a mut [Status],
    end: &'a mut [f64],
    last: &'a mut [f64],
    evaluations: &'a mut [u64],
}

/// Corrects a part, compiled for each kind of processor.
struct Along<'a> {
    system: &'a dyn Dynamics,
    corrector: &'a Corrector,
    ensemble: &'a Ensemble<'a>,
    out: Out<'a>,
}

impl WithSimd for Along<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { system, corrector, ensemble, out } = self;
        let coarse = corrector.coarse;
        let first = corrector.correction.as_ref();
        let second = corrector.second.as_ref();
        let history = |of: Option<&Fitted>| of.map_or(0, |of| of.rule.shape.history);
        let history = history(first).max(history(second));
        let d = corrector.normal.states.len();
        let times = ensemble.times.len();
        let stages = coarse.scheme.stages();
        let mut u = vec![Lanes::ZERO; d];
        let mut plain = u.clone();
        let mut p = vec![Lanes::ZERO; system.parameters()];
        // Those of the present step first.
        let mut slopes = vec![Lanes::ZERO; (history + 1) * stages * d];
        let mut fine = Divided { system, coarse, slopes: vec![Lanes::ZERO; stages * d] };
        let mut divided = u.clone();
        let mut fine_p = p.clone();
        let (mut room, mut other) = (Room::default(), Room::default());
        for group in (0..out.status.len()).step_by(LANES) {
            let count = LANES.min(out.status.len() - group);
            load(ensemble.initial, out.first + group, count, &mut u);
            load(ensemble.parameters, out.first + group, count, &mut p);
            let mut doubt = Lanes::ZERO;
            let mut going = [false; LANES];
            going[..count].fill(true);
            let mut evaluations = [0; LANES];
            for index in 0..times {
                let t = ensemble.start + index as f64 * coarse.step;
                slopes.rotate_right(stages * d);
                let present = &mut slopes[..stages * d];
                system.step(coarse.scheme, [t, coarse.step], &u, &p, present, &mut plain);
                let mut is_divided = [index < history; LANES];
                let mut parts = corrector.starter;
                if index >= history {
                    parts = coarse.finest;
                    let read = |of: Option<&Fitted>, room: &mut Room| {
                        let at = (&u[..], &p[..]);
                        if let Some(of) = of {
                            of.rule.read(coarse.step, &corrector.normal, at, &slopes, room);
                        }
                    };
                    read(first, &mut room);
                    read(second, &mut other);
                    let mut differs = Lanes::ZERO;
                    for (i, plain) in plain.iter_mut().enumerate() {
                        let correction = first.map_or(Lanes::ZERO, |of| of.total(i, &room));
                        let second = second.map_or(Lanes::ZERO, |of| of.total(i, &other));
                        let spread = Lanes::splat(1.0 / corrector.normal.states[i][1]);
                        let apart = (correction - second).abs() * spread;
                        for (divided, apart) in is_divided.iter_mut().zip(apart.0) {
                            *divided |= apart > APART * corrector.apart[i] || apart.is_nan();
                        }
                        // Divided steps are as doubtful as those of the demos can be.
                        differs = differs.max(apart.min(Lanes::splat(corrector.apart[i])));
                        *plain += correction;
                    }
                    doubt += differs;
                }
                if is_divided[..count].contains(&true) {
                    divided.copy_from_slice(&u);
                    fine_p.copy_from_slice(&p);
                    // Those that are not divided are not evaluated either.
                    for lanes in divided.iter_mut().chain(&mut fine_p) {
                        copy_over(lanes, |lane| lane >= count || !is_divided[lane]);
                    }
                    fine.step(t, parts, &mut divided, &fine_p);
                    for (plain, divided) in plain.iter_mut().zip(&divided) {
                        *plain = divided.select(is_divided, *plain);
                    }
                }
                std::mem::swap(&mut u, &mut plain);
                for (evaluations, divided) in evaluations.iter_mut().zip(is_divided) {
                    *evaluations += (stages * (1 + if divided { parts } else { 0 })) as u64;
                }
                for lane in 0..count {
                    if !going[lane] {
                        continue;
                    }
                    let trajectory = group + lane;
                    let state = || u.iter().map(|lanes| lanes.0[lane]);
                    out.evaluations[trajectory] = evaluations[lane];
                    if !state().all(f64::is_finite) {
                        going[lane] = false;
                        continue;
                    }
                    let into = &mut out.states[(trajectory * times + index) * d..][..d];
                    into.iter_mut().zip(state()).for_each(|(into, value)| *into = value);
                    out.last[trajectory * d..][..d].copy_from_slice(into);
                    out.doubt[trajectory * times + index] = doubt.0[lane];
                    out.end[trajectory] = ensemble.times[index];
                    if index + 1 == times {
                        out.status[trajectory] = Status::Finished;
                    }
                }
            }
        }
    }
}

/// Solves coarse steps in parts.
struct Divided<'a> {
    system: &'a dyn Dynamics,
    coarse: Coarse,
    slopes: Vec<Lanes>,
}

impl Divided<'_> {
    /// Makes a step in so many parts.
    fn step(&mut self, t: f64, parts: usize, u: &mut Vec<Lanes>, p: &[Lanes]) {
        let Self { system, coarse, slopes } = self;
        let h = coarse.step / parts as f64;
        let mut next = u.clone();
        for part in 0..parts {
            system.step(coarse.scheme, [t + part as f64 * h, h], u, p, slopes, &mut next);
            std::mem::swap(u, &mut next);
        }
    }
}

impl Fitted {
    /// The correction of one component.
    #[inline(always)]
    fn total(&self, component: usize, room: &Room) -> Lanes {
        let width = self.rule.width();
        let of = component * width..(component + 1) * width;
        let terms = room.numbers[of.clone()].iter().zip(&self.shares[of]);
        terms.fold(Lanes::ZERO, |sum, (number, share)| sum + *share * *number)
    }
}

/// Looks at some demos, compiled for each kind of processor.
struct Watch<'a> {
    system: &'a dyn Dynamics,
    corrector: &'a Corrector,
    demos: &'a Demos,
    rules: &'a [Rule],
    first: usize,
    count: usize,
}

impl WithSimd for Watch<'_> {
    /// `[rules][demos]`
    type Output = Vec<Vec<Lessons>>;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> Vec<Vec<Lessons>> {
        let Self { system, corrector, demos, rules, first, count } = self;
        let normal: &Normal = &corrector.normal;
        let grid = demos.grid;
        let (d, stages) = (system.dimension(), corrector.coarse.scheme.stages());
        let mut u = vec![Lanes::ZERO; d];
        let mut plain = u.clone();
        let mut p = vec![Lanes::ZERO; system.parameters()];
        load(&demos.parameters, first, count, &mut p);
        let history = rules.iter().map(|rule| rule.shape.history).max().unwrap_or_default();
        let mut slopes = vec![Lanes::ZERO; (history + 1) * stages * d];
        let mut room = Room::default();
        let mut lessons = vec![vec![Lessons::default(); count]; rules.len()];
        let mut going = vec![vec![true; count]; rules.len()];
        let row = (grid.steps + 1) * d;
        for index in 0..grid.steps {
            let state =
                |lane: usize, index: usize| &demos.states[(first + lane) * row + index * d..][..d];
            for lane in 0..count {
                u.iter_mut().zip(state(lane, index)).for_each(|(u, x)| u.0[lane] = *x);
            }
            u.iter_mut().for_each(|lanes| copy_over(lanes, |lane| lane >= count));
            slopes.rotate_right(stages * d);
            let at = [grid.time(index), grid.step];
            let present = &mut slopes[..stages * d];
            system.step(corrector.coarse.scheme, at, &u, &p, present, &mut plain);
            for ((rule, lessons), going) in rules.iter().zip(&mut lessons).zip(&mut going) {
                if index < rule.shape.history {
                    continue;
                }
                rule.read(grid.step, normal, (&u, &p), &slopes, &mut room);
                for (lane, lessons) in lessons.iter_mut().enumerate() {
                    let lacks = plain.iter().zip(state(lane, index + 1));
                    let lacks: Vec<f64> = lacks.map(|(plain, fine)| fine - plain.0[lane]).collect();
                    let numbers = room.numbers.iter().map(|number| number.0[lane]);
                    going[lane] &= lacks.iter().copied().chain(numbers.clone()).all(f64::is_finite);
                    if going[lane] {
                        lessons.numbers.extend(numbers);
                        lessons.lacks.extend(lacks);
                    }
                }
            }
        }
        lessons
    }
}

/// Puts rows into lanes; those that are left are copies of another.
fn load(rows: &[f64], first: usize, count: usize, into: &mut [Lanes]) {
    let width = into.len();
    for (lane, row) in (0..count).map(|lane| (lane, &rows[(first + lane) * width..][..width])) {
        into.iter_mut().zip(row).for_each(|(lanes, value)| lanes.0[lane] = *value);
    }
    into.iter_mut().for_each(|lanes| copy_over(lanes, |lane| lane >= count));
}

/// Makes idle lanes copies of the first of the others, which a system that is asked only once for equal
/// ones evaluates for nothing.
fn copy_over(lanes: &mut Lanes, idle: impl Fn(usize) -> bool) {
    if let Some(busy) = (0..LANES).find(|lane| !idle(*lane)) {
        let value = lanes.0[busy];
        let idle = lanes.0.iter_mut().enumerate().filter(|(lane, _)| idle(*lane));
        idle.for_each(|(_, lane)| *lane = value);
    }
}
