//! Listings and conversations by a teacher: any chat endpoint that sees (the paper's §4.3).
//!
//! Each picture is asked about with the examples given, and again with what is wrong where an
//! answer is not usable. Usable ones go into a journal at once, so that a run that is stopped goes
//! on where it was, and nothing is paid for twice.

mod answer;
mod journal;
mod prompt;
mod seed;
#[cfg(test)]
mod tests;

use std::{
    ops::ControlFlow,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use quintet_data::sample::{Media, Message, Part, Role, Sample};
use quintet_endpoint::{Endpoint, Options, Usage, estimate, in_parallel};
use serde::{Deserialize, Serialize};

pub use journal::{Answers, Record};
pub use seed::Seed;

use self::journal::{Head, Journal};
use super::error::{Error, Result};
use crate::marks::Marks;

/// What the teacher is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A description of every mark.
    #[default]
    Listing,
    /// Questions and answers that speak of marks as `[3]`.
    Qa,
}

/// How the teacher is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What for.
    #[serde(default)]
    pub mode: Mode,
    /// The model and how it answers.
    pub options: Options,
    /// Answers asked for about one picture before it is left out.
    #[serde(default = "three")]
    pub tries: usize,
    /// Pictures asked about at a time.
    #[serde(default = "four")]
    pub threads: usize,
    /// Questions asked for in one answer.
    #[serde(default = "four")]
    pub turns: usize,
}

fn three() -> usize {
    3
}

fn four() -> usize {
    4
}

impl Settings {
    /// One model, three tries, four pictures at a time.
    pub fn new(mode: Mode, options: Options) -> Self {
        Self { mode, options, tries: three(), threads: four(), turns: four() }
    }
}

/// A picture with marks on it; what they stand for need not be known.
#[derive(Clone, Debug)]
pub struct Tagged {
    /// Names it in the journal: no two pictures may have the same.
    pub id: String,
    /// The picture, marks included.
    pub picture: Media,
    /// What is written on the marks, in order.
    pub tags: Vec<String>,
}

impl Tagged {
    /// A picture from the record of its marks.
    pub fn new(id: String, picture: Media, marks: &Marks) -> Self {
        let tags = marks.marks.iter().map(|mark| mark.tag.clone()).collect();
        Self { id, picture, tags }
    }
}

/// A picture that is done with.
#[derive(Debug)]
pub enum Step<'a> {
    /// It has an answer.
    Accepted(&'a Record),
    /// It has none: its id, and why.
    Rejected(&'a str, &'a str),
}

/// What a run brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Pictures that had an answer before.
    pub kept: usize,
    /// Pictures that have one now.
    pub accepted: usize,
    /// Pictures that have none, and why. They are asked about again in the next run.
    pub rejected: Vec<(String, String)>,
    /// What answers took, the unusable ones too.
    pub usage: Usage,
}

/// Pictures in a row without a usable answer after which a run ends: something is wrong, and it
/// costs money.
const MOST_IN_A_ROW: usize = 20;

/// Asks an endpoint about marked pictures.
#[derive(Debug)]
pub struct Teacher<'a> {
    endpoint: &'a Endpoint,
    settings: Settings,
    seeds: Vec<Seed>,
}

/// How one picture ended.
enum Outcome {
    Accepted(Record),
    Rejected { id: String, reason: String, usage: Usage },
    Fatal(Error),
}

impl<'a> Teacher<'a> {
    /// A teacher that is shown these examples with every picture.
    pub fn new(endpoint: &'a Endpoint, settings: Settings, seeds: Vec<Seed>) -> Self {
        Self { endpoint, settings, seeds }
    }

    /// About how many tokens a run would take: each picture that has no answer in the journal
    /// asked about once.
    ///
    /// # Errors
    /// The journal is of another kind of run, or a picture's size cannot be read.
    pub fn estimate<'p>(
        &self,
        pictures: impl IntoIterator<Item = &'p Tagged>,
        journal: &Path,
    ) -> Result<Usage> {
        let answers = Answers::load(journal, &self.head())?;
        let mut before = self.conversation(None);
        before.id = "the examples".into();
        let before = estimate(&before, &self.settings.options, 0)?;
        let mut total = Usage::default();
        for picture in pictures {
            if answers.get(picture).is_some() {
                continue;
            }
            let question = Sample {
                id: picture.id.clone(),
                messages: vec![self.question(&picture.tags)],
                media: vec![picture.picture.clone()],
            };
            let length = prompt::answer_tokens(self.settings.mode, picture, self.settings.turns);
            let mut usage = estimate(&question, &self.settings.options, length)?;
            usage.prompt_tokens += before.prompt_tokens;
            total += usage;
        }
        Ok(total)
    }

    /// Asks about every picture that has no answer in the journal yet and adds what is usable to
    /// it. `each` is told of every picture that is done and may end the run.
    ///
    /// # Errors
    /// The journal cannot be read or written or is of another kind of run, the endpoint refuses
    /// or cannot be reached, or many pictures in a row get no usable answer. Answers until then
    /// are in the journal.
    pub fn run(
        &self,
        pictures: impl IntoIterator<Item = Tagged, IntoIter: Send>,
        journal: &Path,
        mut each: impl FnMut(Step) -> ControlFlow<()> + Send,
    ) -> Result<Report> {
        let (mut journal, answers) = Journal::open(journal, &self.head())?;
        let mut report = Report::default();
        let (mut in_a_row, mut failure) = (0, None);
        let kept = AtomicUsize::new(0);
        let open = pictures.into_iter().filter(|picture| {
            let done = answers.get(picture).is_some();
            kept.fetch_add(usize::from(done), Ordering::Relaxed);
            !done
        });
        in_parallel(
            open,
            self.settings.threads,
            |picture| self.ask(&picture),
            |_, outcome| match outcome {
                Outcome::Accepted(record) => {
                    if let Err(error) = journal.add(&record) {
                        failure.get_or_insert(error);
                        return ControlFlow::Break(());
                    }
                    in_a_row = 0;
                    report.accepted += 1;
                    report.usage += record.usage;
                    each(Step::Accepted(&record))
                }
                Outcome::Rejected { id, reason, usage } => {
                    in_a_row += 1;
                    report.usage += usage;
                    let go_on = each(Step::Rejected(&id, &reason));
                    report.rejected.push((id.clone(), reason.clone()));
                    if in_a_row < MOST_IN_A_ROW {
                        return go_on;
                    }
                    failure.get_or_insert(Error::GaveUp { count: in_a_row, id, reason });
                    ControlFlow::Break(())
                }
                Outcome::Fatal(error) => {
                    failure.get_or_insert(error);
                    ControlFlow::Break(())
                }
            },
        );
        if let Some(error) = failure {
            return Err(error);
        }
        report.kept = kept.into_inner();
        Ok(report)
    }

    /// The answers of a journal of this kind of run.
    ///
    /// # Errors
    /// It cannot be read or is of another kind of run. A missing one has no answers.
    pub fn answers(&self, journal: &Path) -> Result<Answers> {
        Answers::load(journal, &self.head())
    }

    fn head(&self) -> Head {
        Head { mode: self.settings.mode, model: self.settings.options.model.clone() }
    }

    /// One picture, until its answer is usable or was asked for often enough.
    fn ask(&self, picture: &Tagged) -> Outcome {
        let mut conversation = self.conversation(Some(picture));
        let mut usage = Usage::default();
        let mut reason = "no answer was asked for".to_owned();
        for tries in 1..=self.settings.tries {
            let reply = match self.endpoint.ask(&conversation, &self.settings.options) {
                Ok(reply) => reply,
                Err(error) if concerns_one(&error) => {
                    let id = picture.id.clone();
                    return Outcome::Rejected { id, reason: error.to_string(), usage };
                }
                Err(error) => return Outcome::Fatal(error.into()),
            };
            usage += reply.usage;
            reason = if reply.is_cut() {
                "it was cut off at the longest length; raise max_tokens".into()
            } else {
                match answer::turns(self.settings.mode, &reply.text, &picture.tags) {
                    Ok(_) => {
                        return Outcome::Accepted(Record {
                            id: picture.id.clone(),
                            answer: reply.text,
                            model: reply.model,
                            tries,
                            usage,
                        });
                    }
                    Err(reason) => reason,
                }
            };
            conversation.messages.push(Message::text(Role::Assistant, reply.text));
            conversation.messages.push(Message::text(Role::User, prompt::again(&reason)));
        }
        let tries = self.settings.tries;
        Outcome::Rejected {
            id: picture.id.clone(),
            reason: format!("the last of {tries} answers was not usable: {reason}"),
            usage,
        }
    }

    /// The instructions, the examples and, if there is one, the picture asked about.
    fn conversation(&self, picture: Option<&Tagged>) -> Sample {
        let system = prompt::system(self.settings.mode);
        let mut sample = Sample {
            id: picture.map_or_else(String::new, |picture| picture.id.clone()),
            messages: vec![Message::text(Role::System, system)],
            media: Vec::new(),
        };
        for seed in &self.seeds {
            sample.messages.push(self.question(&seed.tags));
            sample.messages.push(Message::text(Role::Assistant, &seed.answer));
            sample.media.push(seed.picture.clone());
        }
        if let Some(picture) = picture {
            sample.messages.push(self.question(&picture.tags));
            sample.media.push(picture.picture.clone());
        }
        sample
    }

    fn question(&self, tags: &[String]) -> Message {
        let text = prompt::question(self.settings.mode, tags, self.settings.turns);
        Message { role: Role::User, content: vec![Part::Image, Part::Text(text)] }
    }
}

/// Whether an error is about one picture and others may fare better.
fn concerns_one(error: &quintet_endpoint::Error) -> bool {
    use quintet_endpoint::Error as E;
    match error {
        E::Conversation { .. } | E::Answer { .. } => true,
        E::Refused { status, .. } => matches!(status, 400 | 413 | 415 | 422),
        _ => false,
    }
}
