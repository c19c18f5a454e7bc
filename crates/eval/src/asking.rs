//! Asking a model many things at once.

use std::ops::ControlFlow;

use quintet_models::{Generation, Multimodal, Processor, Sampling, multimodal::Row};

use crate::Result;

/// The likeliest answer to each prompt, token by token.
pub(crate) fn greedy(
    model: &Multimodal,
    processor: &Processor,
    prompts: Vec<Row>,
    max_tokens: usize,
) -> Result<Vec<String>> {
    let options = Generation {
        max_tokens,
        stop: processor.tokenizer.special().stop.clone(),
        sampling: Sampling::default(),
    };
    let ids = model.generate(prompts, &options, |_, _| ControlFlow::Continue(()))?;
    let text = |ids: &Vec<u32>| Ok(processor.tokenizer.decode(ids, true)?);
    ids.iter().map(text).collect()
}
