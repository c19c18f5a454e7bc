//! Asking a model the questions of a benchmark.

use std::{
    ops::ControlFlow,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use indicatif::ProgressBar;
use serde_json::json;

use super::{
    Answer, Answers, Item,
    journal::{self, Journal},
};
use crate::{Error, Result};

/// A model that answers questions about pictures.
pub trait Respondent {
    /// What decides its answers beside the question: its name, the longest answer.
    fn identity(&self) -> String;

    /// Whether it scores options instead of writing.
    fn ranks(&self) -> bool {
        false
    }

    /// Answers each question and hands the answer, with the question's number, to `each` as it is
    /// made; ends early after [`ControlFlow::Break`].
    fn answer(
        &self,
        questions: &[&Item],
        each: &mut (dyn FnMut(usize, Result<Answer>) -> ControlFlow<()> + Send),
    );
}

/// What came of asking.
#[derive(Debug, Default)]
pub struct Asked {
    /// The answers, those kept from before among them.
    pub answers: Answers,
    /// Answers that were kept from before.
    pub kept: usize,
    /// Questions without an answer, by their ids, and why.
    pub failed: Vec<(String, String)>,
}

/// Questions in a row without an answer after which asking ends: something is wrong with more than
/// a question.
const MOST_IN_A_ROW: usize = 10;

/// Asks every question that `path` holds no answer to, and keeps each answer there as it comes: JSON
/// lines `{"id", "prompt", "answer"}`, of which an answer counts only for the very question and
/// respondent. `progress` counts questions; `stop` (set by Ctrl-C) ends it.
///
/// # Errors
/// The file cannot be read or written, a picture is missing, the user stops, or many questions in a
/// row get no answer. Answers until then are in the file.
pub fn ask(
    items: &[Item],
    respondent: &dyn Respondent,
    path: &Path,
    progress: &ProgressBar,
    stop: &AtomicBool,
) -> Result<Asked> {
    check_pictures(items)?;
    let journal = Journal::open(path, &["answer"], true)?;
    let identity = respondent.identity();
    let digest = |item: &Item| {
        let picture = item.image.file_name().map(|name| name.to_string_lossy());
        journal::digest(&json!([identity, item.prompt, picture]))
    };
    let mut asked = Asked::default();
    let mut open = Vec::new();
    for item in items {
        let kept = journal.get(&item.id, 0, &digest(item)).and_then(|text| {
            if respondent.ranks() { Answer::options_of(&text) } else { Some(Answer::Text(text)) }
        });
        match kept {
            Some(answer) => asked.answers.insert(&item.id, answer),
            None => open.push(item),
        }
    }
    asked.kept = items.len() - open.len();
    progress.set_length(items.len() as u64);
    progress.set_position(asked.kept as u64);
    let (mut in_a_row, mut failure) = (0, None);
    respondent.answer(&open, &mut |number, answer| {
        let Some(item) = open.get(number) else { return ControlFlow::Break(()) };
        progress.inc(1);
        match answer {
            Ok(answer) => {
                in_a_row = 0;
                let text = answer.to_text();
                let kept = text.and_then(|text| journal.put(&item.id, 0, &digest(item), &text));
                if let Err(error) = kept {
                    failure = Some(error);
                    return ControlFlow::Break(());
                }
                asked.answers.insert(&item.id, answer);
            }
            Err(error) => {
                in_a_row += 1;
                asked.failed.push((item.id.clone(), error.to_string()));
                if in_a_row == MOST_IN_A_ROW {
                    failure = Some(Error::GaveUp { count: in_a_row, last: Box::new(error) });
                    return ControlFlow::Break(());
                }
            }
        }
        match stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    match failure {
        Some(error) => Err(error),
        None if stop.load(Ordering::Relaxed) => {
            let done = items.iter().filter(|item| asked.answers.get(&item.id).is_some()).count();
            Err(Error::StoppedAsking { done, total: items.len(), path: path.to_owned() })
        }
        None => Ok(asked),
    }
}

/// Asking takes long; what is missing is told before.
fn check_pictures(items: &[Item]) -> Result<()> {
    let mut missing = items.iter().filter(|item| !item.image.is_file());
    match missing.next() {
        None => Ok(()),
        Some(first) => Err(Error::File {
            path: first.image.clone(),
            reason: format!(
                "no such picture, as {} of {} questions have none; where are the pictures?",
                1 + missing.count(),
                items.len()
            ),
        }),
    }
}
