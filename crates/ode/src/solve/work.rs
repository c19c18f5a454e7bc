//! The part of an ensemble that a thread solves.

use rayon::prelude::*;

use crate::{Ensemble, LANES, Lanes, Solution, Status};

/// Least trajectories of a part: enough for lanes that finish early to find others.
pub const PART: usize = 64;
/// Most of them.
const MOST: usize = 512;
/// Parts of each thread, as some take longer than others.
const PARTS: usize = 16;

/// Inputs and outputs of some trajectories.
pub(crate) struct Work<'a> {
    pub start: f64,
    pub times: &'a [f64],
    pub dimension: usize,
    parameter_count: usize,
    initial: &'a [f64],
    parameters: &'a [f64],
    states: &'a mut [f64],
    status: &'a mut [Status],
    end: &'a mut [f64],
    last: &'a mut [f64],
    evaluations: &'a mut [u64],
    crossings: &'a mut [f64],
}

impl Work<'_> {
    /// Does all parts, on all threads. `each` is a trait object so that this is compiled once, not for
    /// each system.
    pub fn split(
        ensemble: &Ensemble<'_>,
        solution: &mut Solution,
        each: &(dyn Fn(Work<'_>) + Sync),
    ) {
        let n = solution.status.len();
        let of_each = |values: usize| values / n.max(1);
        let dimension = of_each(ensemble.initial.len());
        let parameter_count = of_each(ensemble.parameters.len());
        let events = of_each(solution.crossings.len());
        let share = n / (PARTS * rayon::current_num_threads());
        let size = share.next_multiple_of(LANES).clamp(PART, MOST);
        // At least one value a chunk, also where there are no times or parameters.
        let chunk = |width: usize| (size * width).max(1);
        let mut states: Vec<&mut [f64]> =
            solution.states.chunks_mut(chunk(ensemble.times.len() * dimension)).collect();
        states.resize_with(n.div_ceil(size), Default::default);
        let mut crossings: Vec<&mut [f64]> = solution.crossings.chunks_mut(chunk(events)).collect();
        crossings.resize_with(n.div_ceil(size), Default::default);
        let outputs = states
            .into_par_iter()
            .zip(crossings)
            .zip(solution.status.par_chunks_mut(size))
            .zip(solution.end.par_chunks_mut(size))
            .zip(solution.last.par_chunks_mut(chunk(dimension)))
            .zip(solution.evaluations.par_chunks_mut(size));
        outputs.enumerate().for_each(|(part, outputs)| {
            let (((((states, crossings), status), end), last), evaluations) = outputs;
            let (first, count) = (part * size, status.len());
            let rows = |values: &'_ [f64], width: usize| -> std::ops::Range<usize> {
                debug_assert!((first + count) * width <= values.len());
                first * width..(first + count) * width
            };
            // What is not reached stays so.
            states.fill(f64::NAN);
            each(Work {
                start: ensemble.start,
                times: ensemble.times,
                dimension,
                parameter_count,
                initial: &ensemble.initial[rows(ensemble.initial, dimension)],
                parameters: &ensemble.parameters[rows(ensemble.parameters, parameter_count)],
                states,
                status,
                end,
                last,
                evaluations,
                crossings,
            });
        });
    }

    /// The number of trajectories.
    pub fn count(&self) -> usize {
        self.status.len()
    }

    /// Index of the first time that a step leads to.
    pub fn first(&self) -> usize {
        usize::from(self.times.first() == Some(&self.start))
    }

    /// The time of an index, or infinity after the last.
    pub fn time(&self, index: usize) -> f64 {
        self.times.get(index).copied().unwrap_or(f64::INFINITY)
    }

    /// Zeros for the parameters of all lanes.
    pub fn parameters(&self) -> Vec<Lanes> {
        vec![Lanes::ZERO; self.parameter_count]
    }

    /// Puts a trajectory's first state and parameters into a lane.
    pub fn load(&self, trajectory: usize, lane: usize, u: &mut [Lanes], p: &mut [Lanes]) {
        let row = |values: &'_ [f64], width: usize, into: &mut [Lanes]| {
            let row = &values[trajectory * width..(trajectory + 1) * width];
            into.iter_mut().zip(row).for_each(|(lanes, value)| lanes.0[lane] = *value);
        };
        row(self.initial, self.dimension, u);
        row(self.parameters, self.parameter_count, p);
    }

    /// Where a trajectory's state at a time goes.
    pub fn state(&mut self, trajectory: usize, time: usize) -> &mut [f64] {
        let first = (trajectory * self.times.len() + time) * self.dimension;
        &mut self.states[first..first + self.dimension]
    }

    /// Notes where a trajectory got to.
    pub fn reach(&mut self, trajectory: usize, end: f64, last: impl Iterator<Item = f64>) {
        self.end[trajectory] = end;
        let first = trajectory * self.dimension;
        let into = &mut self.last[first..first + self.dimension];
        into.iter_mut().zip(last).for_each(|(into, value)| *into = value);
    }

    /// Notes when one of so many events happened, if it is the first time.
    pub fn cross(&mut self, trajectory: usize, (event, events): (usize, usize), time: f64) {
        let first = &mut self.crossings[trajectory * events + event];
        if first.is_nan() {
            *first = time;
        }
    }

    /// Notes how a trajectory ended, after so many evaluations.
    pub fn finish(&mut self, trajectory: usize, status: Status, evaluations: u64) {
        self.status[trajectory] = status;
        self.evaluations[trajectory] = evaluations;
    }
}
