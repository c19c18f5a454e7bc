//! The tokenizer embedded in a GGUF file, under the keys `tokenizer.*`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Error, Result, Value};

/// A tokenizer's parts as the file holds them.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufTokenizer {
    /// The algorithm: `gpt2` (byte-level BPE), `llama` (SentencePiece), `bert`, …
    pub model: String,
    /// The name of the pre-tokenizer, such as `smollm` or `qwen2`.
    pub pre: Option<String>,
    /// The texts of the tokens, by id.
    pub tokens: Vec<String>,
    /// A SentencePiece score per token; empty if the file has none.
    pub scores: Vec<f32>,
    /// A type per token (1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte); empty
    /// if the file has none.
    pub types: Vec<i32>,
    /// BPE merges in order, `left right`; empty if the file has none.
    pub merges: Vec<String>,
    /// The token that begins a text.
    pub bos: Option<u32>,
    /// The token that ends a text or a turn.
    pub eos: Option<u32>,
    /// The token for what the vocabulary cannot spell.
    pub unknown: Option<u32>,
    /// The token that fills up batches.
    pub padding: Option<u32>,
    /// Whether to put `bos` in front of a text.
    pub add_bos: Option<bool>,
    /// Whether to put `eos` after a text.
    pub add_eos: Option<bool>,
    /// Whether to put a space in front of a text.
    pub add_space_prefix: Option<bool>,
    /// The chat template, in Jinja.
    pub chat_template: Option<String>,
}

impl GgufTokenizer {
    pub(crate) fn from_metadata(
        path: &Path,
        metadata: &BTreeMap<String, Value>,
    ) -> Result<Option<Self>> {
        let keys = Keys { path, metadata };
        let Some(model) = keys.text("tokenizer.ggml.model")? else { return Ok(None) };
        let tokens = keys.list("tokenizer.ggml.tokens", "texts", text)?;
        let tokenizer = Self {
            model,
            pre: keys.text("tokenizer.ggml.pre")?,
            scores: keys.per_token(
                "tokenizer.ggml.scores",
                "floats",
                |v| Some(v.as_f64()? as f32),
                tokens.len(),
            )?,
            types: keys.per_token(
                "tokenizer.ggml.token_type",
                "integers",
                |v| v.as_i64()?.try_into().ok(),
                tokens.len(),
            )?,
            merges: keys.list("tokenizer.ggml.merges", "texts", text)?,
            bos: keys.token("tokenizer.ggml.bos_token_id", tokens.len())?,
            eos: keys.token("tokenizer.ggml.eos_token_id", tokens.len())?,
            unknown: keys.token("tokenizer.ggml.unknown_token_id", tokens.len())?,
            padding: keys.token("tokenizer.ggml.padding_token_id", tokens.len())?,
            add_bos: keys.get("tokenizer.ggml.add_bos_token", "a bool", Value::as_bool)?,
            add_eos: keys.get("tokenizer.ggml.add_eos_token", "a bool", Value::as_bool)?,
            add_space_prefix: keys.get(
                "tokenizer.ggml.add_space_prefix",
                "a bool",
                Value::as_bool,
            )?,
            chat_template: keys.text("tokenizer.chat_template")?,
            tokens,
        };
        Ok(Some(tokenizer))
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(String::from)
}

struct Keys<'a> {
    path: &'a Path,
    metadata: &'a BTreeMap<String, Value>,
}

impl Keys<'_> {
    fn get<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.metadata.get(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.wrong(key, expected, "another type"))
    }

    fn text(&self, key: &str) -> Result<Option<String>> {
        self.get(key, "text", text)
    }

    fn list<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>> {
        let read = |value: &Value| value.as_array()?.iter().map(&read).collect();
        Ok(self.get(key, &format!("an array of {expected}"), read)?.unwrap_or_default())
    }

    fn per_token<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
        tokens: usize,
    ) -> Result<Vec<T>> {
        let list = self.list(key, expected, read)?;
        if list.is_empty() || list.len() == tokens {
            return Ok(list);
        }
        let expected = format!("one element for each of the {tokens} tokens");
        Err(self.wrong(key, &expected, &list.len().to_string()))
    }

    fn token(&self, key: &str, tokens: usize) -> Result<Option<u32>> {
        let read = |value: &Value| value.as_u64()?.try_into().ok();
        match self.get::<u32>(key, "a token id", read)? {
            Some(id) if id as usize >= tokens => {
                let expected = format!("the id of one of {tokens} tokens");
                Err(self.wrong(key, &expected, &id.to_string()))
            }
            id => Ok(id),
        }
    }

    fn wrong(&self, key: &str, expected: &str, found: &str) -> Error {
        Error::Malformed {
            path: self.path.into(),
            what: format!("metadata {key:?}"),
            expected: expected.into(),
            found: found.into(),
        }
    }
}
