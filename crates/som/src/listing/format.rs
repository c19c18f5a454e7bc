//! How listings are written.

use serde::{Deserialize, Serialize};

/// The form of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `1. person`, a line break, `2. cat`.
    #[default]
    Lines,
    /// `1. person, 2. cat`, as in the paper's §5.2.
    Inline,
}

impl Format {
    /// Tags and descriptions as a listing.
    pub fn write<'a>(self, entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let entries = entries.into_iter().map(|(tag, text)| format!("{tag}. {text}"));
        let between = match self {
            Format::Lines => "\n",
            Format::Inline => ", ",
        };
        entries.collect::<Vec<_>>().join(between)
    }
}
