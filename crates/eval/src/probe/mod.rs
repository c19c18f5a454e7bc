//! What a model attends to in a picture while it answers (*List Items One by One*, §3.1 and §6.1).

mod map;
mod page;
mod picture;

use std::ops::Range;

use burn::Tensor;
use quintet_data::{media, sample::Sample, tokenizer::Tokenizer};
use quintet_models::{
    Multimodal, Processor,
    multimodal::{Batch, Side},
};

pub use map::AttentionMap;
pub use page::page;
pub use picture::{heat, highlight};

use crate::{Error, Result};

/// Which attention is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// A layer of the backbone; the mean of all when `None`.
    pub layer: Option<usize>,
    /// A head; the mean of all when `None`.
    pub head: Option<usize>,
}

/// The attention of every token of a conversation to its picture.
#[derive(Clone, Debug)]
pub struct Attended {
    tokens: Vec<String>,
    answer: Range<usize>,
    grid: [usize; 2],
    /// `[t, v]`
    weights: Vec<f32>,
}

/// Reads a conversation about one picture, the answer to look at included, and keeps what its
/// tokens attend to.
///
/// # Errors
/// If the conversation is not about one picture, the model's projector does not keep a token for
/// each patch, or the layer or head does not exist.
pub fn attend(
    model: &Multimodal,
    processor: &Processor,
    sample: &Sample,
    select: Select,
) -> Result<Attended> {
    let row = processor.encode(sample)?;
    let [(span, pixels)] = row.images.as_slice() else {
        return Err(Error::Settings(format!(
            "a probe looks at one picture, the conversation has {}",
            row.images.len()
        )));
    };
    let span = span.clone();
    let patch = model.vision().map_or(1, |vision| vision.encoder().geometry().patch_size);
    let grid = [pixels.height / patch, pixels.width / patch];
    if grid[0] * grid[1] != span.len() {
        return Err(Error::Settings(format!(
            "the picture is {} tokens to the backbone, but {} by {} patches to the encoder: this \
             projector does not keep a token for each patch",
            span.len(),
            grid[0],
            grid[1]
        )));
    }
    let config = model.text_config();
    let within = |what: &str, index: Option<usize>, count: usize| match index {
        Some(index) if index >= count => Err(Error::Settings(format!(
            "there is no {what} {index}: they go from 0 to {}",
            count - 1
        ))),
        _ => Ok(()),
    };
    within("layer", select.layer, config.num_hidden_layers)?;
    within("head", select.head, config.num_attention_heads)?;

    let tokens = tokens(&processor.tokenizer, &row.ids)?;
    let first = row.supervised.iter().position(|on| *on).unwrap_or(row.ids.len());
    let answer = first..row.supervised.iter().rposition(|on| *on).map_or(first, |last| last + 1);
    let embeds = model.embed(&Batch::new(vec![row], Side::Right))?;
    let mut sum: Option<Tensor<2>> = None;
    let mut layers = 0;
    model.backbone().attentions(embeds, None, |layer, weights| {
        if select.layer.is_some_and(|chosen| chosen != layer) {
            return;
        }
        let [_, heads, t, _] = weights.dims();
        let heads = select.head.map_or(0..heads, |head| head..head + 1);
        let seen =
            weights.slice([0..1, heads, 0..t, span.clone()]).mean_dim(1).reshape([t, span.len()]); // [t, v]
        sum = Some(match sum.take() {
            None => seen,
            Some(sum) => sum + seen,
        });
        layers += 1;
    });
    let weights = sum.map_or_else(Vec::new, |sum| {
        sum.div_scalar(layers as f32).into_data().iter::<f32>().collect()
    });
    Ok(Attended { tokens, answer, grid, weights })
}

/// The text of each id.
fn tokens(tokenizer: &Tokenizer, ids: &[u32]) -> Result<Vec<String>> {
    ids.iter().map(|id| Ok(tokenizer.decode(&[*id], false)?)).collect()
}

impl Attended {
    /// The text of every token.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The tokens that the model said, or was made to say.
    pub fn answer(&self) -> Range<usize> {
        self.answer.clone()
    }

    /// What these tokens attend to, on the mean.
    ///
    /// # Errors
    /// If there are no such tokens.
    pub fn map(&self, tokens: Range<usize>) -> Result<AttentionMap> {
        let v = self.grid[0] * self.grid[1];
        let rows =
            self.weights.get(tokens.start * v..tokens.end * v).filter(|rows| !rows.is_empty());
        let rows = rows.ok_or_else(|| {
            Error::Settings(format!("there are no tokens {tokens:?}, only {}", self.tokens.len()))
        })?;
        let mut weights = vec![0.0; v];
        for row in rows.chunks_exact(v) {
            weights.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight);
        }
        let count = tokens.len() as f32;
        weights.iter_mut().for_each(|weight| *weight /= count);
        Ok(AttentionMap::new(self.grid, weights))
    }

    /// The tokens that make up `text` in the answer, looked for from token `from` on.
    pub fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let answer = from.max(self.answer.start)..self.answer.end;
        answer.clone().find_map(|start| {
            // A token may carry the space before the word.
            let mut rest = text;
            let mut read = |token: &str| {
                let token = if rest.len() == text.len() { token.trim_start() } else { token };
                let used = rest.strip_prefix(token)?;
                rest = used;
                (!token.is_empty()).then_some(rest.is_empty())
            };
            for at in start..answer.end {
                match read(self.tokens.get(at)?) {
                    None => return None,
                    Some(true) => return Some(start..at + 1),
                    Some(false) => {}
                }
            }
            None
        })
    }
}

/// The picture of a conversation, as the model's encoder sees it.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn view(processor: &Processor, sample: &Sample) -> Result<image::RgbImage> {
    let picture = sample.media.first().zip(processor.images.as_ref());
    let (medium, images) = picture
        .ok_or_else(|| Error::Settings("a probe needs a picture, and a model that sees".into()))?;
    Ok(images.view(media::decode(medium)?.as_ref())?)
}
