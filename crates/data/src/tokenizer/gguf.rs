//! Tokenizers from GGUF metadata.
//!
//! GGUF stores a vocabulary and the name of its splitting rule; the rules themselves are those of
//! `llama.cpp` (`src/llama-vocab.cpp`). What is built here is the `tokenizer.json` that the
//! original model has.

use std::{collections::HashMap, path::Path};

use serde_json::{Map, Value, json};

use super::{Special, SpecialTokens, Tokenizer};
use crate::{Error, Result};

/// GPT-2's pattern.
const GPT2_SPLIT: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Qwen2: digits one by one.
const QWEN2_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// LLaMA 3: digits in groups of up to three.
pub(super) const LLAMA3_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// SentencePiece makes pieces of 16 characters unless told otherwise; trying every cut of a hostile
/// megabyte would not end.
const MAX_PIECE: usize = 1024;

/// Token types of GGUF.
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// The tokenizer part of GGUF metadata (`tokenizer.ggml.*`).
#[derive(Clone, Debug, Default)]
pub struct GgufVocab {
    /// `model`: `gpt2` (byte-level BPE) or `llama` (SentencePiece).
    pub model: String,
    /// `pre`: the splitting rule of `gpt2` vocabularies.
    pub pre: Option<String>,
    /// `tokens`, by id.
    pub tokens: Vec<String>,
    /// `merges`, each two tokens joined by a space; empty for `llama`.
    pub merges: Vec<String>,
    /// `scores`; empty for `gpt2`.
    pub scores: Vec<f32>,
    /// `token_type`, by id; empty where absent.
    pub token_types: Vec<i32>,
    /// `bos_token_id`.
    pub bos: Option<u32>,
    /// `eos_token_id`.
    pub eos: Option<u32>,
    /// `padding_token_id`.
    pub pad: Option<u32>,
    /// `unknown_token_id`.
    pub unk: Option<u32>,
    /// `add_bos_token`.
    pub add_bos: Option<bool>,
    /// `add_space_prefix`.
    pub add_space_prefix: Option<bool>,
}

impl Tokenizer {
    /// Builds the tokenizer of a GGUF file; `origin` is the file, for error messages.
    ///
    /// # Errors
    /// The model or splitting rule is unknown, an array is malformed, or an id is out of range.
    pub fn from_gguf(vocab: &GgufVocab, origin: impl AsRef<Path>) -> Result<Self> {
        let origin = origin.as_ref();
        build(vocab, origin).map_err(|reason| Error::Config { path: origin.to_owned(), reason })
    }
}

fn build(vocab: &GgufVocab, origin: &Path) -> std::result::Result<Tokenizer, String> {
    check_lengths(vocab)?;
    let role = |name: &str, id: Option<u32>| match id {
        None => Ok(None),
        Some(id) => match vocab.tokens.get(id as usize) {
            Some(text) => Ok(Some(Special { text: text.clone(), id })),
            None => Err(format!(
                "tokenizer.ggml.{name}_token_id is {id}, but there are {} tokens",
                vocab.tokens.len()
            )),
        },
    };
    let bos = role("bos", vocab.bos)?;
    let eos = role("eos", vocab.eos)?;
    let special = SpecialTokens {
        stop: eos.iter().map(|eos| eos.id).collect(),
        pad: role("padding", vocab.pad)?,
        unk: role("unknown", vocab.unk)?,
        named: Vec::new(),
        bos,
        eos,
    };
    let mut document = match vocab.model.as_str() {
        "gpt2" => byte_level(vocab)?,
        "llama" => sentencepiece(vocab, special.unk.as_ref())?,
        other => {
            return Err(format!(
                "tokenizer.ggml.model is {other:?}; supported are \"gpt2\" and \"llama\""
            ));
        }
    };
    document.insert("version".into(), json!("1.0"));
    document.insert("truncation".into(), Value::Null);
    document.insert("padding".into(), Value::Null);
    document.insert("added_tokens".into(), added_tokens(vocab));
    let adds_bos = vocab.add_bos.unwrap_or(vocab.model == "llama");
    if let Some(bos) = special.bos.as_ref().filter(|_| adds_bos) {
        document.insert("post_processor".into(), bos_processor(bos));
    }
    Tokenizer::from_json(Value::Object(document).to_string().as_bytes(), origin, special)
        .map_err(|e| e.to_string())
}

fn check_lengths(vocab: &GgufVocab) -> std::result::Result<(), String> {
    let count = vocab.tokens.len();
    if count == 0 {
        return Err("tokenizer.ggml.tokens is empty".into());
    }
    for (name, length) in [("scores", vocab.scores.len()), ("token_type", vocab.token_types.len())]
    {
        if length != 0 && length != count {
            return Err(format!("tokenizer.ggml.{name} has {length} entries for {count} tokens"));
        }
    }
    Ok(())
}

fn byte_level(vocab: &GgufVocab) -> std::result::Result<Map<String, Value>, String> {
    let split = |pattern: &str, behaviour: &str| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": behaviour, "invert": false});
    let pre = vocab.pre.as_deref().unwrap_or("default");
    let steps = match pre {
        "smollm" => vec![
            json!({"type": "Digits", "individual_digits": true}),
            split(GPT2_SPLIT, "Isolated"),
        ],
        "qwen2" => vec![split(QWEN2_SPLIT, "Isolated")],
        "llama-bpe" => vec![split(LLAMA3_SPLIT, "Isolated")],
        "gpt-2" => vec![split(GPT2_SPLIT, "Isolated")],
        "default" => vec![
            split(r"[\p{P}\$\+<=>\^~\|]+", "Isolated"),
            split(GPT2_SPLIT, "Isolated"),
            split(r"\p{N}+", "Isolated"),
            split("[0-9][0-9][0-9]", "Isolated"),
        ],
        other => {
            return Err(format!(
                "tokenizer.ggml.pre is {other:?}; supported are smollm, qwen2, llama-bpe, gpt-2 \
                 and default"
            ));
        }
    };
    let bytes = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false,
    });
    let mut pre_tokenizers = steps;
    pre_tokenizers.push(bytes.clone());
    let normalizer = if pre == "qwen2" { json!({"type": "NFC"}) } else { Value::Null };
    Ok(Map::from_iter([
        ("normalizer".into(), normalizer),
        ("pre_tokenizer".into(), json!({"type": "Sequence", "pretokenizers": pre_tokenizers})),
        ("post_processor".into(), bytes.clone()),
        ("decoder".into(), bytes),
        ("model".into(), bpe(vocab, merges_from_file(vocab)?, None, pre == "llama-bpe", false)),
    ]))
}

/// SentencePiece BPE as `transformers` converts it (`LlamaConverter`).
fn sentencepiece(
    vocab: &GgufVocab,
    unk: Option<&Special>,
) -> std::result::Result<Map<String, Value>, String> {
    let prefix = vocab.add_space_prefix.unwrap_or(true);
    let mut normalizers = Vec::new();
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        normalizers.push(json!({"type": "Prepend", "prepend": "▁"}));
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    normalizers.push(json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}));
    let merges =
        if vocab.merges.is_empty() { merges_from_scores(vocab) } else { merges_from_file(vocab)? };
    Ok(Map::from_iter([
        ("normalizer".into(), json!({"type": "Sequence", "normalizers": normalizers})),
        ("pre_tokenizer".into(), Value::Null),
        ("post_processor".into(), Value::Null),
        ("decoder".into(), json!({"type": "Sequence", "decoders": decoders})),
        ("model".into(), bpe(vocab, merges, unk, false, true)),
    ]))
}

fn merges_from_file(vocab: &GgufVocab) -> std::result::Result<Value, String> {
    let pair = |(i, merge): (usize, &String)| match merge.split_once(' ') {
        Some((left, right)) => Ok(json!([left, right])),
        None => Err(format!(
            "tokenizer.ggml.merges, entry {i}: {merge:?} is not two tokens and a space"
        )),
    };
    vocab.merges.iter().enumerate().map(pair).collect()
}

/// SentencePiece merges the pair whose union scores best: every way to split a piece into two
/// pieces is a merge, ranked by the piece's score (`generate_merges` of `transformers`).
fn merges_from_scores(vocab: &GgufVocab) -> Value {
    let ids: HashMap<&str, usize> =
        vocab.tokens.iter().enumerate().map(|(id, token)| (token.as_str(), id)).collect();
    let mut merges: Vec<(f32, &str, &str)> = Vec::new();
    let pieces = vocab.tokens.iter().enumerate().filter(|(_, token)| token.len() <= MAX_PIECE);
    for (id, token) in pieces {
        let score = vocab.scores.get(id).copied().unwrap_or(-(id as f32));
        let mut halves: Vec<(usize, usize, &str, &str)> = token
            .char_indices()
            .skip(1)
            .filter_map(|(at, _)| {
                let (left, right) = token.split_at(at);
                Some((*ids.get(left)?, *ids.get(right)?, left, right))
            })
            .collect();
        halves.sort_unstable();
        merges.extend(halves.into_iter().map(|(_, _, left, right)| (score, left, right)));
    }
    let length = |text: &str| text.chars().count();
    merges.sort_by(|a, b| {
        b.0.total_cmp(&a.0)
            .then_with(|| length(b.1).cmp(&length(a.1)))
            .then_with(|| length(b.2).cmp(&length(a.2)))
    });
    merges.into_iter().map(|(_, left, right)| json!([left, right])).collect()
}

fn bpe(
    vocab: &GgufVocab,
    merges: Value,
    unk: Option<&Special>,
    ignore_merges: bool,
    byte_fallback: bool,
) -> Value {
    let ids: Map<String, Value> =
        vocab.tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
    json!({
        "type": "BPE", "dropout": null, "unk_token": unk.map(|unk| unk.text.as_str()),
        "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": byte_fallback,
        "byte_fallback": byte_fallback, "ignore_merges": ignore_merges, "vocab": ids,
        "merges": merges,
    })
}

fn added_tokens(vocab: &GgufVocab) -> Value {
    let added = vocab.token_types.iter().zip(&vocab.tokens).enumerate();
    added
        .filter(|(_, (kind, _))| matches!(**kind, CONTROL | USER_DEFINED))
        .map(|(id, (kind, token))| {
            json!({
                "id": id, "content": token, "special": *kind == CONTROL, "normalized": false,
                "single_word": false, "lstrip": false, "rstrip": false,
            })
        })
        .collect()
}

fn bos_processor(bos: &Special) -> Value {
    let token = json!({"SpecialToken": {"id": bos.text, "type_id": 0}});
    json!({
        "type": "TemplateProcessing",
        "single": [token, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [
            token, {"Sequence": {"id": "A", "type_id": 0}},
            token, {"Sequence": {"id": "B", "type_id": 1}},
        ],
        "special_tokens": {
            bos.text.clone(): {"id": bos.text, "ids": [bos.id], "tokens": [bos.text]},
        },
    })
}
