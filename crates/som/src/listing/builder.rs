//! Samples that follow from what is known of marked pictures, by rule.

use quintet_data::sample::{Media, Message, Part, Role, Sample};
use rand::{RngExt, seq::IndexedRandom};
use serde::{Deserialize, Serialize};

use super::{
    format::Format,
    item::{MarkedPicture, labels_of},
    question::{Asker, Question},
    rng::{Purpose, stream},
    templates::{self, LISTING},
};

/// What a sample trains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// One turn that lists every mark.
    #[default]
    Listing,
    /// Questions about marks.
    Qa,
    /// One or the other, a third of the pictures listed: the paper's 10k to 20k.
    Mixed,
    /// Both in one conversation, the listing first.
    Both,
}

/// How questions are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wording {
    /// `[3] is a dog.`
    #[default]
    Sentences,
    /// `dog`, `[3]`, `yes`: for small models, and for scores by equality.
    Words,
}

/// How samples are built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What samples train.
    pub task: Task,
    /// The form of listings.
    pub format: Format,
    /// The form of answers.
    pub answers: Wording,
    /// Most questions of a sample.
    pub turns: usize,
    /// Seed of wordings and questions.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            task: Task::default(),
            format: Format::default(),
            answers: Wording::default(),
            turns: 6,
            seed: 0,
        }
    }
}

/// Builds samples from marked pictures. The same settings and picture give the same sample,
/// whatever was built before.
#[derive(Clone, Debug)]
pub struct Builder {
    settings: Settings,
    names: Vec<String>,
}

impl Builder {
    /// `names` are all names that pictures of this kind can show; those that a picture does not
    /// show are asked for in vain. Without them questions of presence are always answered yes.
    pub fn new(settings: Settings, names: Vec<String>) -> Self {
        Self { settings, names }
    }

    /// The sample of a picture; `None` where there is nothing to say about it.
    pub fn sample(&self, marked: &MarkedPicture) -> Option<Sample> {
        if marked.items.is_empty() {
            return None;
        }
        let task = match self.settings.task {
            Task::Mixed => {
                let mut rng = stream(self.settings.seed, Purpose::Task, &marked.id);
                if rng.random_range(0..3) == 0 { Task::Listing } else { Task::Qa }
            }
            task => task,
        };
        let mut turns = Vec::new();
        if task != Task::Qa {
            turns.push(self.listing(marked)?);
        }
        if task != Task::Listing {
            let questions = self.questions(marked).into_iter();
            turns.extend(questions.map(|question| (question.text, question.answer)));
        }
        conversation(&marked.id, &marked.picture, turns)
    }

    /// The instruction to list the picture's marks, and the listing.
    fn listing(&self, marked: &MarkedPicture) -> Option<(String, String)> {
        let entries = marked.items.iter().map(|item| (item.tag.as_str(), item.name.as_str()));
        let question = instruction(self.settings.seed, &marked.id, &marked.tags())?;
        Some((question, self.settings.format.write(entries)))
    }

    /// Questions about the picture's marks, each kind as often as the others as far as it goes.
    pub fn questions(&self, marked: &MarkedPicture) -> Vec<Question> {
        let mut rng = stream(self.settings.seed, Purpose::Questions, &marked.id);
        let asker = Asker { marked, names: &self.names, answers: self.settings.answers };
        asker.turns(self.settings.turns, &mut rng)
    }
}

/// One of the instructions to list the marks of a picture.
pub(super) fn instruction<T: AsRef<str>>(seed: u64, id: &str, tags: &[T]) -> Option<String> {
    let wording = LISTING.choose(&mut stream(seed, Purpose::Listing, id))?;
    Some(templates::fill(wording, labels_of(tags)))
}

/// A conversation about a picture, which stands before the first question; `None` without turns.
pub(super) fn conversation(
    id: &str,
    picture: &Media,
    turns: impl IntoIterator<Item = (String, String)>,
) -> Option<Sample> {
    let turns = turns.into_iter().flat_map(|(question, answer)| {
        [Message::text(Role::User, question), Message::text(Role::Assistant, answer)]
    });
    let mut messages: Vec<_> = turns.collect();
    messages.first_mut()?.content.insert(0, Part::Image);
    Some(Sample { id: id.to_owned(), messages, media: vec![picture.clone()] })
}
