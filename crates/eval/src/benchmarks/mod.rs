//! Public benchmarks: their official files, their questions word for word, and two ways to score.
//!
//! Published numbers of one benchmark come from two families of programs that read the same answer
//! differently: the authors' own scripts ([`Mode::Official`]) and evaluation harnesses
//! ([`Mode::Harness`], here lmms-eval 0.7.3). A score is comparable only with scores of the same
//! mode; every [`Outcome`] lists the answers that the two read differently, and why.
//!
//! A benchmark is one file here and one line in [`BENCHMARKS`].

pub mod answers;
pub mod ask;
mod files;
mod journal;
pub mod judge;
mod llava;
mod local;
mod mm_vet;
mod mme;
pub mod outcome;
mod pope;
pub mod pope_from_coco;
mod python;
mod remote;
mod seed;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use answers::{Answer, Answers, OptionScore};
pub use ask::{Asked, Respondent, ask};
pub use judge::{Judge, JudgePrompt, RecordedReplies};
pub use llava::LlavaBench;
pub use local::{Local, Ranking};
pub use mm_vet::MmVet;
pub use mme::Mme;
pub use outcome::{Disagreement, Outcome};
pub use pope::Pope;
pub use remote::Remote;
pub use seed::SeedBench;

use crate::Result;

/// Every benchmark.
pub static BENCHMARKS: &[&dyn Benchmark] = &[&Pope, &Mme, &SeedBench, &LlavaBench, &MmVet];

/// The benchmark of a [name](Benchmark::name).
pub fn find(name: &str) -> Option<&'static dyn Benchmark> {
    BENCHMARKS.iter().copied().find(|benchmark| benchmark.name() == name)
}

/// Whose program is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The benchmark's authors'.
    Official,
    /// lmms-eval 0.7.3.
    Harness,
}

impl Mode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Official, Self::Harness];

    /// This mode's of a pair.
    fn of<T>(self, official: T, harness: T) -> T {
        match self {
            Self::Official => official,
            Self::Harness => harness,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.of("official", "harness"))
    }
}

/// A question about a picture, and what its answer is held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Unique in its benchmark.
    pub id: String,
    /// The picture.
    pub image: PathBuf,
    /// What the model is asked, word for word as the mode's program asks it.
    pub prompt: String,
    /// The question alone, as the file has it.
    pub question: String,
    /// What the score is broken down by: a split, a category, capabilities.
    pub group: String,
    /// The right answer, the right letter or the reference answer.
    pub truth: String,
    /// The texts of the options A to D; empty where an answer is free.
    pub options: Vec<String>,
    /// What a judge that sees no picture is told of it; empty where no judge needs it.
    pub context: String,
}

/// The questions about the first `pictures` pictures of each group, so that no group and no pair of
/// questions is torn.
pub fn first(mut items: Vec<Item>, pictures: usize) -> Vec<Item> {
    let mut seen: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    items.retain(|item| {
        let group = seen.entry(item.group.clone()).or_default();
        group.contains(&item.image) || group.len() < pictures && group.insert(item.image.clone())
    });
    items
}

/// Official files, questions and scores of one benchmark.
pub trait Benchmark: Sync {
    /// Lower-case name.
    fn name(&self) -> &'static str;

    /// The program whose behaviour `mode` has.
    fn rule(&self, mode: Mode) -> &'static str;

    /// What the modes do differently beside reading an answer: other questions, other judges, other
    /// sums.
    fn differences(&self) -> &'static [&'static str];

    /// Whether answers are free, so that a judge grades them.
    fn needs_judge(&self) -> bool {
        false
    }

    /// The questions in the official layout at `path`, with pictures under `images` or where the
    /// official layout has them. Pictures are named, not opened.
    ///
    /// # Errors
    /// A file is missing or malformed; the error names file and row.
    fn read(&self, path: &Path, images: Option<&Path>, mode: Mode) -> Result<Vec<Item>>;

    /// Answers that were made elsewhere: JSON lines `{"id", "answer"}`, or the layout in which the
    /// benchmark's own programs write them.
    ///
    /// # Errors
    /// A file is missing or malformed; the error names file and row.
    fn read_answers(&self, items: &[Item], path: &Path) -> Result<Answers> {
        answers::read(items, path)
    }

    /// Scores the answers to `items`. Benchmarks of free answers ask `judge`.
    ///
    /// # Errors
    /// An item has no answer, or the judge has none.
    fn score(
        &self,
        items: &[Item],
        answers: &Answers,
        mode: Mode,
        judge: Option<&dyn Judge>,
    ) -> Result<Outcome>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pictures_of_each_group_keep_all_their_questions() {
        let item = |(i, (group, image)): (usize, &(&str, &str))| Item {
            id: i.to_string(),
            image: image.into(),
            group: (*group).into(),
            prompt: String::new(),
            question: String::new(),
            truth: String::new(),
            options: Vec::new(),
            context: String::new(),
        };
        let asked =
            [("a", "1"), ("a", "1"), ("a", "2"), ("a", "3"), ("b", "3"), ("b", "3"), ("a", "2")];
        let kept = |pictures| -> Vec<String> {
            let items = asked.iter().enumerate().map(item).collect();
            first(items, pictures).into_iter().map(|item| item.id).collect()
        };
        assert_eq!(kept(1), ["0", "1", "4", "5"]);
        assert_eq!(kept(2), ["0", "1", "2", "4", "5", "6"]);
        assert_eq!(kept(9).len(), asked.len());
        assert!(kept(0).is_empty());
    }

    #[test]
    fn names_find_their_benchmark_and_nothing_else() {
        for benchmark in BENCHMARKS {
            assert_eq!(find(benchmark.name()).unwrap().name(), benchmark.name());
            assert_ne!(benchmark.rule(Mode::Official), benchmark.rule(Mode::Harness));
        }
        assert!(find("Pope").is_none());
    }
}
