//! Ids to text while they are generated.

use super::Tokenizer;
use crate::Result;

/// Decodes one id at a time; what it emits, joined, is the decoding of all ids at once.
///
/// Text comes only when it is complete: a character spread over several byte tokens is held back.
/// Every step decodes a window that starts with text already emitted, so that decoders which treat
/// the beginning specially (Metaspace drops the first space) see a middle.
#[derive(Clone, Debug)]
pub struct Detokenizer {
    tokenizer: Tokenizer,
    skip_special: bool,
    window: Vec<u32>,
    emitted_ids: usize,
    emitted_text: String,
}

impl Detokenizer {
    pub(super) fn new(tokenizer: Tokenizer, skip_special: bool) -> Self {
        Self {
            tokenizer,
            skip_special,
            window: Vec::new(),
            emitted_ids: 0,
            emitted_text: String::new(),
        }
    }

    /// Takes an id and gives the text that became complete, possibly none.
    ///
    /// # Errors
    /// The tokenizer's decoder fails.
    pub fn push(&mut self, id: u32) -> Result<String> {
        if self.skip_special && self.tokenizer.is_special(id) {
            return Ok(String::new());
        }
        self.window.push(id);
        let text = self.tokenizer.decode(&self.window, self.skip_special)?;
        // U+FFFD at the end is a character whose bytes are still to come.
        if text.ends_with('\u{fffd}') { Ok(String::new()) } else { self.emit(text) }
    }

    /// Gives what is held back, its incomplete characters replaced by U+FFFD.
    ///
    /// # Errors
    /// The tokenizer's decoder fails.
    pub fn finish(&mut self) -> Result<String> {
        let text = self.tokenizer.decode(&self.window, self.skip_special)?;
        self.emit(text)
    }

    fn emit(&mut self, text: String) -> Result<String> {
        let new = text.get(self.emitted_text.len()..).unwrap_or_default().to_owned();
        if new.is_empty() {
            return Ok(new);
        }
        self.window.drain(..self.emitted_ids);
        self.emitted_ids = self.window.len();
        self.emitted_text = self.tokenizer.decode(&self.window, self.skip_special)?;
        Ok(new)
    }
}
