//! Listings and conversations by a teacher: any chat endpoint that sees (the paper's §4.3).
//!
//! Each picture is asked about with the examples given, and again with what is wrong where an
//! answer is not usable. Usable ones go into a journal at once, so that a run that is stopped goes
//! on where it was, and nothing is paid for twice. An answer counts for the very question: the
//! picture, its tags, the instructions and the examples.

mod answer;
mod digest;
mod journal;
mod prompt;
mod run;
mod seed;
#[cfg(test)]
mod tests;

use quintet_data::sample::Media;
use quintet_endpoint::{Options, Usage};
use serde::{Deserialize, Serialize};

pub use journal::{Answers, Record};
pub use run::Teacher;
pub use seed::Seed;

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
