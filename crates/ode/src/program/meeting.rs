//! Where threads wait for one another to ask together.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Program, Rows};

/// Threads that ask one program.
pub(super) struct Meeting<'a> {
    program: &'a Program,
    talk: Mutex<Talk>,
    answered: Condvar,
}

#[derive(Default)]
struct Talk {
    /// Threads that may still ask.
    active: usize,
    /// Those of them that have asked and wait.
    waiting: usize,
    /// Requests so far.
    round: u64,
    rows: Rows,
    /// Those of the last request; `None` if it failed.
    answers: Option<Arc<Vec<f64>>>,
}

/// A thread's place in a meeting, which it leaves when it ends, however it does.
pub(super) struct Seat<'a>(&'a Meeting<'a>);

impl<'a> Meeting<'a> {
    /// A meeting of so many threads.
    pub fn new(program: &'a Program, active: usize) -> Self {
        let talk = Talk { active, ..Talk::default() };
        Self { program, talk: Mutex::new(talk), answered: Condvar::new() }
    }

    /// Asks for some rows, when all threads have asked: all answers, and where those to these rows
    /// begin; `None` if the program failed.
    pub fn ask(&self, rows: &Rows) -> Option<(Arc<Vec<f64>>, usize)> {
        let mut talk = self.lock();
        let first = talk.rows.times.len() * self.program.settings.dimension;
        talk.rows.times.extend(&rows.times);
        talk.rows.states.extend(&rows.states);
        talk.rows.parameters.extend(&rows.parameters);
        talk.waiting += 1;
        let round = talk.round;
        self.speak_if_all_wait(&mut talk);
        while talk.round == round {
            talk = self.answered.wait(talk).unwrap_or_else(PoisonError::into_inner);
        }
        // There is no other request before this thread asks again.
        talk.answers.clone().map(|answers| (answers, first))
    }

    fn lock(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn speak_if_all_wait(&self, talk: &mut Talk) {
        if talk.waiting == 0 || talk.waiting < talk.active {
            return;
        }
        talk.answers = self.program.evaluate(&talk.rows).ok().map(Arc::new);
        talk.rows = Rows::default();
        talk.waiting = 0;
        talk.round += 1;
        self.answered.notify_all();
    }
}

impl<'a> Seat<'a> {
    pub fn new(meeting: &'a Meeting<'a>) -> Self {
        Self(meeting)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut talk = self.0.lock();
        talk.active -= 1;
        self.0.speak_if_all_wait(&mut talk);
    }
}
