//! Asking about pictures.

use std::{
    ops::ControlFlow,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use quintet_data::sample::{Message, Part, Role, Sample};
use quintet_endpoint::{Endpoint, Usage, estimate, in_parallel};
use quintet_hub::digest::of_bytes;
use serde_json::json;

use super::{
    super::error::{Error, Result},
    Answers, Mode, Record, Report, Seed, Settings, Step, Tagged, answer, digest,
    journal::{Head, Journal},
    prompt,
};

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
    /// asked about once. One that cannot be read will not be sent and costs nothing.
    ///
    /// # Errors
    /// The journal is of another kind of run, or an example's size cannot be read.
    pub fn estimate<'p>(
        &self,
        pictures: impl IntoIterator<Item = &'p Tagged>,
        journal: &Path,
    ) -> Result<Usage> {
        let answers = self.answers(journal)?;
        let mut before = self.conversation(None);
        before.id = "the examples".into();
        let before = estimate(&before, &self.settings.options, 0)?;
        let mut total = Usage::default();
        for picture in pictures {
            if picture.tags.is_empty() || answers.get(picture).is_some() {
                continue;
            }
            let question = Sample {
                id: picture.id.clone(),
                messages: vec![self.question(&picture.tags)],
                media: vec![picture.picture.clone()],
            };
            let length = prompt::answer_tokens(self.mode(), picture, self.settings.turns);
            let mut usage = match estimate(&question, &self.settings.options, length) {
                Ok(usage) => usage,
                Err(quintet_endpoint::Error::Conversation { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            usage.prompt_tokens += before.prompt_tokens;
            total += usage;
        }
        Ok(total)
    }

    /// Asks about every picture that has no answer in the journal yet and adds what is usable to
    /// it; pictures without marks are passed over. `each` is told of every picture that is done
    /// and may end the run.
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
        let (mut journal, answers) = Journal::open(journal, self)?;
        let mut report = Report::default();
        let (mut in_a_row, mut failure) = (0, None);
        let kept = AtomicUsize::new(0);
        let open = pictures.into_iter().filter(|picture| {
            let done = answers.get(picture).is_some();
            kept.fetch_add(usize::from(done), Ordering::Relaxed);
            !done && !picture.tags.is_empty()
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
    pub fn answers(&self, journal: &Path) -> Result<Answers<'_>> {
        Answers::load(journal, self)
    }

    pub(super) fn mode(&self) -> Mode {
        self.settings.mode
    }

    pub(super) fn head(&self) -> Head {
        Head { mode: self.mode(), model: self.settings.options.model.clone() }
    }

    /// SHA-256 of what is asked about a picture: instructions, examples, the picture, its tags.
    ///
    /// # Errors
    /// The picture cannot be read.
    pub(super) fn digest(&self, picture: &Tagged) -> Result<String> {
        let examples = self.seeds.iter().map(|seed| json!([seed.digest, seed.tags, seed.answer]));
        let question = prompt::question(self.mode(), &picture.tags, self.settings.turns);
        let asked = json!([
            prompt::system(self.mode()),
            examples.collect::<Vec<_>>(),
            digest::picture(&picture.picture)?,
            question,
        ]);
        Ok(of_bytes(asked.to_string().as_bytes()))
    }

    /// One picture, until its answer is usable or was asked for often enough.
    fn ask(&self, picture: &Tagged) -> Outcome {
        let mut usage = Usage::default();
        let rejected = |reason, usage| Outcome::Rejected { id: picture.id.clone(), reason, usage };
        let prompt = match self.digest(picture) {
            Ok(prompt) => prompt,
            Err(error) => return rejected(error.to_string(), usage),
        };
        let mut conversation = self.conversation(Some(picture));
        let mut reason = "no answer was asked for".to_owned();
        for tries in 1..=self.settings.tries {
            let reply = match self.endpoint.ask(&conversation, &self.settings.options) {
                Ok(reply) => reply,
                Err(error) if concerns_one(&error) => return rejected(error.to_string(), usage),
                Err(error) => return Outcome::Fatal(error.into()),
            };
            usage += reply.usage;
            reason = if reply.is_cut() {
                "it was cut off at the longest length; raise max_tokens (--max-tokens)".into()
            } else {
                match answer::turns(self.mode(), &reply.text, &picture.tags) {
                    Ok(_) => {
                        return Outcome::Accepted(Record {
                            id: picture.id.clone(),
                            prompt,
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
        rejected(format!("the last of {tries} answers was not usable: {reason}"), usage)
    }

    /// The instructions, the examples and, if there is one, the picture asked about.
    fn conversation(&self, picture: Option<&Tagged>) -> Sample {
        let system = prompt::system(self.mode());
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
        let text = prompt::question(self.mode(), tags, self.settings.turns);
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
