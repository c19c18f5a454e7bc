//! Training a small byte-level BPE vocabulary.

use std::{borrow::Cow, collections::BTreeSet, path::Path};

use serde_json::{Value, json};
use tokenizers::{
    AddedToken, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainer},
    },
    pre_tokenizers::byte_level::ByteLevel,
};

use super::{Special, SpecialTokens, Tokenizer, gguf::LLAMA3_SPLIT};
use crate::{Error, Result};

/// What to train.
#[derive(Clone, Debug)]
pub struct BpeOptions {
    /// Ids, at most: special tokens, bytes, numbers, words and merges.
    pub vocab_size: usize,
    /// Special tokens, which take the first ids in this order.
    pub special_tokens: Vec<String>,
    /// Every number from 0 to this one (999 at most) is a single token, so that a coordinate is one
    /// choice of the model and not a sequence of digits.
    pub largest_number: u32,
    /// Every word of the texts, with the space before it where it has one, is a single token, so
    /// that an answer of one word is one choice of the model.
    pub whole_words: bool,
}

/// Trains byte-level BPE (Sennrich et al. 2016 over bytes, as GPT-2).
///
/// Text is split by the pattern of LLaMA 3, where digits stand in groups of up to three; a group
/// that is in the vocabulary is taken whole (`ignore_merges`). The result depends only on the texts
/// and the options.
///
/// # Errors
/// The vocabulary is too small for the special tokens, the 256 bytes, the numbers and the words,
/// or `largest_number` exceeds 999.
pub fn train_bpe<'a>(
    texts: impl IntoIterator<Item = &'a str, IntoIter: Send>,
    options: &BpeOptions,
) -> Result<Tokenizer> {
    let texts: Vec<&str> = texts.into_iter().collect();
    let mut inner = tokenizers::Tokenizer::new(BPE::default());
    let skeleton = document(json!({}), json!([]), json!([]));
    let pipeline =
        tokenizers::Tokenizer::from_bytes(skeleton.to_string()).map_err(super::failed)?;
    inner.with_pre_tokenizer(pipeline.get_pre_tokenizer().cloned());
    // Tokens that are taken whole, besides what is merged.
    let mut whole: Vec<String> = (10..=options.largest_number).map(|n| n.to_string()).collect();
    if options.whole_words {
        whole.extend(words(&pipeline, &texts)?);
    }
    let fixed = options.special_tokens.len() + 256 + whole.len();
    if options.largest_number > 999 || options.vocab_size < fixed {
        return Err(refused(format!(
            "cannot train {} ids with numbers up to {}: special tokens, bytes, numbers and words \
             alone take {fixed}, and numbers end at 999",
            options.vocab_size, options.largest_number
        )));
    }
    let specials = options.special_tokens.iter().map(|token| AddedToken::from(token.clone(), true));
    let mut trainer: TrainerWrapper = BpeTrainer::builder()
        .vocab_size(options.vocab_size - whole.len())
        .show_progress(false)
        .special_tokens(specials.collect())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build()
        .into();
    // Digits get no merges of their own: numbers are whole, longer groups are rare.
    let wordy = texts.into_iter().map(|text| match text.contains(|c: char| c.is_ascii_digit()) {
        true => Cow::Owned(text.replace(|c: char| c.is_ascii_digit(), " ")),
        false => Cow::Borrowed(text),
    });
    inner.train(&mut trainer, wordy).map_err(super::failed)?;

    let trained: Value = serde_json::from_str(&inner.to_string(false).map_err(super::failed)?)
        .map_err(|e| refused(e.to_string()))?;
    let mut vocab = trained["model"]["vocab"].as_object().cloned().unwrap_or_default();
    for token in whole {
        let id = vocab.len();
        vocab.entry(token).or_insert_with(|| json!(id));
    }
    let added = options.special_tokens.iter().enumerate().map(|(id, token)| {
        json!({
            "id": id, "content": token, "special": true, "normalized": false,
            "single_word": false, "lstrip": false, "rstrip": false,
        })
    });
    let document = document(
        vocab.into(),
        trained["model"]["merges"].clone(),
        added.collect::<Vec<_>>().into(),
    );
    let special = SpecialTokens::default();
    Tokenizer::from_json(document.to_string().as_bytes(), Path::new("trained tokenizer"), special)
}

impl Tokenizer {
    /// Gives tokens of the vocabulary their roles: `bos_token`, `eos_token`, `pad_token`,
    /// `unk_token`, or a name of one's own such as `image_token`.
    ///
    /// # Errors
    /// The vocabulary lacks a token.
    pub fn with_roles(mut self, roles: &[(&str, &str)]) -> Result<Self> {
        for &(role, text) in roles {
            let id = self.id(text).ok_or_else(|| {
                refused(format!("{role} cannot be {text:?}: it is not in the vocabulary"))
            })?;
            let token = Special { text: text.to_owned(), id };
            match role {
                "bos_token" => self.special.bos = Some(token),
                "eos_token" => {
                    self.special.eos = Some(token);
                    self.special.stop = vec![id];
                }
                "pad_token" => self.special.pad = Some(token),
                "unk_token" => self.special.unk = Some(token),
                name => self.special.named.push((name.to_owned(), token)),
            }
        }
        Ok(self)
    }
}

/// What a pipeline splits texts into, as the vocabulary spells it, less bytes and digits.
fn words(pipeline: &tokenizers::Tokenizer, texts: &[&str]) -> Result<BTreeSet<String>> {
    let mut words = BTreeSet::new();
    for text in texts {
        let mut split = PreTokenizedString::from(*text);
        if let Some(splitter) = pipeline.get_pre_tokenizer() {
            splitter.pre_tokenize(&mut split).map_err(super::failed)?;
        }
        let parts = split.get_splits(OffsetReferential::Original, OffsetType::Byte);
        let parts = parts.into_iter().map(|(part, ..)| part);
        words.extend(
            parts
                .filter(|part| part.chars().count() > 1)
                .filter(|part| !part.contains(|c: char| c.is_ascii_digit()))
                .map(str::to_owned),
        );
    }
    Ok(words)
}

fn document(vocab: Value, merges: Value, added: Value) -> Value {
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": LLAMA3_SPLIT}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        ]},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": true, "vocab": vocab, "merges": merges,
        },
    })
}

fn refused(reason: String) -> Error {
    Error::Config { path: "tokenizer training".into(), reason }
}
