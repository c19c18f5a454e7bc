//! What a thread knows a program as.

use std::sync::{Mutex, PoisonError};

use super::{Program, Rows, meeting::Meeting, solve_groups};
use crate::{
    Dynamics, Ensemble, LANES, Lanes, Method, Result, Scheme, Solution, Status, System,
    dynamics::Job, event::Watch, solve,
};

/// Answers that are kept for each lane: more than a step of most methods asks for.
const KEPT: usize = 64;

/// A program, asked together with other threads. No question is asked twice in a row: lanes whose
/// trajectory has ended stay where they are, and those that never had one are copies of others.
pub(super) struct Member<'a> {
    program: &'a Program,
    meeting: &'a Meeting<'a>,
    known: Mutex<Vec<Known>>,
}

/// The last questions of a lane and their answers.
#[derive(Clone, Default)]
struct Known {
    /// Time, state and parameters, `[KEPT, 1 + d + p]`.
    questions: Vec<f64>,
    /// `[KEPT, d]`
    answers: Vec<f64>,
    /// The one to be forgotten next.
    oldest: usize,
}

/// Where a lane's answer comes from.
#[derive(Clone, Copy)]
enum From {
    /// There is none.
    Nowhere,
    /// An earlier answer.
    Known(usize),
    /// The same row of the request.
    Asked(usize),
}

/// A member as a right-hand side.
struct Asked<'a>(&'a Member<'a>);

impl System for Asked<'_> {
    type State = Vec<Lanes>;

    fn zero(&self) -> Self::State {
        vec![Lanes::ZERO; self.0.dimension()]
    }

    fn parameters(&self) -> usize {
        self.0.parameters()
    }

    fn rhs(&self, t: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        self.0.ask(t, u, p, du);
    }

    fn events(&self) -> usize {
        self.0.program.events.len()
    }

    fn watch(&self, event: usize) -> Watch {
        self.0.program.events.watch(event)
    }

    fn event(&self, event: usize, t: Lanes, u: &Self::State, p: &[Lanes]) -> Lanes {
        self.0.program.events.value(event, t, u, p)
    }
}

impl<'a> Member<'a> {
    pub fn new(program: &'a Program, meeting: &'a Meeting<'a>) -> Self {
        Self { program, meeting, known: Mutex::new(vec![Known::default(); LANES]) }
    }

    /// Solves some members of an ensemble, all of which can be begun with or none: then all lanes are
    /// filled, with copies if need be, as one without a trajectory would ask for what nobody wants.
    fn solve_alike(
        &self,
        ensemble: &Ensemble<'_>,
        which: &[usize],
        method: Method,
    ) -> Result<Solution> {
        let mut filled = which.to_vec();
        if let Some(first) = which.first() {
            filled.resize(LANES.max(which.len()), *first);
        }
        let rows = |values: &[f64], width: usize| -> Vec<f64> {
            filled.iter().flat_map(|i| &values[i * width..][..width]).copied().collect()
        };
        let initial = rows(ensemble.initial, self.dimension());
        let parameters = rows(ensemble.parameters, self.parameters());
        let full = Ensemble { initial: &initial, parameters: &parameters, ..*ensemble };
        solve(&Asked(self), &full, method)
    }

    /// The slopes of all lanes; NaN where a state is not finite, or the program failed.
    fn ask(&self, t: Lanes, u: &[Lanes], p: &[Lanes], du: &mut [Lanes]) {
        du.fill(Lanes::splat(f64::NAN));
        if self.program.has_failed() {
            return;
        }
        let (d, width) = (u.len(), 1 + u.len() + p.len());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = Rows::default();
        // The row of each question of the request.
        let mut questions: Vec<f64> = Vec::new();
        let mut from = [From::Nowhere; LANES];
        for (lane, from) in from.iter_mut().enumerate() {
            let state = || u.iter().map(|u| u.0[lane]);
            if !t.0[lane].is_finite() || !state().all(f64::is_finite) {
                continue;
            }
            let row: Vec<f64> =
                [t.0[lane]].into_iter().chain(state()).chain(p.iter().map(|p| p.0[lane])).collect();
            *from = match find(&known[lane].questions, &row) {
                Some(at) => From::Known(at),
                None => From::Asked(find(&questions, &row).unwrap_or_else(|| {
                    rows.times.push(row[0]);
                    rows.states.extend(&row[1..=d]);
                    rows.parameters.extend(&row[1 + d..]);
                    questions.extend(&row);
                    rows.times.len() - 1
                })),
            };
        }
        let answers = match rows.times.is_empty() {
            true => None,
            false => self.meeting.ask(&rows),
        };
        for (lane, from) in from.into_iter().enumerate() {
            let put = |du: &mut [Lanes], slopes: &[f64]| {
                du.iter_mut().zip(slopes).for_each(|(du, slope)| du.0[lane] = *slope);
            };
            match (from, &answers) {
                (From::Known(at), _) => put(du, &known[lane].answers[at * d..][..d]),
                (From::Asked(at), Some((answers, first))) => {
                    let slopes = &answers[first + at * d..][..d];
                    put(du, slopes);
                    known[lane].keep(&questions[at * width..][..width], slopes);
                }
                (From::Asked(_), None) | (From::Nowhere, _) => {}
            }
        }
    }
}

impl Known {
    fn keep(&mut self, question: &[f64], answer: &[f64]) {
        if self.questions.len() < KEPT * question.len() {
            self.questions.extend(question);
            self.answers.extend(answer);
            return;
        }
        self.questions[self.oldest * question.len()..][..question.len()].copy_from_slice(question);
        self.answers[self.oldest * answer.len()..][..answer.len()].copy_from_slice(answer);
        self.oldest = (self.oldest + 1) % KEPT;
    }
}

/// Which of several questions has the same bits.
fn find(questions: &[f64], row: &[f64]) -> Option<usize> {
    let same = |other: &[f64]| other.iter().zip(row).all(|(a, b)| a.to_bits() == b.to_bits());
    questions.chunks_exact(row.len()).position(same)
}

impl Dynamics for Member<'_> {
    fn dimension(&self) -> usize {
        self.program.dimension()
    }

    fn parameters(&self) -> usize {
        self.program.parameters()
    }

    fn solve(&self, ensemble: &Ensemble<'_>, method: Method) -> Result<Solution> {
        let (d, events) = (self.dimension(), self.program.events.len());
        let n = ensemble.check(d, self.parameters())?;
        if n > LANES {
            return solve_groups(self, ensemble, method);
        }
        let mut all = Solution {
            states: vec![f64::NAN; n * ensemble.times.len() * d],
            status: vec![Status::default(); n],
            end: vec![ensemble.start; n],
            last: ensemble.initial.to_vec(),
            evaluations: vec![0; n],
            crossings: vec![f64::NAN; n * events],
        };
        let is_finite = |i: &usize| ensemble.initial[i * d..][..d].iter().all(|x| x.is_finite());
        let (good, bad): (Vec<usize>, Vec<usize>) = (0..n).partition(is_finite);
        for which in [good, bad] {
            let part = self.solve_alike(ensemble, &which, method)?;
            for (from, to) in which.into_iter().enumerate() {
                let row = ensemble.times.len() * d;
                all.states[to * row..][..row].copy_from_slice(&part.states[from * row..][..row]);
                all.last[to * d..][..d].copy_from_slice(&part.last[from * d..][..d]);
                all.crossings[to * events..][..events]
                    .copy_from_slice(&part.crossings[from * events..][..events]);
                all.status[to] = part.status[from];
                all.end[to] = part.end[from];
                all.evaluations[to] = part.evaluations[from];
            }
        }
        Ok(all)
    }

    fn step(
        &self,
        scheme: Scheme,
        at: [f64; 2],
        u: &[Lanes],
        p: &[Lanes],
        slopes: &mut [Lanes],
        next: &mut [Lanes],
    ) {
        Asked(self).step(scheme, at, u, p, slopes, next);
    }

    fn slopes(&self, t: Lanes, u: &[Lanes], p: &[Lanes], slopes: &mut [Lanes]) {
        self.ask(t, u, p, slopes);
    }

    /// One after the other: what asks at the same time are the members.
    fn run(&self, jobs: Vec<Job<'_>>) -> Result<()> {
        jobs.into_iter().for_each(|job| job(self));
        self.program.check()
    }
}
