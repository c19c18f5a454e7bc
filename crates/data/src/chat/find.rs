//! Where a model directory keeps its chat template.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Error, Result};

/// The three places, in `transformers`' order of precedence.
const PLACES: [&str; 3] = ["chat_template.jinja", "chat_template.json", "tokenizer_config.json"];

/// The template's file and source.
///
/// # Errors
/// None of the places has one, or one of them is unreadable.
pub(super) fn find(dir: &Path) -> Result<(PathBuf, String)> {
    for place in PLACES {
        let path = dir.join(place);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(Error::Io { path, source }),
        };
        let template = if place.ends_with(".jinja") { Some(text) } else { in_json(&path, &text)? };
        if let Some(template) = template {
            return Ok((path, template));
        }
    }
    Err(Error::Config {
        path: dir.to_owned(),
        reason: format!(
            "no chat template: looked at {} and at the \"chat_template\" key of {} and {}. \
             A base model has none; save the template of the instruct model as {}",
            PLACES[0], PLACES[1], PLACES[2], PLACES[0]
        ),
    })
}

fn in_json(path: &Path, text: &str) -> Result<Option<String>> {
    let malformed = |reason: String| Error::Config { path: path.to_owned(), reason };
    let json: Value =
        serde_json::from_str(text).map_err(|e| malformed(format!("not JSON: {e}")))?;
    match json.get("chat_template") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(template)) => Ok(Some(template.clone())),
        Some(Value::Array(named)) => pick_default(named).map(Some).map_err(malformed),
        Some(Value::Object(named)) => match named.get("default").and_then(Value::as_str) {
            Some(template) => Ok(Some(template.to_owned())),
            None => Err(malformed("chat_template has no entry named \"default\"".into())),
        },
        Some(_) => Err(malformed(
            "chat_template must be a string or a list of {\"name\", \"template\"}".into(),
        )),
    }
}

/// The entry named `default` of `[{"name", "template"}]`, or the only one.
fn pick_default(named: &[Value]) -> std::result::Result<String, String> {
    let entry = |value: &Value| {
        let name = value.get("name")?.as_str()?.to_owned();
        Some((name, value.get("template")?.as_str()?.to_owned()))
    };
    let entries: Vec<(String, String)> = named.iter().filter_map(entry).collect();
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    match (entries.iter().find(|(name, _)| name == "default"), entries.as_slice()) {
        (Some((_, template)), _) | (None, [(_, template)]) => Ok(template.clone()),
        _ => Err(format!("chat_template has no entry named \"default\", only {names:?}")),
    }
}
