//! Tokenizer and chat template of a GGUF file.

use std::path::Path;

use quintet_data::{
    chat::ChatTemplate,
    tokenizer::{GgufVocab, Tokenizer},
};
use quintet_weights::Weights;

use crate::{Error, Result};

/// Tokenizer and chat template in the metadata of a GGUF file, or of the one in a directory.
///
/// # Errors
/// If the file has none, or they are malformed.
pub fn text(path: &Path) -> Result<(Tokenizer, ChatTemplate)> {
    let weights = Weights::open(path)?;
    let path = weights.path();
    let missing = |what: &str| Error::Config {
        path: path.to_owned(),
        reason: format!("the file has no {what}; add tokenizer.json and a chat template beside it"),
    };
    let found = weights.gguf_tokenizer()?.ok_or_else(|| missing("tokenizer"))?;
    let template = found.chat_template.clone().ok_or_else(|| missing("chat template"))?;
    let vocab = GgufVocab {
        model: found.model,
        pre: found.pre,
        tokens: found.tokens,
        merges: found.merges,
        scores: found.scores,
        token_types: found.types,
        bos: found.bos,
        eos: found.eos,
        pad: found.padding,
        unk: found.unknown,
        add_bos: found.add_bos,
        add_space_prefix: found.add_space_prefix,
    };
    Ok((Tokenizer::from_gguf(&vocab, path)?, ChatTemplate::new(template, path)?))
}
