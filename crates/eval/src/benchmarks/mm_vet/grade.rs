//! Asking a judge until it gives a grade.

use super::super::{Item, Judge, JudgePrompt, Mode, python};
use crate::Result;

/// The grading prompt; see `assets/benchmarks`.
const GRADING: &str = include_str!("../../../assets/benchmarks/mm-vet.txt");

/// The heading of its table in the official prompt, and in lmms-eval's.
const HEADINGS: [&str; 2] = ["\n\nQuestion |", "\ngpt_query_prompt |"];

/// What the official prompt ends with after a reply without a grade.
const AGAIN: &str = "\nPredict the correctness of the answer (digit): ";

/// Replies after which we stop; lmms-eval asks on for ever while it gets numbers that are no grade.
const PATIENCE: usize = 10;

/// What was read in a judge's replies.
pub(super) struct Grade {
    /// 0 to 1; 0 where no grade could be read.
    pub(super) score: f64,
    pub(super) readable: bool,
    pub(super) replies: Vec<String>,
}

/// What a mode's program makes of the replies so far.
enum Reading {
    Grade(f64),
    AskAgain,
    GivenUp,
}

/// Asks until a grade can be read or the mode's program would give up. A call whose reply
/// lmms-eval does not look at, after each that is no number, is not made.
pub(super) fn grade(item: &Item, answer: &str, mode: Mode, judge: &dyn Judge) -> Result<Grade> {
    let mut replies = Vec::new();
    loop {
        replies.push(judge.judge(&prompt(item, answer, &replies, mode))?);
        match read(&replies, mode) {
            Reading::Grade(score) => return Ok(Grade { score, readable: true, replies }),
            Reading::GivenUp => return Ok(Grade { score: 0.0, readable: false, replies }),
            Reading::AskAgain => {}
        }
    }
}

/// The score that a mode's program would have given to these replies, if they are enough for it.
pub(super) fn reread(replies: &[String], mode: Mode) -> Option<f64> {
    (1..=replies.len()).find_map(|n| match read(replies.get(..n)?, mode) {
        Reading::Grade(score) => Some(score),
        Reading::GivenUp => Some(0.0),
        Reading::AskAgain => None,
    })
}

/// The last of `replies` is new; the others had no grade.
fn read(replies: &[String], mode: Mode) -> Reading {
    let last = replies.last().map_or("", String::as_str);
    if let Some(score) = number(last, mode).filter(|score| (0.0..=1.0).contains(score)) {
        return Reading::Grade(score);
    }
    let given_up = match mode {
        Mode::Official => replies.len() >= 5,
        // An empty reply is taken for a failed request.
        Mode::Harness => python::strip(last).is_empty() || no_numbers(replies) >= 4,
    };
    if given_up || replies.len() >= PATIENCE { Reading::GivenUp } else { Reading::AskAgain }
}

/// The number before the first space.
fn number(reply: &str, mode: Mode) -> Option<f64> {
    python::float(mode.of(reply, python::strip(reply)).split(' ').next()?)
}

/// Replies that are no numbers; lmms-eval counts no others.
fn no_numbers(replies: &[String]) -> usize {
    replies.iter().filter(|reply| number(reply, Mode::Harness).is_none()).count()
}

/// What the judge is asked after `replies` without a grade.
fn prompt(item: &Item, answer: &str, replies: &[String], mode: Mode) -> JudgePrompt {
    let Item { question, truth, .. } = item;
    let truth = truth.replace("<AND>", " <AND> ").replace("<OR>", " <OR> ");
    let row = format!("{question} | {truth} | {answer} |");
    let again = if replies.is_empty() { "" } else { AGAIN };
    let (user, failures) = match mode {
        Mode::Official => (format!("{GRADING}\n{row} {again}"), replies.len().saturating_sub(1)),
        Mode::Harness => {
            let grading = GRADING.replacen(HEADINGS[0], HEADINGS[1], 1);
            (format!("{grading}\n{row}"), no_numbers(replies))
        }
    };
    JudgePrompt {
        id: item.id.clone(),
        attempt: replies.len(),
        model: mode.of("gpt-4-0613", "gpt-4o-2024-11-20"),
        system: None,
        user,
        temperature: 0.5 * failures as f64,
        max_tokens: mode.of(3, 128),
    }
}
