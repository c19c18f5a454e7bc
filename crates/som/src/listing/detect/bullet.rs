//! Bulleted listings.

use super::{Kind, Listing};

/// What entries begin with; a space follows.
const BULLETS: [char; 9] = ['-', '*', '•', '–', '—', '+', '·', '▪', '◦'];

/// Lines in a row that begin with the same bullet; blank and indented lines may stand between.
pub(super) fn find(text: &str, least: usize) -> Vec<Listing> {
    let mut found = Vec::new();
    let mut open: Option<(char, Listing)> = None;
    let mut close = |open: Option<(char, Listing)>| {
        found.extend(open.map(|(_, listing)| listing).filter(|listing| listing.entries >= least));
    };
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.trim_end().len();
        let indent = line.len() - line.trim_start().len();
        match (bullet(line), &mut open) {
            (Some(bullet), Some((same, listing))) if bullet == *same => {
                listing.entries += 1;
                listing.span.end = end;
            }
            // An entry of a list within an entry.
            (Some(_), Some(_)) if indent > 0 => {}
            (Some(bullet), _) => {
                let span = start + indent..end;
                let listing = Listing { kind: Kind::Bulleted, inline: false, entries: 1, span };
                close(open.replace((bullet, listing)));
            }
            (None, _) if line.trim().is_empty() || indent > 0 => {}
            (None, _) => close(open.take()),
        }
        start += line.len();
    }
    close(open);
    found
}

/// The bullet of a line that goes on with a word.
fn bullet(line: &str) -> Option<char> {
    let line = line.trim();
    let bullet = line.chars().next().filter(|c| BULLETS.contains(c))?;
    let rest = line.get(bullet.len_utf8()..)?;
    (rest.starts_with([' ', '\t']) && rest.contains(char::is_alphabetic)).then_some(bullet)
}
