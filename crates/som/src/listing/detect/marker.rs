//! Numbered and lettered listings.

use super::{Kind, Listing};

/// How a marker is spelled; those of one listing are spelled alike.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Spelling {
    kind: Kind,
    capital: bool,
    /// `(` or `[`, if any.
    open: Option<char>,
    /// `.`, `)`, `]` or `:`.
    close: char,
    labelled: bool,
}

/// Something that may be a marker.
struct Marker {
    spelling: Spelling,
    /// 1 for 1, a and A.
    value: usize,
    start: usize,
    /// Where what it marks begins.
    end: usize,
    at_line_start: bool,
    /// Bytes before it in its line.
    column: usize,
    /// Whether a marker within a line may stand here.
    follows_stop: bool,
}

/// The listings, in no order.
pub(super) fn find(text: &str, least: usize) -> Vec<Listing> {
    let markers = markers(text);
    let mut spellings: Vec<Spelling> = Vec::new();
    for marker in &markers {
        if !spellings.contains(&marker.spelling) {
            spellings.push(marker.spelling);
        }
    }
    let mut found = Vec::new();
    for spelling in spellings {
        let mut chain: Vec<&Marker> = Vec::new();
        for marker in markers.iter().filter(|marker| marker.spelling == spelling) {
            let next = chain.last().is_some_and(|last| {
                let between = text.get(last.end..marker.start).unwrap_or_default();
                marker.value == chain.len() + 1 && marker.allowed() && says_something(between)
            });
            if next {
                chain.push(marker);
            } else if marker.value == 1 && !chain.first().is_some_and(|first| marker.within(first))
            {
                found.extend(listing(text, &chain, least));
                chain = vec![marker];
            }
        }
        found.extend(listing(text, &chain, least));
    }
    found
}

impl Marker {
    /// Whether a listing may go on here.
    fn allowed(&self) -> bool {
        self.at_line_start || self.spelling.open.is_some() || self.follows_stop
    }

    /// Whether it begins a listing within the entry of another.
    fn within(&self, first: &Marker) -> bool {
        self.at_line_start && first.at_line_start && self.column > first.column
    }
}

/// "(1) and (2)" speaks of two things and lists none.
fn says_something(between: &str) -> bool {
    let words = between.split(|c: char| !c.is_alphanumeric());
    let connects = |word: &str| matches!(word, "and" | "or" | "to" | "from" | "of" | "in");
    words
        .filter(|word| !word.is_empty())
        .any(|word| word.contains(char::is_alphabetic) && !connects(word))
}

fn listing(text: &str, chain: &[&Marker], least: usize) -> Option<Listing> {
    let (first, last) = (chain.first()?, chain.last()?);
    if chain.len() < least {
        return None;
    }
    let rest = text.get(last.end..).unwrap_or_default();
    let line = rest.find('\n').map_or(rest, |end| rest.get(..end).unwrap_or_default());
    if !line.contains(char::is_alphabetic) {
        return None;
    }
    Some(Listing {
        kind: first.spelling.kind,
        inline: chain.iter().skip(1).any(|marker| !marker.at_line_start),
        entries: chain.len(),
        span: first.start..last.end + line.trim_end().len(),
    })
}

fn markers(text: &str) -> Vec<Marker> {
    let mut markers = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let opening = opening(line);
        let mut from = 0;
        if let Some((at, found)) = opening {
            from = at + found.length;
            markers.push(found.marker(start, at, true, true));
        }
        inner(line, start, from, &mut markers);
        start += line.len();
    }
    markers
}

/// A marker's spelling, value and length in bytes.
struct Spelled {
    spelling: Spelling,
    value: usize,
    length: usize,
}

impl Spelled {
    /// The marker in column `column` of a line that starts at byte `line`.
    fn marker(self, line: usize, column: usize, at_line_start: bool, follows_stop: bool) -> Marker {
        let Self { spelling, value, length } = self;
        let start = line + column;
        Marker { spelling, value, start, end: start + length, at_line_start, column, follows_stop }
    }
}

/// Words that make a marker of the number behind them, at the start of a line.
const LABELS: [&str; 12] = [
    "step ", "tag ", "item ", "object ", "point ", "reason ", "option ", "tip ", "day ", "mark ",
    "task ", "idea ",
];

/// The marker at the start of a line, and where in the line it is.
fn opening(line: &str) -> Option<(usize, Spelled)> {
    let plain = |c: char| c.is_whitespace() || matches!(c, '*' | '_' | '#' | '>' | '`');
    let rest = line.trim_start_matches(plain);
    let at = line.len() - rest.len();
    let label = LABELS
        .iter()
        .find(|label| rest.get(..label.len()).is_some_and(|head| head.eq_ignore_ascii_case(label)));
    let label = label.map_or(0, |label| label.len());
    let mut found = spelled(rest.get(label..)?, true)?;
    if label > 0 && found.spelling.kind != Kind::Numbered {
        return None;
    }
    found.spelling.labelled = label > 0;
    found.length += label;
    Some((at, found))
}

/// The markers within a line, from a byte on.
fn inner(line: &str, start: usize, from: usize, markers: &mut Vec<Marker>) {
    let mut before = None;
    let mut word_ended = true;
    for (at, c) in line.char_indices() {
        if at >= from
            && word_ended
            && let Some(found) = line.get(at..).and_then(|rest| spelled(rest, false))
        {
            let head = line.get(..at).unwrap_or_default().trim_end();
            let head = ["and", "or", "&"]
                .iter()
                .find_map(|word| head.strip_suffix(word))
                .map_or(head, str::trim_end);
            let stop = head.is_empty() || head.ends_with([',', ';', '.', ':', '!', '?', ')', '|']);
            let stop = stop || before.is_none();
            markers.push(found.marker(start, at, false, stop));
        }
        word_ended = c.is_whitespace() || matches!(c, '*' | '_' | '(' | '"' | '“');
        before = Some(c);
    }
}

/// The marker at the start of a text, if there is one and something follows.
fn spelled(text: &str, at_line_start: bool) -> Option<Spelled> {
    let open = text.chars().next().filter(|c| matches!(c, '(' | '['));
    let inside = text.get(usize::from(open.is_some())..)?;
    let digits = inside.bytes().take_while(u8::is_ascii_digit).count();
    let (kind, capital, value, width) = match digits {
        0 => {
            let letter = inside.bytes().next().filter(u8::is_ascii_alphabetic)?;
            let value = usize::from(letter.to_ascii_lowercase() - b'a') + 1;
            (Kind::Lettered, letter.is_ascii_uppercase(), value, 1)
        }
        1..=3 => {
            let number = inside.get(..digits)?;
            // "01" is part of a code or a date.
            let value = number.parse().ok().filter(|_| !number.starts_with('0'))?;
            (Kind::Numbered, false, value, digits)
        }
        _ => return None,
    };
    let rest = inside.get(width..)?;
    let emphasis = rest.len() - rest.trim_start_matches(['*', '_']).len();
    let rest = rest.get(emphasis..)?;
    let close = rest.chars().next()?;
    let fits = match (open, close) {
        (Some('('), ')') => true,
        (Some('['), ']') => at_line_start,
        (None, ')') => true,
        (None, '.') => at_line_start || kind == Kind::Numbered,
        (None, ':') => at_line_start && kind == Kind::Numbered,
        _ => false,
    };
    // "1.5", "3:15" and "e.g." go on; a marker ends.
    let mut behind = rest.get(1..)?;
    if open.is_some() {
        behind = behind.trim_start_matches(['.', ':']);
    }
    let ends = behind.trim_start_matches(['*', '_']).starts_with(char::is_whitespace);
    let spelling = Spelling { kind, capital, open, close, labelled: false };
    let length = text.len() - behind.len();
    (fits && ends).then_some(Spelled { spelling, value, length })
}
