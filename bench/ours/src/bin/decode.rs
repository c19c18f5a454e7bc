//! A prompt and its continuation: `decode MODEL PROMPT_TOKENS NEW_TOKENS`. Reports the seconds of
//! the prompt, those of the new tokens, and the tokens.

use std::{ops::ControlFlow, path::Path, time::Instant};

use burn::{DType, Device};
use quintet_models::{Generation, Multimodal, Sampling, multimodal::Row};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, path, prompt, new] = args.as_slice() else {
        anyhow::bail!("usage: decode MODEL PROMPT_TOKENS NEW_TOKENS");
    };
    let (prompt, max_tokens): (usize, usize) = (prompt.parse()?, new.parse()?);
    let begun = Instant::now();
    let model = Multimodal::load(Path::new(path), &Device::flex(), DType::F32)?;
    let loading = begun.elapsed().as_secs_f64();
    let ids = quintet_bench::ids(1, prompt, model.text_config().vocab_size).remove(0);
    let options = Generation { max_tokens, stop: Vec::new(), sampling: Sampling::default() };
    quintet_bench::serve(|| {
        let begun = Instant::now();
        let mut first = None;
        let row = Row { supervised: vec![false; ids.len()], ids: ids.clone(), ..Row::default() };
        let texts = model.generate(vec![row], &options, |_, _| {
            first.get_or_insert_with(|| begun.elapsed().as_secs_f64());
            ControlFlow::Continue(())
        })?;
        let prompt = first.unwrap_or_default();
        let rest = begun.elapsed().as_secs_f64() - prompt;
        let tokens = texts.into_iter().flatten().map(f64::from);
        Ok([prompt, rest, loading].into_iter().chain(tokens).collect())
    })
}
