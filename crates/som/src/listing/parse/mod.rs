//! Reading listings that models write, in the usual spellings.
//!
//! `1. cat`, `1) cat`, `[1] cat`, `(1): cat`, `**1**: cat`, `**1.** cat`, `- 1 – cat`,
//! `Tag 1: cat`, and the same with letters; each on its own line, or all in one
//! (`1. cat, 2. dog`).

mod scan;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use self::scan::{Scan, scan};

/// A mark and what is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The tag as it is written.
    pub tag: &'a str,
    /// The description, without emphasis around it.
    pub text: &'a str,
}

/// Why a text is not the listing that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// Nothing in it is an entry of a listing.
    #[error("it has no entries; write one line for each tag, such as \"{0}. description\"")]
    NoEntries(String),
    /// An entry is missing.
    #[error("tag {0} is missing")]
    Missing(String),
    /// A tag has two entries.
    #[error("tag {0} is there twice")]
    Twice(String),
    /// A tag that the picture does not have.
    #[error("tag {0} is not in the picture")]
    Unknown(String),
    /// The entries are in another order than the tags.
    #[error("tag {0} is out of order")]
    Order(String),
    /// An entry says nothing.
    #[error("tag {0} has no description")]
    Empty(String),
    /// A line among the entries that belongs to none.
    #[error("the line {0:?} belongs to no tag; write one line for each tag and nothing else")]
    Stray(String),
}

/// Reads a listing that must have every tag exactly once, in order, and no other; text before the
/// first entry is passed over.
///
/// # Errors
/// The first thing that is wrong.
pub fn listing<'a, T: AsRef<str>>(text: &'a str, tags: &[T]) -> Result<Vec<Entry<'a>>, Reject> {
    let Scan { entries, stray } = scan(text, tags);
    if entries.is_empty() {
        let first = tags.first().map_or("1", AsRef::as_ref);
        return Err(Reject::NoEntries(first.to_owned()));
    }
    if let Some(line) = stray {
        return Err(Reject::Stray(line.to_owned()));
    }
    let owned = |tag: &str| tag.to_owned();
    let mut seen = HashSet::new();
    for entry in &entries {
        if !tags.iter().any(|tag| same(tag.as_ref(), entry.tag)) {
            return Err(Reject::Unknown(owned(entry.tag)));
        }
        if !seen.insert(entry.tag.to_ascii_lowercase()) {
            return Err(Reject::Twice(owned(entry.tag)));
        }
        if !entry.text.contains(char::is_alphanumeric) {
            return Err(Reject::Empty(owned(entry.tag)));
        }
    }
    let has = |tag: &&T| seen.contains(&tag.as_ref().to_ascii_lowercase());
    if let Some(missing) = tags.iter().find(|tag| !has(tag)) {
        return Err(Reject::Missing(owned(missing.as_ref())));
    }
    let order = entries.iter().zip(tags).find(|(entry, tag)| !same(tag.as_ref(), entry.tag));
    match order {
        Some((entry, _)) => Err(Reject::Order(owned(entry.tag))),
        None => Ok(entries),
    }
}

/// All entries of a text, whatever their order and number.
pub fn entries<'a, T: AsRef<str>>(text: &'a str, tags: &[T]) -> Vec<Entry<'a>> {
    scan(text, tags).entries
}

/// Whether two tags are the same mark: letters are read in either case.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}
