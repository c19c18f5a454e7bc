//! Telling the entries of a listing apart.

use super::{super::item::labels_of, Entry, same};
use crate::marks::Labels;

/// What a text has of a listing.
pub(super) struct Scan<'a> {
    pub entries: Vec<Entry<'a>>,
    /// The first line after the first entry that belongs to none.
    pub stray: Option<&'a str>,
}

/// Finds the entries; the tags tell numbers from letters and which comes next.
pub(super) fn scan<'a, T: AsRef<str>>(text: &'a str, tags: &[T]) -> Scan<'a> {
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
