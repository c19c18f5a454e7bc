//! Phrases of answers about marks.

use quintet_data::scene::tasks::Side;

use super::nouns::{plural, with_article};

/// The other end of the same line.
pub(super) fn opposite(side: Side) -> Side {
    match side {
        Side::Left => Side::Right,
        Side::Right => Side::Left,
        Side::Above => Side::Below,
        Side::Below => Side::Above,
    }
}

/// As in `[1] is left of [2]`.
pub(super) fn of_side(side: Side) -> &'static str {
    match side {
        Side::Left => "left of",
        Side::Right => "right of",
        Side::Above => "above",
        Side::Below => "below",
    }
}

/// `[1], [4] and [5]`.
pub(super) fn marks(tags: &[&str]) -> String {
    let marks: Vec<_> = tags.iter().map(|tag| format!("[{tag}]")).collect();
    match marks.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => marks.concat(),
    }
}

/// The sentence that no mark stands for such a thing.
pub(super) fn none_is(name: &str) -> String {
    format!("None of the tagged items is {}.", with_article(name))
}

/// The sentence as it goes on behind a comma.
pub(super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| format!("{}{}", first.to_lowercase(), chars.as_str()))
}

/// "The dog is", "the scissors are".
pub(super) fn is_or_are(name: &str) -> &'static str {
    if plural(name) == name && name.ends_with('s') { "are" } else { "is" }
}
