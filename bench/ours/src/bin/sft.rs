//! A training step of a multimodal model, all parts: `sft MODEL_DIR BATCH TOKENS [single|mixed|half]`. Each row
//! is a picture and so many tokens of text, the second half of which is learnt.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use burn::{DType, Device};
use quintet_data::image_processor::PixelValues;
use quintet_models::{
    Multimodal,
    multimodal::{Batch, Row, Side},
};

/// Ids below are special.
const SPECIAL: u32 = 8;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, batch, tokens, rest @ ..] = args.as_slice() else {
        anyhow::bail!("usage: sft MODEL_DIR BATCH TOKENS [single|mixed|half]");
    };
    let (batch, tokens): (usize, usize) = (batch.parse()?, tokens.parse()?);
    let precision = quintet_bench::precision(rest)?;
    let model = Multimodal::load(Path::new(dir), &Device::flex(), DType::F32)?;
    let vision = model.vision().context("the model sees nothing")?;
    let (side, visual) = (vision.encoder().image_size(), vision.image_tokens());
    let placeholder = vision.config().image_token;
    let data = quintet_bench::noise(3 * side * side);
    let pixels = Arc::new(PixelValues { data, height: side, width: side });
    let texts =
        quintet_bench::ids(batch, tokens, model.text_config().vocab_size - SPECIAL as usize);
    let rows = texts.into_iter().map(|text| {
        let text = text.into_iter().map(|id| id + SPECIAL);
        Row {
            supervised: (0..visual + tokens).map(|at| at >= visual + tokens / 2).collect(),
            ids: std::iter::repeat_n(placeholder, visual).chain(text).collect(),
            images: vec![(0..visual, pixels.clone())],
            segments: None,
        }
    });
    let batch = Batch::new(rows.collect(), Side::Right);
    quintet_bench::serve_steps(&model, &batch, precision)
}
