//! A forward pass, or a training step, of a language model: `step MODEL_DIR forward|train BATCH
//! TOKENS [mixed]`.

use std::path::Path;

use anyhow::Context;
use burn::{DType, Device};
use quintet_models::{
    Multimodal,
    backbones::Decoder,
    multimodal::{Batch, Row, Side},
};
use quintet_train::optim::{AdamW, AdamWConfig};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, mode, batch, tokens, rest @ ..] = args.as_slice() else {
        anyhow::bail!("usage: step MODEL_DIR forward|train BATCH TOKENS [mixed]");
    };
    let (batch, tokens) = (batch.parse()?, tokens.parse()?);
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
    let mixed = rest.first().is_some_and(|word| word == "mixed");
    let within = |f: &mut (dyn FnMut() -> anyhow::Result<Vec<f64>> + Send)| {
        quintet_kernels::on_workers(|| match mixed {
            true => quintet_kernels::mixed_precision(f),
            false => f(),
        })
    };
    match mode.as_str() {
        "forward" => quintet_bench::serve(|| {
            within(&mut || {
                let hidden = model.hidden(&batch, &batch.layout(), None)?;
                let logits = model.backbone().logits(hidden);
                Ok(vec![f64::from(logits.mean().into_scalar::<f32>())])
            })
        }),
        "train" => {
            model.params().set_trainable(|_| true);
            let config = AdamWConfig { weight_decay: 0.01, ..AdamWConfig::default() };
            let mut optimiser = AdamW::new(model.params(), config, &[]);
            quintet_bench::serve(|| {
                within(&mut || {
                    let (loss, _) = model.loss(&batch)?;
                    let value = f64::from(loss.clone().into_scalar::<f32>());
                    let mut gradients = optimiser.gradients();
                    gradients.add(&mut loss.backward(), 1.0);
                    optimiser.step(gradients, 1e-4, Some(1.0));
                    Ok(vec![value])
                })
            })
        }
        other => Err(anyhow::anyhow!("{other:?} is neither forward nor train")),
    }
    .context("the contestant stopped")
}
