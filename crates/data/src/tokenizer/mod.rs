//! Text to ids and back: Hugging Face tokenizers, from their files or from GGUF metadata.

mod gguf;
mod save;
mod special;
mod stream;
mod train;

use std::{ops::Range, path::Path, sync::Arc};

pub use gguf::GgufVocab;
pub use special::{Special, SpecialTokens};
pub use stream::Detokenizer;
pub use train::{BpeOptions, train_bpe};

use crate::{Error, Result};

/// A tokenizer with its special tokens; cheap to clone.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    special: SpecialTokens,
    vocab_size: usize,
}

/// What [`Tokenizer::encode_with_offsets`] gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<u32>,
    /// The bytes of the text each id stands for; empty for ids the tokenizer added itself.
    pub offsets: Vec<Range<usize>>,
}

impl Tokenizer {
    /// Loads `tokenizer.json` and the special tokens named by the files beside it
    /// (`tokenizer_config.json`, `special_tokens_map.json`, `generation_config.json`,
    /// `config.json`).
    ///
    /// # Errors
    /// `tokenizer.json` is missing or malformed, or one of the other files is.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let path = dir.join("tokenizer.json");
        let bytes = std::fs::read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Config {
                path: path.clone(),
                reason: "no such file. Quintet reads fast tokenizers; for a tokenizer.model, load \
                         it with transformers once and save_pretrained it"
                    .into(),
            },
            _ => Error::Io { path: path.clone(), source },
        })?;
        let mut inner = parse(&bytes, &path)?;
        let special = special::read(dir, &mut inner)?;
        Ok(Self::new(inner, special))
    }

    /// Wraps a `tokenizer.json` held in memory; `origin` names it in error messages.
    ///
    /// # Errors
    /// The bytes are not a tokenizer.
    pub fn from_json(bytes: &[u8], origin: &Path, special: SpecialTokens) -> Result<Self> {
        Ok(Self::new(parse(bytes, origin)?, special))
    }

    fn new(inner: tokenizers::Tokenizer, special: SpecialTokens) -> Self {
        let largest = inner.get_vocab(true).into_values().max();
        let vocab_size = largest.map_or(0, |id| id as usize + 1);
        Self { inner: Arc::new(inner), special, vocab_size }
    }

    /// The special tokens.
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// The number of ids, added tokens included: the smallest embedding that fits.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// A token's id.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// An id's token, as the vocabulary writes it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Whether decoding may skip the id.
    pub fn is_special(&self, id: u32) -> bool {
        self.token(id)
            .is_some_and(|token| self.inner.get_added_vocabulary().is_special_token(&token))
    }

    /// Text to ids. `add_special` lets the tokenizer add what its post-processor adds (BOS …);
    /// leave it off for rendered chat templates, which write those tokens themselves.
    ///
    /// # Errors
    /// The tokenizer fails, for want of an unknown token for instance.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, add_special).map_err(failed)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Like [`encode`](Self::encode), with the bytes every id stands for.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_with_offsets(&self, text: &str, add_special: bool) -> Result<Encoding> {
        let encoding = self.inner.encode(text, add_special).map_err(failed)?;
        Ok(Encoding {
            ids: encoding.get_ids().to_vec(),
            offsets: encoding.get_offsets().iter().map(|&(start, end)| start..end).collect(),
        })
    }

    /// Ids to text; `skip_special` leaves special tokens out.
    ///
    /// # Errors
    /// The tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        self.inner.decode(ids, skip_special).map_err(failed)
    }

    /// A decoder that takes one id at a time.
    pub fn detokenizer(&self, skip_special: bool) -> Detokenizer {
        Detokenizer::new(self.clone(), skip_special)
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocab_size", &self.vocab_size)
            .field("special", &self.special)
            .finish()
    }
}

fn parse(bytes: &[u8], origin: &Path) -> Result<tokenizers::Tokenizer> {
    let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| Error::Config {
        path: origin.to_owned(),
        reason: format!("not a tokenizer.json this version of `tokenizers` reads: {e}"),
    })?;
    // Length is the business of training and serving, which say so when they cut.
    inner.with_padding(None);
    inner.with_truncation(None).map_err(failed)?;
    Ok(inner)
}

fn failed(error: tokenizers::Error) -> Error {
    Error::Config { path: "tokenizer".into(), reason: error.to_string() }
}
