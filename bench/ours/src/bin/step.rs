//! A forward pass, or a training step, of a language model: `step MODEL_DIR forward|train BATCH
//! TOKENS [single|mixed|half]`.

use std::path::Path;

use anyhow::Context;
use burn::{DType, Device};
use quintet_models::{
    Multimodal,
    backbones::Decoder,
    multimodal::{Batch, Row, Side},
};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, mode, batch, tokens, rest @ ..] = args.as_slice() else {
        anyhow::bail!("usage: step MODEL_DIR forward|train BATCH TOKENS [single|mixed|half]");
    };
    let (batch, tokens) = (batch.parse()?, tokens.parse()?);
    let precision = quintet_bench::precision(rest)?;
    let device = Device::flex();
    let (decoder, params) = Decoder::load(Path::new(dir), &device, DType::F32)?;
    let model = Multimodal::text_only(decoder, params, &device);
    let rows = quintet_bench::ids(batch, tokens, model.text_config().vocab_size);
    let rows = rows.into_iter().map(|ids| Row {
        supervised: vec![true; ids.len()],
        ids,
        ..Row::default()
    });
    let batch = Batch::new(rows.collect(), Side::Right);
    match mode.as_str() {
        "forward" => quintet_bench::serve(|| {
            quintet_bench::as_a_step(precision, || {
                let hidden = model.hidden(&batch, &batch.layout(), None)?;
                let logits = model.backbone().logits(hidden);
                Ok(vec![f64::from(logits.mean().into_scalar::<f32>())])
            })
        }),
        "train" => quintet_bench::serve_steps(&model, &batch, precision),
        other => Err(anyhow::anyhow!("{other:?} is neither forward nor train")),
    }
    .context("the contestant stopped")
}
