//! Saving a tokenizer as `transformers.AutoTokenizer` loads it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Tokenizer;
use crate::{Result, chat::ChatTemplate, formats::atomic};

impl Tokenizer {
    /// Writes `tokenizer.json`, `tokenizer_config.json`, `special_tokens_map.json` and, if given,
    /// `chat_template.jinja`; each file appears whole or not at all.
    ///
    /// `max_length` is the longest text the model takes (`model_max_length`).
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn save(
        &self,
        dir: impl AsRef<Path>,
        template: Option<&ChatTemplate>,
        max_length: usize,
    ) -> Result<()> {
        let dir = dir.as_ref();
        let tokenizer = self.inner.to_string(true).map_err(super::failed)?;
        atomic::write_bytes(&dir.join("tokenizer.json"), tokenizer.as_bytes())?;

        let mut roles = Map::new();
        let mut extra = Map::new();
        for (name, text) in self.special.texts() {
            let named = self.special.named.iter().any(|(other, _)| other == name);
            let into = if named { &mut extra } else { &mut roles };
            into.insert(name.to_owned(), json!(text));
        }
        atomic::write_json(&dir.join("special_tokens_map.json"), &Value::Object(roles.clone()))?;

        let mut config = roles;
        config.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
        config.insert("model_max_length".into(), json!(max_length));
        config.insert("clean_up_tokenization_spaces".into(), json!(false));
        config.insert("padding_side".into(), json!("right"));
        if !extra.is_empty() {
            config.insert("extra_special_tokens".into(), Value::Object(extra));
        }
        atomic::write_json(&dir.join("tokenizer_config.json"), &Value::Object(config))?;
        match template {
            Some(template) => {
                let path = dir.join("chat_template.jinja");
                atomic::write_bytes(&path, template.source().as_bytes())
            }
            None => Ok(()),
        }
    }
}
