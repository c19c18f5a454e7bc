//! How questions are worded.

use super::{kind::TaskKind, place::Side};
use crate::scene::names::Name;

/// The wordings of a kind; the first is canonical.
pub(super) fn phrasings(kind: TaskKind) -> &'static [&'static str] {
    match kind {
        TaskKind::List => &[
            "What objects are in the picture?",
            "List the objects in the image.",
            "Which things can you see?",
            "Name everything in the picture.",
        ],
        TaskKind::Name => &[
            "What is this?",
            "What is shown here?",
            "Which object is in the picture?",
            "Name the object.",
        ],
        TaskKind::NameAt => {
            &["What is at {box}?", "Which object is at {box}?", "Name the object at {box}."]
        }
        TaskKind::Presence => &[
            "Is there {a} in the picture?",
            "Can you see {a}?",
            "Does the image show {a}?",
            "Is there {a} here?",
        ],
        TaskKind::Count => &[
            "How many {plural} are in the picture?",
            "How many {plural} are there?",
            "How many {plural} can you see?",
            "Count the {plural}.",
        ],
        TaskKind::Colour => &[
            "What colour is the {name}?",
            "What color is the {name}?",
            "Which colour does the {name} have?",
            "Tell me the color of the {name}.",
        ],
        TaskKind::Relation => &[
            "Is the {name} {side} the {other}?",
            "Is the {name} {to_side} the {other}?",
            "Can the {name} be found {side} the {other}?",
        ],
        TaskKind::Direction => &[
            "Where is the {name}, seen from the {other}?",
            "On which side of the {other} is the {name}?",
            "In which direction from the {other} is the {name}?",
        ],
        TaskKind::Word => &[
            "What word is written in the picture?",
            "Which word can you read?",
            "What does the text say?",
            "Read the word.",
        ],
        TaskKind::Box => &[
            "Where is the {name}?",
            "Locate the {name}.",
            "Give the box of the {name}.",
            "At which place is the {name}?",
        ],
    }
}

/// What a wording may speak of.
#[derive(Clone, Default)]
pub(super) struct Terms<'a> {
    pub name: Option<&'a Name>,
    pub other: Option<&'a Name>,
    pub side: Option<Side>,
    pub place: Option<String>,
}

impl Terms<'_> {
    /// Fills a wording's gaps.
    pub fn fill(&self, wording: &str) -> String {
        let mut text = wording.to_owned();
        if let Some(name) = self.name {
            text = text
                .replace("{a}", &name.with_article())
                .replace("{plural}", name.plural)
                .replace("{name}", name.name);
        }
        if let Some(other) = self.other {
            text = text.replace("{other}", other.name);
        }
        if let Some(side) = self.side {
            text = text.replace("{side}", side.short()).replace("{to_side}", side.long());
        }
        if let Some(place) = &self.place {
            text = text.replace("{box}", place);
        }
        text
    }
}
