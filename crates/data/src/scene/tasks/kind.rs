//! What is asked.

use serde::{Deserialize, Serialize};

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// All names, left to right: `dog, apple, bus`.
    List,
    /// The name of the only object.
    Name,
    /// The name of the object at a box.
    NameAt,
    /// `yes` or `no`.
    Presence,
    /// A number.
    Count,
    /// The colour of the only object of its name.
    Colour,
    /// Whether one object is left of, right of, above or below another: `yes` or `no`.
    Relation,
    /// `left`, `right`, `above` or `below`.
    Direction,
    /// The only written word.
    Word,
    /// The box of the only object of its name, in percent of the picture's sides.
    Box,
}

impl TaskKind {
    /// Every kind.
    pub const ALL: [TaskKind; 10] = [
        TaskKind::List,
        TaskKind::Name,
        TaskKind::NameAt,
        TaskKind::Presence,
        TaskKind::Count,
        TaskKind::Colour,
        TaskKind::Relation,
        TaskKind::Direction,
        TaskKind::Word,
        TaskKind::Box,
    ];

    /// Its name in tables and files.
    pub fn key(self) -> &'static str {
        match self {
            TaskKind::List => "list",
            TaskKind::Name => "name",
            TaskKind::NameAt => "name-at",
            TaskKind::Presence => "presence",
            TaskKind::Count => "count",
            TaskKind::Colour => "colour",
            TaskKind::Relation => "relation",
            TaskKind::Direction => "direction",
            TaskKind::Word => "word",
            TaskKind::Box => "box",
        }
    }
}

impl std::fmt::Display for TaskKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key())
    }
}

/// How the absent object of a presence question was chosen (POPE, Li et al., EMNLP 2023,
/// section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Negative {
    /// Any name.
    Random,
    /// One of the names that scenes show most often.
    Popular,
    /// A name that often occurs beside one that is there: one of its group.
    Adversarial,
}

impl Negative {
    /// Every choice.
    pub const ALL: [Negative; 3] = [Negative::Random, Negative::Popular, Negative::Adversarial];

    /// Its name in files.
    pub fn key(self) -> &'static str {
        match self {
            Negative::Random => "random",
            Negative::Popular => "popular",
            Negative::Adversarial => "adversarial",
        }
    }
}
