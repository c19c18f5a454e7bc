//! `mistral-peer MODEL.gguf PROMPT_TOKENS NEW_TOKENS`, as `bench/ours/src/bin/decode.rs`, with
//! mistral.rs. Times are those that it tells of a reply; it gives text instead of tokens.

use std::{path::Path, time::Instant};

use anyhow::{Context, bail};
use mistralrs::{GgufModelBuilder, NormalRequest, Request, RequestMessage, Response, SamplingParams};
use tokio::{runtime::Runtime, sync::mpsc::channel};

#[path = "../../../ours/src/protocol.rs"]
mod contestant;

/// Tokens of SmolLM2's vocabulary, of which the prompt is made.
const VOCABULARY: usize = 49_152;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, path, prompt, new] = args.as_slice() else {
        bail!("usage: mistral-peer MODEL.gguf PROMPT_TOKENS NEW_TOKENS");
    };
    let (path, prompt, new): (_, usize, usize) = (Path::new(path), prompt.parse()?, new.parse()?);
    let (folder, file) = path.parent().zip(path.file_name()).context("the model is no file")?;
    let runtime = Runtime::new()?;
    let begun = Instant::now();
    let builder = GgufModelBuilder::new(folder.display(), vec![file.display()])
        .with_force_cpu()
        .with_prefix_cache_n(None);
    let model = runtime.block_on(builder.build())?;
    let loading = begun.elapsed().as_secs_f64();
    let requests = model.inner().get_sender(None)?;
    let mut id = 0;
    contestant::serve(|| {
        let text = contestant::ids(1, prompt, VOCABULARY).concat();
        let sampling = SamplingParams { max_len: Some(new), ..SamplingParams::deterministic() };
        let (response, mut responses) = channel(1);
        let message = RequestMessage::CompletionTokens(text);
        id += 1;
        let request = NormalRequest::new_simple(message, sampling, response, id, None, None);
        let reply = runtime.block_on(async {
            requests.send(Request::Normal(Box::new(request))).await?;
            responses.recv().await.context("no reply")
        })?;
        let Response::CompletionDone(reply) = reply else { bail!("the reply is an error") };
        let usage = reply.usage;
        if usage.completion_tokens != new {
            bail!("{} tokens, not {new}", usage.completion_tokens);
        }
        let [prompt, rest] = [usage.total_prompt_time_sec, usage.total_completion_time_sec];
        Ok(vec![prompt.into(), rest.into(), loading])
    })
}
