//! Finding listings in text (the paper's §3.2): enumerations whose entries are numbered, lettered
//! or bulleted, on lines of their own or in one line.
//!
//! A numbered listing starts at 1, a lettered one at a or A, and each next marker is the
//! successor, spelled in the same way; what stands between two markers has a letter in it. At the
//! start of a line `1.`, `1)`, `(1)`, `[1]`, `1:`, `Step 1:` and the like count as markers, within
//! a line only `1.`, `1)`, `(1)`, `a)` and `(a)`: `[1]` is how citations look, and `A.` an initial.
//! Within a line a marker must follow a stop, comma, semicolon or colon, but the first one of a
//! listing and those in two brackets may follow anything.

mod bullet;
mod marker;
mod share;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use share::{Example, Share, Turns, share};

/// What entries are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// 1, 2, 3, …
    Numbered,
    /// a, b, c, …
    Lettered,
    /// Dashes, stars and dots at the starts of lines.
    Bulleted,
}

impl Kind {
    /// Its name in tables.
    pub fn key(self) -> &'static str {
        match self {
            Kind::Numbered => "numbered",
            Kind::Lettered => "lettered",
            Kind::Bulleted => "bulleted",
        }
    }
}

/// An enumeration in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What its entries are told apart by.
    pub kind: Kind,
    /// Whether two entries share a line.
    pub inline: bool,
    /// The number of entries.
    pub entries: usize,
    /// Where it is in the text, in bytes: from its first marker to the end of the line of its last.
    pub span: Range<usize>,
}

/// Finds listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detector {
    /// Fewest entries of a listing.
    pub least: usize,
}

impl Default for Detector {
    /// Two entries are as often a comparison or a date; three are a listing.
    fn default() -> Self {
        Self { least: 3 }
    }
}

impl Detector {
    /// The listings of a text, in the order in which they begin.
    pub fn find(&self, text: &str) -> Vec<Listing> {
        let mut found = marker::find(text, self.least.max(1));
        found.extend(bullet::find(text, self.least.max(1)));
        found.sort_by_key(|listing| listing.span.start);
        found
    }
}
