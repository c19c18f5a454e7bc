//! The scores of the scene tasks.

use std::{collections::BTreeMap, fmt};

use quintet_data::scene::tasks::{Negative, Question, TaskKind};
use serde::Serialize;

use crate::{
    answer,
    metrics::{Accuracy, BoxScore, Confusion, CountScore, ListScore},
};

/// Wrong answers kept of each kind.
const KEPT: usize = 5;

/// How a model answered, by kind of question.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scores {
    /// Scenes asked about.
    pub scenes: usize,
    /// Questions asked.
    pub questions: usize,
    /// "Is there a dog?"
    pub presence: Presence,
    /// "How many dogs?"
    pub count: CountScore,
    /// "What colour is the dog?"
    pub colour: Accuracy,
    /// "Is the dog left of the bus?"
    pub relation: Confusion,
    /// "Where is the dog, seen from the bus?"
    pub direction: Accuracy,
    /// "What word is written?"
    pub word: Accuracy,
    /// "What is this?", of a scene's only object.
    pub name: Accuracy,
    /// "What is at [12, 30, 45, 62]?"
    pub name_at: Accuracy,
    /// "What objects are in the picture?"
    pub list: ListScore,
    /// "Where is the dog?"
    #[serde(rename = "box")]
    pub place: BoxScore,
    /// The first wrong answers of each kind.
    pub mistakes: Vec<Mistake>,
}

/// Presence by the way the absent names were chosen. As in POPE, each way is measured on about
/// as many names that are there, and no question counts in two of them.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Presence {
    /// All questions.
    pub all: Confusion,
    /// Any absent name.
    pub random: Confusion,
    /// Names that scenes show often.
    pub popular: Confusion,
    /// Names like those that are there.
    pub adversarial: Confusion,
    #[serde(skip)]
    positives: usize,
}

/// A wrong answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// What was asked.
    pub kind: TaskKind,
    /// Number of the scene.
    pub scene: u64,
    /// The question.
    pub question: String,
    /// The right answer.
    pub expected: String,
    /// The model's.
    pub answered: String,
}

impl Presence {
    fn add(&mut self, negative: Option<Negative>, said: Option<bool>) {
        let truth = negative.is_none();
        let setting = negative.unwrap_or_else(|| {
            self.positives += 1;
            Negative::ALL[self.positives % Negative::ALL.len()]
        });
        let score = match setting {
            Negative::Random => &mut self.random,
            Negative::Popular => &mut self.popular,
            Negative::Adversarial => &mut self.adversarial,
        };
        score.add(truth, said);
        self.all.add(truth, said);
    }
}

impl Scores {
    /// Counts the answer to a question about a scene.
    pub fn add(&mut self, scene: u64, question: &Question, said: &str) {
        let truth = question.answer.as_str();
        let same = answer::plain(said) == answer::plain(truth);
        let mut right = same;
        match question.kind {
            TaskKind::Presence => {
                let said = answer::yes_or_no(said);
                right = said == answer::yes_or_no(truth);
                self.presence.add(question.negative, said);
            }
            TaskKind::Relation => {
                let (said, truth) = (answer::yes_or_no(said), answer::yes_or_no(truth));
                right = said == truth;
                self.relation.add(truth == Some(true), said);
            }
            TaskKind::Count => {
                let (said, truth) = (answer::number(said), answer::number(truth));
                right = said.is_some() && said == truth;
                self.count.add(truth.unwrap_or_default(), said);
            }
            TaskKind::List => self.list.add(&answer::names(truth), &answer::names(said)),
            TaskKind::Box => {
                let said = answer::boxes(said).first().copied();
                let truth = answer::boxes(truth).first().copied().unwrap_or_default();
                let found = self.place.found;
                self.place.add(truth, said);
                right = self.place.found > found;
            }
            TaskKind::Colour => self.colour.add(same),
            TaskKind::Direction => self.direction.add(same),
            TaskKind::Word => self.word.add(same),
            TaskKind::Name => self.name.add(same),
            TaskKind::NameAt => self.name_at.add(same),
        }
        self.questions += 1;
        let kept = || self.mistakes.iter().filter(|mistake| mistake.kind == question.kind).count();
        if !right && kept() < KEPT {
            self.mistakes.push(Mistake {
                kind: question.kind,
                scene,
                question: question.text.clone(),
                expected: truth.to_owned(),
                answered: said.to_owned(),
            });
        }
    }

    /// Every number under its name (`presence.f1`), for logs.
    pub fn flat(&self) -> BTreeMap<String, f64> {
        let rows = self.rows().into_iter();
        let values = rows.flat_map(|row| {
            row.values.into_iter().map(move |(name, value)| (format!("{}.{name}", row.task), value))
        });
        values.collect()
    }

    fn rows(&self) -> Vec<Row> {
        let one = |task, score: &Accuracy, name| Row {
            task,
            n: score.total,
            values: vec![(name, score.value())],
        };
        let yes_no = |task, score: &Confusion| Row {
            task,
            n: score.total(),
            values: vec![
                ("accuracy", score.accuracy()),
                ("precision", score.precision()),
                ("recall", score.recall()),
                ("f1", score.f1()),
                ("yes", score.yes_ratio()),
            ],
        };
        let (count, list, place) = (&self.count, &self.list, &self.place);
        vec![
            yes_no("presence", &self.presence.all),
            yes_no("presence/random", &self.presence.random),
            yes_no("presence/popular", &self.presence.popular),
            yes_no("presence/adversarial", &self.presence.adversarial),
            Row {
                task: "count",
                n: count.total(),
                values: vec![("accuracy", count.accuracy()), ("within1", count.within_one())],
            },
            one("colour", &self.colour, "accuracy"),
            yes_no("relation", &self.relation),
            one("direction", &self.direction, "accuracy"),
            one("word", &self.word, "exact"),
            one("name", &self.name, "top1"),
            one("name-at", &self.name_at, "top1"),
            Row {
                task: "list",
                n: list.total,
                values: vec![
                    ("precision", list.precision()),
                    ("recall", list.recall()),
                    ("f1", list.f1()),
                    ("exact", list.exact()),
                ],
            },
            Row {
                task: "box",
                n: place.total,
                values: vec![("iou", place.mean_iou()), ("iou50", place.found_share())],
            },
        ]
    }
}

/// A line of the table.
struct Row {
    task: &'static str,
    n: usize,
    values: Vec<(&'static str, f64)>,
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<22}{:>6}", "task", "n")?;
        for row in self.rows() {
            write!(f, "{:<22}{:>6}", row.task, row.n)?;
            for (name, value) in row.values {
                match row.n {
                    0 => write!(f, "  {name:>9}     -")?,
                    _ => write!(f, "  {name:>9} {value:.3}")?,
                }
            }
            writeln!(f)?;
        }
        write!(f, "{} questions about {} scenes", self.questions, self.scenes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(kind: TaskKind, answer: &str, negative: Option<Negative>) -> Question {
        let text = format!("a question of kind {kind}");
        Question { kind, text, answer: answer.to_owned(), subject: Vec::new(), negative }
    }

    #[test]
    fn each_kind_has_its_score() {
        let mut scores = Scores::default();
        let mut ask = |kind, truth: &str, said: &str| {
            scores.add(0, &question(kind, truth, None), said);
        };
        ask(TaskKind::Count, "3", " 3.");
        ask(TaskKind::Count, "3", "many");
        ask(TaskKind::Colour, "red", "Red");
        ask(TaskKind::Relation, "no", "no");
        ask(TaskKind::Direction, "left", "right");
        ask(TaskKind::Word, "stop", "stop");
        ask(TaskKind::Name, "dog", "dog");
        ask(TaskKind::NameAt, "dog", "cat");
        ask(TaskKind::List, "dog, cat", "dog, bus");
        ask(TaskKind::Box, "[0, 0, 50, 50]", "[0, 0, 50, 40]");
        ask(TaskKind::Box, "[0, 0, 50, 50]", "somewhere");
        let flat = scores.flat();
        for (name, value) in [
            ("count.accuracy", 0.5),
            ("count.within1", 0.5),
            ("colour.accuracy", 1.0),
            ("relation.accuracy", 1.0),
            ("direction.accuracy", 0.0),
            ("word.exact", 1.0),
            ("name.top1", 1.0),
            ("name-at.top1", 0.0),
            ("list.f1", 0.5),
            ("list.exact", 0.0),
            ("box.iou", 0.4),
            ("box.iou50", 0.5),
        ] {
            assert!((flat[name] - value).abs() < 1e-12, "{name}: {}", flat[name]);
        }
        assert_eq!(scores.questions, 11);
        let wrong: Vec<_> = scores.mistakes.iter().map(|mistake| mistake.kind).collect();
        use TaskKind::*;
        assert_eq!(wrong, [Count, Direction, NameAt, List, Box]);
    }

    #[test]
    fn presence_is_split_by_the_kind_of_absent_name() {
        let mut scores = Scores::default();
        for negative in Negative::ALL {
            scores.add(0, &question(TaskKind::Presence, "yes", None), "yes");
            let said = if negative == Negative::Adversarial { "yes" } else { "no" };
            scores.add(0, &question(TaskKind::Presence, "no", Some(negative)), said);
        }
        let Presence { all, random, popular, adversarial, .. } = scores.presence;
        assert_eq!(
            (random.accuracy(), popular.accuracy(), adversarial.accuracy()),
            (1.0, 1.0, 0.5)
        );
        assert_eq!(adversarial.yes_ratio(), 1.0);
        assert_eq!((all.total(), all.accuracy()), (6, 5.0 / 6.0));
    }

    #[test]
    fn the_table_shows_every_task_and_marks_what_was_not_asked() {
        let mut scores = Scores::default();
        scores.add(0, &question(TaskKind::Word, "stop", None), "stop");
        let table = scores.to_string();
        assert!(table.contains("word                       1      exact 1.000"), "{table}");
        assert!(table.contains("count                      0   accuracy     -"), "{table}");
        assert_eq!(table.lines().count(), 15);
    }

    #[test]
    fn few_mistakes_are_kept() {
        let mut scores = Scores::default();
        for _ in 0..9 {
            scores.add(1, &question(TaskKind::Word, "stop", None), "go");
            scores.add(1, &question(TaskKind::Name, "dog", None), "cat");
        }
        assert_eq!(scores.mistakes.len(), 2 * KEPT);
    }
}
