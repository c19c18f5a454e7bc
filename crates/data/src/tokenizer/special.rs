//! Special tokens, from the several files that name them.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use crate::{Error, Result};

/// A special token: what it looks like and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Special {
    /// The token's text.
    pub text: String,
    /// The token's id.
    pub id: u32,
}

/// The tokens with a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Begins a text.
    pub bos: Option<Special>,
    /// Ends a text: the tokenizer's `eos_token`.
    pub eos: Option<Special>,
    /// Every id that ends generation: `eos`, and those of `generation_config.json`.
    pub stop: Vec<u32>,
    /// Fills batches.
    pub pad: Option<Special>,
    /// Stands for unknown text.
    pub unk: Option<Special>,
    /// Others with a name of their own, such as `image_token`.
    pub named: Vec<(String, Special)>,
}

impl SpecialTokens {
    /// Name and text of every token, as chat templates see them (`bos_token`, `eos_token`, …).
    pub fn texts(&self) -> Vec<(&str, &str)> {
        let roles = [
            ("bos_token", &self.bos),
            ("eos_token", &self.eos),
            ("pad_token", &self.pad),
            ("unk_token", &self.unk),
        ];
        let named = self.named.iter().map(|(name, token)| (name.as_str(), token.text.as_str()));
        roles
            .into_iter()
            .filter_map(|(name, token)| Some((name, token.as_ref()?.text.as_str())))
            .chain(named)
            .collect()
    }
}

/// Reads the special tokens of a model directory and adds those the tokenizer lacks.
pub(super) fn read(dir: &Path, tokenizer: &mut tokenizers::Tokenizer) -> Result<SpecialTokens> {
    let config = object(dir.join("tokenizer_config.json"))?;
    let map = object(dir.join("special_tokens_map.json"))?;
    add_tokens(&dir.join("tokenizer_config.json"), &config, tokenizer)?;

    let role = |name: &str| -> Result<Option<Special>> {
        let sources = [("tokenizer_config.json", &config), ("special_tokens_map.json", &map)];
        for (file, object) in sources {
            if let Some(text) = object.get(name).and_then(token_text) {
                return resolve(&dir.join(file), name, text, tokenizer).map(Some);
            }
        }
        Ok(None)
    };
    let mut special = SpecialTokens {
        bos: role("bos_token")?,
        eos: role("eos_token")?,
        pad: role("pad_token")?,
        unk: role("unk_token")?,
        ..SpecialTokens::default()
    };
    let extra = ["extra_special_tokens", "model_specific_special_tokens"];
    for (name, text) in extra.iter().filter_map(|key| config.get(*key)?.as_object()).flatten() {
        if let Some(text) = token_text(text) {
            let token = resolve(&dir.join("tokenizer_config.json"), name, text, tokenizer)?;
            special.named.push((name.clone(), token));
        }
    }
    read_ids(dir, tokenizer, &mut special)?;
    Ok(special)
}

/// The ids of `generation_config.json` and `config.json`: stop tokens, and roles still unset.
fn read_ids(
    dir: &Path,
    tokenizer: &tokenizers::Tokenizer,
    special: &mut SpecialTokens,
) -> Result<()> {
    special.stop.extend(special.eos.as_ref().map(|eos| eos.id));
    let generation = object(dir.join("generation_config.json"))?;
    let config = object(dir.join("config.json"))?;
    let language = config.get("text_config").and_then(Value::as_object);
    for source in [Some(&generation), Some(&config), language].into_iter().flatten() {
        let ids = source.get("eos_token_id").map(ids).unwrap_or_default();
        for id in ids.iter().copied().filter(|&id| tokenizer.id_to_token(id).is_some()) {
            if !special.stop.contains(&id) {
                special.stop.push(id);
            }
        }
        let single = |key: &str| {
            let id = *source.get(key).map(self::ids)?.first()?;
            Some(Special { text: tokenizer.id_to_token(id)?, id })
        };
        special.bos = special.bos.take().or_else(|| single("bos_token_id"));
        special.eos = special.eos.take().or_else(|| single("eos_token_id"));
        special.pad = special.pad.take().or_else(|| single("pad_token_id"));
    }
    Ok(())
}

/// One id or a list of ids.
fn ids(value: &Value) -> Vec<u32> {
    let one = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(list) => list.iter().filter_map(one).collect(),
        value => one(value).into_iter().collect(),
    }
}

/// `added_tokens_decoder` of `tokenizer_config.json`: tokens `tokenizer.json` may not list.
fn add_tokens(
    path: &Path,
    config: &Map<String, Value>,
    tokenizer: &mut tokenizers::Tokenizer,
) -> Result<()> {
    let Some(decoder) = config.get("added_tokens_decoder").and_then(Value::as_object) else {
        return Ok(());
    };
    let mut missing: Vec<(u32, AddedToken)> = Vec::new();
    for (id, token) in decoder {
        let parsed = id.parse().ok().zip(serde_json::from_value(token.clone()).ok());
        let (id, token): (u32, AddedToken) = parsed.ok_or_else(|| Error::Config {
            path: path.to_owned(),
            reason: format!("added_tokens_decoder: entry {id:?} is not an id and its token"),
        })?;
        match tokenizer.token_to_id(&token.content) {
            Some(known) if known == id => {}
            Some(known) => {
                return Err(Error::Config {
                    path: path.to_owned(),
                    reason: format!(
                        "added_tokens_decoder gives {:?} id {id}, but tokenizer.json gives it \
                         {known}; the two files belong to different models",
                        token.content
                    ),
                });
            }
            None => missing.push((id, token)),
        }
    }
    missing.sort_by_key(|(id, _)| *id);
    for (id, token) in missing {
        let content = token.content.clone();
        tokenizer.add_tokens([token]).map_err(super::failed)?;
        if tokenizer.token_to_id(&content) != Some(id) {
            return Err(Error::Config {
                path: path.to_owned(),
                reason: format!(
                    "added_tokens_decoder gives {content:?} id {id}, but the vocabulary of \
                     tokenizer.json has another length"
                ),
            });
        }
    }
    Ok(())
}

/// A token is written as a string or as `{"content": …}`.
fn token_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}

fn resolve(
    path: &Path,
    name: &str,
    text: &str,
    tokenizer: &tokenizers::Tokenizer,
) -> Result<Special> {
    let id = tokenizer.token_to_id(text).ok_or_else(|| Error::Config {
        path: path.to_owned(),
        reason: format!("{name} is {text:?}, which tokenizer.json does not have"),
    })?;
    Ok(Special { text: text.to_owned(), id })
}

/// A JSON object; an absent file is an empty one.
fn object(path: PathBuf) -> Result<Map<String, Value>> {
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(source) => return Err(Error::Io { path, source }),
    };
    serde_json::from_str(&text)
        .map_err(|e| Error::Config { path, reason: format!("not a JSON object: {e}") })
}
