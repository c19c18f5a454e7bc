//! Reading listings that models write, in the usual spellings.
//!
//! `1. cat`, `1) cat`, `[1] cat`, `(1): cat`, `**1**: cat`, `**1.** cat`, `- 1 – cat`,
//! `Tag 1: cat`, and the same with letters; each on its own line, or all in one
//! (`1. cat, 2. dog`).

use std::collections::HashSet;

use super::item::labels_of;
use crate::marks::Labels;

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

struct Scan<'a> {
    entries: Vec<Entry<'a>>,
    /// The first line after the first entry that belongs to none.
    stray: Option<&'a str>,
}

fn scan<'a, T: AsRef<str>>(text: &'a str, tags: &[T]) -> Scan<'a> {
    let labels = labels_of(tags);
    let at_starts = text.lines().filter(|line| opening(line, labels).is_some()).count();
    let follows = |before: &str, tag: &str| {
        let at = tags.iter().position(|tag| same(tag.as_ref(), before));
        at.and_then(|at| tags.get(at + 1)).is_some_and(|next| same(next.as_ref(), tag))
    };
    // Among lines that have an entry each, an inner one is an entry only if it is the next:
    // descriptions hold numbers too.
    let one_line = at_starts < 2;
    let known = |tag: &str| tags.iter().any(|other| same(other.as_ref(), tag));
    let mut scan = Scan { entries: Vec::new(), stray: None };
    for line in text.lines() {
        let mut rest = match (opening(line, labels), one_line) {
            (Some(entry), _) => Some(entry),
            (None, true) => inner(line, |tag| !scan.entries.is_empty() || known(tag), labels)
                .map(|(_, entry)| entry),
            (None, false) => None,
        };
        if rest.is_none() && !scan.entries.is_empty() && !line.trim().is_empty() {
            scan.stray.get_or_insert(line.trim());
        }
        while let Some((tag, body)) = rest {
            let next = inner(body, |next| one_line || follows(tag, next), labels);
            let end = next.map_or(body.len(), |(at, _)| at);
            let text = clean(body.get(..end).unwrap_or_default(), next.is_some());
            scan.entries.push(Entry { tag, text });
            rest = next.map(|(_, entry)| entry);
        }
    }
    scan
}

/// A tag and the text behind its marker.
type Opened<'a> = (&'a str, &'a str);

/// What may stand before a tag at the start of a line.
const LABELS: [&str; 8] = ["tag", "item", "mark", "object", "number", "letter", "label", "no."];

/// The tag at the start of a line.
fn opening(line: &str, labels: Labels) -> Option<Opened<'_>> {
    let mut rest = line.trim_start();
    for bullet in ["- ", "* ", "+ ", "• ", "> "] {
        rest = rest.strip_prefix(bullet).unwrap_or(rest).trim_start();
    }
    let (rest, emphasised) = emphasis(rest.trim_start_matches('#').trim_start());
    let label = LABELS.iter().find_map(|label| {
        let head = rest.get(..label.len())?;
        let tail = rest.get(label.len()..)?;
        (head.eq_ignore_ascii_case(label) && tail.starts_with([' ', '#'])).then_some(tail)
    });
    let unlabelled = label.unwrap_or(rest).trim_start();
    let (rest, again) = emphasis(unlabelled.strip_prefix('#').unwrap_or(unlabelled));
    let certain = label.is_some() || emphasised || again;
    let marker = marker(rest, labels)?;
    (marker.bracketed || marker.stopped || certain).then_some((marker.tag, marker.body))
}

/// The first tag inside a line that `wanted` accepts: where the text before it ends, and the
/// entry. It stands behind a comma, a stop or a semicolon.
fn inner<'a>(
    text: &'a str,
    wanted: impl Fn(&str) -> bool,
    labels: Labels,
) -> Option<(usize, Opened<'a>)> {
    let mut previous = None;
    for (at, c) in text.char_indices() {
        let gap = c.is_whitespace();
        if gap && matches!(previous, Some(',' | ';' | '.' | ':' | '|')) {
            let rest = text.get(at..)?.trim_start();
            let rest = rest.strip_prefix("and ").unwrap_or(rest);
            if let Some(marker) = marker(emphasis(rest).0, labels)
                && (marker.bracketed || marker.stopped)
                && wanted(marker.tag)
            {
                return Some((at, (marker.tag, marker.body)));
            }
        }
        if !gap {
            previous = Some(c);
        }
    }
    None
}

struct Marker<'a> {
    tag: &'a str,
    body: &'a str,
    bracketed: bool,
    /// Whether a stop, bracket, colon or dash divides it from the body.
    stopped: bool,
}

fn marker(text: &str, labels: Labels) -> Option<Marker<'_>> {
    let brackets = [('[', ']'), ('(', ')'), ('{', '}'), ('<', '>')];
    let open = brackets.into_iter().find(|(open, _)| text.starts_with(*open));
    let inside = if open.is_some() { text.get(1..)? } else { text };
    let of_tag = |c: char| match labels {
        Labels::Number => c.is_ascii_digit(),
        Labels::Letter => c.is_ascii_alphabetic(),
    };
    let length = inside.find(|c| !of_tag(c)).unwrap_or(inside.len());
    let longest = if labels == Labels::Number { 4 } else { 2 };
    if length == 0 || length > longest {
        return None;
    }
    let (tag, mut rest) = inside.split_at_checked(length)?;
    if let Some((_, close)) = open {
        rest = rest.strip_prefix(close)?;
    }
    (rest, _) = emphasis(rest);
    let (mut stopped, before) = (false, rest);
    for _ in 0..2 {
        let dash = rest.trim_start();
        if let Some(tail) = rest.strip_prefix(['.', ')', ':']) {
            rest = tail;
        } else if let Some(tail) = dash.strip_prefix(['-', '–', '—', ':', '='])
            && tail.starts_with(char::is_whitespace)
        {
            rest = tail;
        } else {
            break;
        }
        stopped = true;
    }
    (rest, _) = emphasis(rest);
    // "1.5 m" and "1:30" are no entries, and "a.m." is none of letters.
    let tight = match labels {
        Labels::Number => rest.starts_with(|c: char| c.is_ascii_digit()),
        Labels::Letter => rest.starts_with(char::is_alphanumeric),
    };
    let joined = before.starts_with(|c: char| c.is_alphanumeric());
    (!tight && !joined).then_some(Marker { tag, body: rest, bracketed: open.is_some(), stopped })
}

/// The text behind asterisks, underscores and backquotes, and whether there were any.
fn emphasis(text: &str) -> (&str, bool) {
    let rest = text.trim_start_matches(['*', '_', '`']);
    (rest, rest.len() < text.len())
}

/// A description without emphasis and, before another entry, without what divides them.
fn clean(text: &str, divided: bool) -> &str {
    let text = text.trim();
    let text = if divided { text.trim_end_matches([',', ';', '|']).trim_end() } else { text };
    let text = text.trim_matches(['*', '_', '`']).trim();
    if divided { text.strip_suffix(" and").unwrap_or(text) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, tags: &[&str]) -> Result<Vec<String>, String> {
        let entries = listing(text, tags).map_err(|reject| reject.to_string())?;
        Ok(entries.iter().map(|entry| entry.text.to_owned()).collect())
    }

    #[test]
    fn the_usual_spellings_are_read() {
        for text in [
            "1. cat\n2. a dog, asleep",
            "1) cat\n2) a dog, asleep",
            "[1] cat\n[2] a dog, asleep",
            "(1) cat\n(2): a dog, asleep",
            "**1**: cat\n**2**: a dog, asleep",
            "**1.** cat\n**2.** a dog, asleep",
            "**1. cat**\n**2. a dog, asleep**",
            "Tag 1: cat\nTag 2: a dog, asleep",
            "tag #1 - cat\nitem [2] a dog, asleep",
            "- 1: cat\n- 2: a dog, asleep",
            "* **[1]**: cat\n* **[2]**: a dog, asleep",
            "1 - cat\n2 – a dog, asleep",
            "### 1. cat\n\n### 2. a dog, asleep\n",
            "Here is the list:\n\n1.) cat\r\n2.) a dog, asleep",
            "1.cat\n2.a dog, asleep",
            "1. cat, 2. a dog, asleep",
            "1. cat; 2. a dog, asleep",
            "The items are: 1. cat, and 2. a dog, asleep",
            "[1] cat, [2] a dog, asleep",
            "1: cat, 2: a dog, asleep",
        ] {
            assert_eq!(read(text, &["1", "2"]).unwrap(), ["cat", "a dog, asleep"], "{text:?}");
        }
    }

    #[test]
    fn letters_are_read_in_either_case() {
        for text in ["a. cat\nb. dog", "A) cat\nB) dog", "[a] cat\n[b] dog", "a. cat, b. dog"] {
            assert_eq!(read(text, &["a", "b"]).unwrap(), ["cat", "dog"], "{text:?}");
        }
        let tags = ["z", "aa"];
        assert_eq!(read("z. a cat\naa. a dog", &tags).unwrap(), ["a cat", "a dog"]);
        assert_eq!(read("a: at 9 a.m. in bed", &["a"]).unwrap(), ["at 9 a.m. in bed"]);
    }

    #[test]
    fn numbers_in_descriptions_are_no_entries() {
        let text =
            "1. a sign that says 2\n2. a clock, 3.5 m high, at 2:30\n3. bus no. 1. It is red.";
        let read = read(text, &["1", "2", "3"]).unwrap();
        assert_eq!(read[1], "a clock, 3.5 m high, at 2:30");
        assert_eq!(read[2], "bus no. 1. It is red.");
    }

    #[test]
    fn other_texts_are_rejected_with_the_reason() {
        for (text, reason) in [
            ("", "no entries"),
            ("A cat and two dogs.", "no entries"),
            ("I'm sorry, but I can't help with that.", "no entries"),
            ("1. cat", "tag 2 is missing"),
            ("2. dog", "tag 1 is missing"),
            ("1. cat\n1. cat\n2. dog", "tag 1 is there twice"),
            ("1. cat\n2. dog\n3. bird", "tag 3 is not in the picture"),
            ("2. dog\n1. cat", "tag 2 is out of order"),
            ("1. cat\n2.", "tag 2 has no description"),
            ("1. cat\n2. …", "tag 2 has no description"),
            ("1. cat\n2. dog\n\nLet me know!", "\"Let me know!\" belongs to no tag"),
            ("1. cat\n   - asleep\n2. dog", "\"- asleep\" belongs to no tag"),
            ("1. cat, 2. dog, 2. dog", "tag 2 is there twice"),
        ] {
            let found = read(text, &["1", "2"]).unwrap_err();
            assert!(found.contains(reason), "{text:?}: {found}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        use super::super::format::Format;
        let entries = [("1", "person"), ("2", "a cat"), ("3", "tv")];
        for format in [Format::Lines, Format::Inline] {
            let text = format.write(entries);
            let back = listing(&text, &["1", "2", "3"]).unwrap();
            assert!(
                back.iter().zip(entries).all(|(e, (tag, text))| (e.tag, e.text) == (tag, text))
            );
        }
    }

    #[test]
    fn no_text_breaks_the_reader() {
        let pieces =
            ["1", ".", " ", "\n", "[", "]", "**", "é", "a", ",", "2", ")", "#", "tag ", "–"];
        let mut state = 7usize;
        for _ in 0..20_000 {
            let text: String = (0..12)
                .map(|_| {
                    state =
                        state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    pieces[(state >> 33) % pieces.len()]
                })
                .collect();
            for tags in [["1", "2"], ["a", "b"]] {
                for entry in entries(&text, &tags) {
                    assert!(text.contains(entry.text) && text.contains(entry.tag));
                }
            }
        }
    }
}
