//! One row of a conversation dataset, in any of the layouts in use.

use std::path::Path;

use serde_json::{Map, Value};

use super::OpenOptions;
use crate::{
    chat::from_placeholder_text,
    sample::{Media, Message, Part, Role, Sample},
};

type Parsed<T> = std::result::Result<T, String>;

/// A JSON row whose media are paths.
pub(super) fn from_json(
    row: &Map<String, Value>,
    number: usize,
    root: &Path,
    options: &OpenOptions,
) -> Parsed<Sample> {
    let mut media = Vec::new();
    for field in &options.media {
        media_paths(row.get(field).unwrap_or(&Value::Null), field, root, &mut media)?;
    }
    let id = match row.get(&options.id) {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => number.to_string(),
    };
    let turns = options.turns.iter().find_map(|field| row.get(field).filter(|v| !v.is_null()));
    let turns = turns.ok_or_else(|| {
        format!("no conversation: expected one of the fields {:?}", options.turns)
    })?;
    sample(id, turns, media, options)
}

/// A row from its parts; checks that every placeholder has its medium.
pub(super) fn sample(
    id: String,
    turns: &Value,
    media: Vec<Media>,
    options: &OpenOptions,
) -> Parsed<Sample> {
    let turns = turns.as_array().ok_or("the conversation is not a list of turns")?;
    let mut messages = Vec::with_capacity(turns.len());
    for (i, turn) in turns.iter().enumerate() {
        messages.push(message(turn, options).map_err(|reason| format!("turn {i}: {reason}"))?);
    }
    if messages.is_empty() {
        return Err("the conversation is empty".into());
    }
    let sample = Sample { id, messages, media };
    let parts = sample.messages.iter().flat_map(|message| &message.content);
    let placeholders = parts.filter(|part| !matches!(part, Part::Text(_))).count();
    if placeholders != sample.media.len() {
        return Err(format!(
            "{placeholders} placeholders ({} or {}) for {} media; every medium needs exactly one",
            options.image_placeholder,
            options.video_placeholder,
            sample.media.len()
        ));
    }
    Ok(sample)
}

/// `{"from", "value"}` or `{"role", "content"}`.
fn message(turn: &Value, options: &OpenOptions) -> Parsed<Message> {
    let field = |names: [&str; 2]| names.iter().find_map(|name| turn.get(name));
    let speaker = field(["from", "role"])
        .and_then(Value::as_str)
        .ok_or("no speaker: expected a string \"from\" or \"role\"")?;
    let role = match speaker {
        "human" | "user" => Role::User,
        "gpt" | "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            return Err(format!(
                "unknown speaker {other:?}; expected human, gpt or system (or user, assistant)"
            ));
        }
    };
    let content = match field(["value", "content"]) {
        Some(Value::String(text)) => {
            from_placeholder_text(text, &options.image_placeholder, &options.video_placeholder)
        }
        Some(Value::Array(parts)) => parts.iter().map(part).collect::<Parsed<_>>()?,
        _ => return Err("no text: expected \"value\" or \"content\", a string or parts".into()),
    };
    Ok(Message { role, content })
}

fn part(part: &Value) -> Parsed<Part> {
    match (part.get("type").and_then(Value::as_str), part.get("text").and_then(Value::as_str)) {
        (Some("text"), Some(text)) => Ok(Part::Text(text.to_owned())),
        (Some("image"), _) => Ok(Part::Image),
        (Some("video"), _) => Ok(Part::Video),
        (Some(other), _) => Err(format!("a part of type {other:?}; expected text, image or video")),
        (None, _) => Err("a part without \"type\"".into()),
    }
}

/// A path, a list of paths, or nothing.
fn media_paths(value: &Value, field: &str, root: &Path, media: &mut Vec<Media>) -> Parsed<()> {
    match value {
        Value::Null => Ok(()),
        Value::String(path) => {
            media.push(Media::File(root.join(path)));
            Ok(())
        }
        Value::Array(list) => {
            list.iter().try_for_each(|value| media_paths(value, field, root, media))
        }
        Value::Object(file) => match file.get("path").and_then(Value::as_str) {
            Some(path) => {
                media.push(Media::File(root.join(path)));
                Ok(())
            }
            None => Err(format!("field {field:?}: a medium without \"path\"")),
        },
        _ => Err(format!("field {field:?}: expected a path or a list of paths")),
    }
}
