//! `decode MODEL.gguf PROMPT_TOKENS NEW_TOKENS`, as `bench/ours/src/bin/decode.rs`, with candle's
//! quantised LLaMA.

use std::time::Instant;

use candle_core::{Device, Tensor, quantized::gguf_file};
use candle_peer::{ids, serve};
use candle_transformers::models::quantized_llama::ModelWeights;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, path, prompt, new] = args.as_slice() else {
        anyhow::bail!("usage: decode MODEL.gguf PROMPT_TOKENS NEW_TOKENS");
    };
    let (prompt, new): (usize, usize) = (prompt.parse()?, new.parse()?);
    let device = Device::Cpu;
    let begun = Instant::now();
    let mut file = std::fs::File::open(path)?;
    let content = gguf_file::Content::read(&mut file)?;
    let vocabulary = content.tensor_infos["token_embd.weight"].shape.dims()[0];
    let mut model = ModelWeights::from_gguf(content, &mut file, &device)?;
    let loading = begun.elapsed().as_secs_f64();
    let text = Tensor::from_vec(ids(1, prompt, vocabulary).concat(), (1, prompt), &device)?;
    serve(|| {
        let begun = Instant::now();
        // Position 0 starts the cache anew.
        let mut choose = |x: &Tensor, at: usize| -> anyhow::Result<u32> {
            Ok(model.forward(x, at)?.flatten_all()?.argmax(0)?.to_scalar::<u32>()?)
        };
        let mut found = vec![choose(&text, 0)?];
        let first = begun.elapsed().as_secs_f64();
        while found.len() < new {
            let last = Tensor::from_vec(found[found.len() - 1..].to_vec(), (1, 1), &device)?;
            found.push(choose(&last, prompt + found.len() - 1)?);
        }
        let rest = begun.elapsed().as_secs_f64() - first;
        let tokens = found.into_iter().map(f64::from);
        Ok([first, rest, loading].into_iter().chain(tokens).collect())
    })
}
