//! The two forms in which templates take content, and the text form of media placeholders.
//!
//! Between the media that open or close a turn and the turn's text, the text form has one line
//! break (the convention of LLaVA's training data: `<image>\nWhat is this?`). The break belongs to
//! the text form only: [`from_placeholder_text`] drops it, [`to_placeholder_text`] adds it, and
//! templates over parts decide for themselves.

use minijinja::Value;

use crate::sample::{Message, Part, Role};

/// What a template expects in `message['content']`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentForm {
    /// A string; media are placeholders inside it.
    Text,
    /// A list of `{"type": "text", "text": …}`, `{"type": "image"}`, `{"type": "video"}`.
    Parts,
}

/// Splits text at media placeholders.
///
/// The line break between leading (or trailing) media and the text is dropped.
pub fn from_placeholder_text(text: &str, image: &str, video: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((at, token, part)) = next_placeholder(rest, image, video) {
        push_text(&mut parts, &rest[..at]);
        parts.push(part);
        rest = &rest[at + token.len()..];
    }
    push_text(&mut parts, rest);
    drop_breaks(parts)
}

/// Joins parts into text; the inverse of [`from_placeholder_text`].
pub fn to_placeholder_text(parts: &[Part], image: &str, video: &str) -> String {
    let is_text = |part: &Part| matches!(part, Part::Text(_));
    let first = parts.iter().position(is_text);
    let last = parts.iter().rposition(is_text);
    let mut out = String::new();
    for (i, part) in parts.iter().enumerate() {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Image => out.push_str(image),
            Part::Video => out.push_str(video),
        }
        let leading = first.is_none_or(|first| i < first);
        let trailing = last.is_some_and(|last| i >= last);
        if i + 1 < parts.len() && (leading || trailing) {
            out.push('\n');
        }
    }
    out
}

fn next_placeholder<'a>(
    text: &str,
    image: &'a str,
    video: &'a str,
) -> Option<(usize, &'a str, Part)> {
    let image_at = text.find(image).map(|at| (at, image, Part::Image));
    let video_at = text.find(video).map(|at| (at, video, Part::Video));
    match (image_at, video_at) {
        (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// Drops the breaks that [`to_placeholder_text`] adds.
fn drop_breaks(parts: Vec<Part>) -> Vec<Part> {
    let solid = |part: &Part| matches!(part, Part::Text(text) if text.chars().any(|c| c != '\n'));
    let (Some(first), Some(last)) = (parts.iter().position(solid), parts.iter().rposition(solid))
    else {
        return parts.into_iter().filter(|part| !matches!(part, Part::Text(_))).collect();
    };
    let count = parts.len();
    let mut kept = Vec::with_capacity(count);
    for (i, part) in parts.into_iter().enumerate() {
        let Part::Text(mut text) = part else {
            kept.push(part);
            continue;
        };
        if (i < first && i > 0) || i > last {
            continue;
        }
        if i == first && i > 0 && text.starts_with('\n') {
            text.remove(0);
        }
        if i == last && i + 1 < count && text.ends_with('\n') {
            text.pop();
        }
        if !text.is_empty() {
            kept.push(Part::Text(text));
        }
    }
    kept
}

/// Messages as the template sees them.
pub(super) fn to_value(messages: &[Message], form: ContentForm, image: &str, video: &str) -> Value {
    let one = |message: &Message| {
        let content = match form {
            ContentForm::Text => Value::from(to_placeholder_text(&message.content, image, video)),
            ContentForm::Parts => message.content.iter().map(part_value).collect::<Value>(),
        };
        Value::from_pairs([("role", Value::from(role_name(message.role))), ("content", content)])
    };
    messages.iter().map(one).collect()
}

fn part_value(part: &Part) -> Value {
    match part {
        Part::Text(text) => {
            Value::from_pairs([("type", Value::from("text")), ("text", Value::from(text.as_str()))])
        }
        Part::Image => Value::from_pairs([("type", "image")]),
        Part::Video => Value::from_pairs([("type", "video")]),
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Part {
        Part::Text(text.into())
    }

    #[test]
    fn placeholder_text_round_trips() {
        let cases = [
            ("<image>\nWhat is it?", vec![Part::Image, text("What is it?")]),
            ("<image>\n<image>\nSame?", vec![Part::Image, Part::Image, text("Same?")]),
            ("What is it?\n<image>", vec![text("What is it?"), Part::Image]),
            (
                "Is <image> like <video>?",
                vec![text("Is "), Part::Image, text(" like "), Part::Video, text("?")],
            ),
            ("<image>\n\nTwo", vec![Part::Image, text("\nTwo")]),
            ("<image>", vec![Part::Image]),
            ("plain\n", vec![text("plain\n")]),
        ];
        for (written, parts) in cases {
            assert_eq!(from_placeholder_text(written, "<image>", "<video>"), parts, "{written:?}");
            assert_eq!(to_placeholder_text(&parts, "<image>", "<video>"), written);
        }
        assert_eq!(
            from_placeholder_text("<image>What?", "<image>", "<video>"),
            [Part::Image, text("What?")]
        );
    }
}
