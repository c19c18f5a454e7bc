//! Coarse solutions and what they lack: what FMint learns from (Eq. 3 to 6).
//!
//! A [`Task`] is one system with coefficients of its own and several trajectories, each solved with
//! fine steps and with coarse ones, `k` times as long. All but one serve as demos for the last.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Ensemble, Family, Result};

/// What a coarse solution is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The fine solution at the same time: Eq. 6.
    Aligned,
    /// The fine solution `k − 1` fine steps earlier, as in the paper's tables: its public data stores
    /// states after each step, of both solutions, so that the two differ by all of a coarse step but
    /// a fine one. Only to compare with these tables.
    Shifted,
}

/// How tasks of a family are drawn. The same settings and number give the same task, whichever
/// others are drawn with it.
#[derive(Clone, Copy)]
pub struct Tasks<'a> {
    /// The family.
    pub family: &'a Family,
    /// Coarse steps of a trajectory, `n`.
    pub points: usize,
    /// Trajectories of a task: demos, and the query last.
    pub trajectories: usize,
    /// Fine steps in a coarse one, `k`; the family's own when `None`.
    pub stride: Option<usize>,
    /// What coarse solutions are compared with.
    pub protocol: Protocol,
    /// Seed of coefficients and first states.
    pub seed: u64,
}

/// Trajectories of one system.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Components of a state, `d`.
    pub dimension: usize,
    /// The system's coefficients.
    pub parameters: Vec<f64>,
    /// Times of the coarse steps, from 0, `[n + 1]`.
    pub times: Vec<f64>,
    /// Coarse solutions, `[trajectories, n + 1, d]`.
    pub coarse: Vec<f64>,
    /// Fine solutions at the same times.
    pub fine: Vec<f64>,
    /// What the coarse solutions are compared with at each time but the first, if not with these,
    /// `[trajectories, n, d]`, and when the first of these is.
    shifted: Option<(f64, Vec<f64>)>,
}

impl Task {
    /// What the coarse solutions lack at each time but the first, `[trajectories, n, d]`.
    pub fn errors(&self) -> Vec<f64> {
        let (d, row) = (self.dimension, self.times.len() * self.dimension);
        let coarse = self.coarse.chunks(row).flat_map(|row| &row[d..]);
        let errors = |fine: &mut dyn Iterator<Item = &f64>| {
            fine.zip(coarse).map(|(fine, coarse)| fine - coarse).collect()
        };
        match &self.shifted {
            None => errors(&mut self.fine.chunks(row).flat_map(|row| &row[d..])),
            Some((_, shifted)) => errors(&mut shifted.iter()),
        }
    }

    /// What the coarse solution of the query is compared with at each time but the first, `[n, d]`.
    pub fn query_truth(&self) -> Vec<f64> {
        let row = (self.times.len() - 1) * self.dimension;
        let all = self.shifted.as_ref().map_or(&self.fine, |(_, shifted)| shifted);
        all[all.len() - row..].to_vec()
    }

    /// When the first of what coarse solutions are compared with is, by the shifted protocol.
    pub fn shift(&self) -> Option<f64> {
        self.shifted.as_ref().map(|(first, _)| *first)
    }
}

impl Tasks<'_> {
    /// The tasks of these numbers, solved together.
    ///
    /// # Errors
    /// If a task would have no coarse step.
    pub fn draw(&self, numbers: Range<u64>) -> Result<Vec<Task>> {
        let info = &self.family.info;
        let (d, width, rows) = (info.initial.len(), info.parameters.len(), self.trajectories);
        let (mut parameters, mut initial) = (Vec::new(), Vec::new());
        for number in numbers.clone() {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(number);
            let mut draw = |[low, high]: [f64; 2]| low + (high - low) * rng.random::<f64>();
            let drawn: Vec<f64> = info.parameters.iter().map(|(_, range)| draw(*range)).collect();
            for _ in 0..rows {
                parameters.extend_from_slice(&drawn);
                initial.extend(info.initial.iter().map(|range| draw(*range)));
            }
        }
        let stride = self.stride.unwrap_or(info.stride);
        let time = |fine_steps: usize| fine_steps as f64 * info.step;
        let solve = |start: usize, initial: &[f64], steps: usize| {
            let times: Vec<f64> = (0..=self.points).map(|i| time(start + i * stride)).collect();
            let ensemble =
                Ensemble { start: time(start), times: &times, initial, parameters: &parameters };
            self.family
                .system
                .solve(&ensemble, info.scheme.steps(steps))
                .map(|solution| solution.states)
        };
        let coarse = solve(0, &initial, 1)?;
        let fine = solve(0, &initial, stride)?;
        let shifted = match self.protocol {
            Protocol::Aligned => None,
            // The state after the first fine step of a coarse step is set against the one after the
            // whole.
            Protocol::Shifted => {
                let (start, times) = (0.0, &[info.step][..]);
                let step = Ensemble { start, times, initial: &initial, parameters: &parameters };
                let first = self.family.system.solve(&step, info.scheme.steps(1))?.states;
                let later = solve(1, &first, stride)?;
                let row = (self.points + 1) * d;
                let states = later.chunks(row).flat_map(|row| row[..row.len() - d].to_vec());
                Some((info.step, states.collect::<Vec<f64>>()))
            }
        };
        let times: Vec<f64> = (0..=self.points).map(|i| time(i * stride)).collect();
        let size = rows * times.len() * d;
        let task = |i: usize| {
            let part = |values: &[f64], size: usize| values[i * size..(i + 1) * size].to_vec();
            Task {
                dimension: d,
                parameters: parameters[i * rows * width..][..width].to_vec(),
                times: times.clone(),
                coarse: part(&coarse, size),
                fine: part(&fine, size),
                shifted: shifted.as_ref().map(|(first, all)| (*first, part(all, size - rows * d))),
            }
        };
        Ok((0..(numbers.end - numbers.start) as usize).map(task).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FAMILIES, families};

    fn tasks(name: &str) -> Tasks<'static> {
        let family = families::find(name).unwrap();
        let protocol = Protocol::Aligned;
        Tasks { family, points: 20, trajectories: 3, stride: None, protocol, seed: 5 }
    }

    #[test]
    fn errors_are_what_the_formulas_say() {
        // u' = -κ u by Euler's method: one step multiplies by 1 - κ h.
        let (h, k) = (0.05, 4);
        for (protocol, late) in [(Protocol::Aligned, 0), (Protocol::Shifted, k - 1)] {
            let tasks = Tasks { stride: Some(4), protocol, ..tasks("decay") };
            let task = &tasks.draw(3..4).unwrap()[0];
            let factor = 1.0 - task.parameters[0] * h;
            let coarse_factor = 1.0 - task.parameters[0] * h * 4.0;
            let row = task.times.len();
            let errors = task.errors();
            assert_eq!(errors.len(), 3 * (row - 1));
            for (i, error) in errors.iter().enumerate() {
                let (trajectory, j) = (i / (row - 1), (i % (row - 1)) as i32);
                let first = task.fine[trajectory * row];
                let fine = first * factor.powi((j + 1) * k - late);
                let expected = fine - first * coarse_factor.powi(j + 1);
                assert!((error - expected).abs() < 1e-9, "{protocol:?} {i}: {error} {expected}");
            }
        }
    }

    #[test]
    fn a_task_is_the_same_whichever_others_are_drawn() {
        for family in FAMILIES {
            let protocol = Protocol::Shifted;
            let tasks =
                Tasks { family, points: 5, trajectories: 3, stride: Some(4), protocol, seed: 1 };
            let many = tasks.draw(2..40).unwrap();
            assert_eq!(tasks.draw(17..18).unwrap()[0], many[15]);
            assert_ne!(many[15].parameters, many[16].parameters);
            // No query is among its own demos.
            let row = 6 * many[0].dimension;
            for task in &many {
                let firsts: Vec<_> =
                    task.fine.chunks(row).map(|row| &row[..task.dimension]).collect();
                assert!(firsts[0] != firsts[1] && firsts[1] != firsts[2] && firsts[0] != firsts[2]);
                assert!(task.coarse.iter().chain(&task.fine).all(|value| value.is_finite()));
            }
        }
    }

    #[test]
    fn a_longer_stride_reaches_further_and_is_less_exact() {
        let short = tasks("pendulum").draw(0..8).unwrap();
        let long = Tasks { stride: Some(30), ..tasks("pendulum") }.draw(0..8).unwrap();
        assert!((long[0].times[20] / short[0].times[20] - 1.5).abs() < 1e-12);
        let largest = |tasks: &[Task]| {
            let all = tasks.iter().flat_map(Task::errors);
            all.map(f64::abs).fold(0.0, f64::max)
        };
        // Fourth order: 1.5⁴ is 5.
        let ratio = largest(&long) / largest(&short);
        assert!((3.0..9.0).contains(&ratio), "{ratio}");
    }
}
