//! How much of a dataset is listings.

use std::collections::BTreeMap;

use quintet_data::{
    formats::Dataset,
    sample::{Message, Part, Role},
};
use serde::Serialize;

use super::{Detector, Kind};

/// The share of texts with listings, as in the paper's Table 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    /// Rows read.
    pub rows: u64,
    /// Rows with a listing in an answer.
    pub rows_with: u64,
    /// What models say. The paper counts these.
    pub answers: Turns,
    /// What people ask.
    pub questions: Turns,
    /// What stands before the conversations.
    pub systems: Turns,
    /// Answers by the kinds of listings they have; one with two kinds counts for both.
    pub kinds: BTreeMap<Kind, u64>,
    /// Answers with listings in one line.
    pub inline: u64,
    /// The first rows with listings, each with its first.
    pub examples: Vec<Example>,
    /// Rows that cannot be read; they are not among `rows`.
    pub unreadable: u64,
    /// What is wrong with the first of them.
    pub first_error: Option<String>,
}

/// Turns of one speaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Turns {
    /// All.
    pub all: u64,
    /// With a listing.
    pub with: u64,
}

impl Turns {
    /// The share with a listing; 0 without turns.
    pub fn share(self) -> f64 {
        self.with as f64 / self.all.max(1) as f64
    }
}

/// An answer with a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The sample's id.
    pub id: String,
    /// The row, counted from 0.
    pub row: usize,
    /// The kind of the listing.
    pub kind: Kind,
    /// The listing, cut after some hundred characters.
    pub text: String,
}

/// Reads every row, one at a time; `progress` is told how many are done.
pub fn share(
    data: &dyn Dataset,
    detector: &Detector,
    examples: usize,
    mut progress: impl FnMut(usize),
) -> Share {
    let mut share = Share::default();
    for row in 0..data.len() {
        match data.get(row) {
            Ok(sample) => {
                share.rows += 1;
                let mut example = None;
                for message in &sample.messages {
                    let found = share.message(message, detector);
                    example = example.or(found);
                }
                if let Some((kind, text)) = example {
                    share.rows_with += 1;
                    if share.examples.len() < examples {
                        share.examples.push(Example { id: sample.id, row, kind, text });
                    }
                }
            }
            Err(error) => {
                share.unreadable += 1;
                share.first_error.get_or_insert_with(|| error.to_string());
            }
        }
        progress(row + 1);
    }
    share
}

impl Share {
    /// Counts a turn; gives the first listing of an answer.
    fn message(&mut self, message: &Message, detector: &Detector) -> Option<(Kind, String)> {
        let text = text(message);
        let found = detector.find(&text);
        let turns = match message.role {
            Role::Assistant => &mut self.answers,
            Role::User => &mut self.questions,
            Role::System => &mut self.systems,
        };
        turns.all += 1;
        turns.with += u64::from(!found.is_empty());
        if message.role != Role::Assistant {
            return None;
        }
        for kind in [Kind::Numbered, Kind::Lettered, Kind::Bulleted] {
            if found.iter().any(|listing| listing.kind == kind) {
                *self.kinds.entry(kind).or_default() += 1;
            }
        }
        self.inline += u64::from(found.iter().any(|listing| listing.inline));
        let first = found.first()?;
        let listing = text.get(first.span.clone()).unwrap_or_default();
        Some((first.kind, listing.chars().take(300).collect()))
    }
}

/// A turn's text; media part what stands around them.
fn text(message: &Message) -> String {
    let part = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Image | Part::Video => "\n".to_owned(),
    };
    message.content.iter().map(part).collect()
}
