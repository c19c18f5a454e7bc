//! What a model attends to in a picture: its backbone while it answers (*List Items One by One*, §3.1
//! and §6.1), and its encoder while it looks.

mod encoder;
mod map;
mod page;
mod picture;
mod select;

use std::ops::Range;

use quintet_data::{media, sample::Sample, tokenizer::Tokenizer};
use quintet_models::{
    Multimodal, Processor,
    multimodal::{Batch, Side},
};

pub use encoder::{EncoderAttention, attend_encoder};
pub use map::AttentionMap;
pub use page::Page;
pub use picture::{heat, highlight};
use select::Mean;
pub use select::Select;

use crate::{Error, Result};

/// The attention of every token of a conversation to its picture.
#[derive(Clone, Debug)]
pub struct Attended {
    tokens: Vec<String>,
    question: Range<usize>,
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

    let tokens = tokens(&processor.tokenizer, &row.ids)?;
    let first = row.supervised.iter().position(|on| *on).unwrap_or(row.ids.len());
    let answer = first..row.supervised.iter().rposition(|on| *on).map_or(first, |last| last + 1);
    let embeds = model.embed(&Batch::new(vec![row], Side::Right))?;
    let question = span.end..answer.start.max(span.end);
    let mut mean = Mean::of(select, span);
    model.backbone().attentions(embeds, None, |layer, weights| mean.add(layer, weights));
    Ok(Attended { tokens, question, answer, grid, weights: mean.finish()? })
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

    /// The tokens between the picture and the answer: the question, and what the template puts around
    /// it. What comes before the picture cannot attend to it.
    pub fn question(&self) -> Range<usize> {
        self.question.clone()
    }

    /// Each of these tokens with what it attends to.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn words(&self, tokens: Range<usize>) -> Result<Vec<(String, AttentionMap)>> {
        let words = tokens.clone().zip(self.tokens.get(tokens).unwrap_or_default());
        words.map(|(token, text)| Ok((text.clone(), self.map(token..token + 1)?))).collect()
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

    /// The tokens that make up `text` in the answer, looked for from token `from` on. It must not be the
    /// end of a longer number or word, as `1.` is of `11.`.
    pub fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let answer = from.max(self.answer.start)..self.answer.end;
        let torn = |start: usize| {
            let before = self.tokens.get(start.checked_sub(1)?)?.chars().next_back()?;
            let first = self.tokens.get(start)?.chars().next()?;
            let same = |kind: fn(char) -> bool| kind(before) && kind(first);
            Some(same(|c| c.is_ascii_digit()) || same(char::is_alphabetic))
        };
        answer.clone().filter(|start| torn(*start) != Some(true)).find_map(|start| {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer of these tokens after a picture of one patch.
    fn answered(tokens: &[&str]) -> Attended {
        let tokens: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
        let (answer, weights) = (0..tokens.len(), vec![0.5; tokens.len()]);
        Attended { tokens, question: 0..0, answer, grid: [1, 1], weights }
    }

    #[test]
    fn a_tag_is_not_found_inside_another() {
        let digits = answered(&["1", "1", ".", " dog", "\n", "1", ".", " cat"]);
        assert_eq!(digits.find("11.", 0), Some(0..3));
        assert_eq!(digits.find("1.", 0), Some(5..7));
        assert_eq!(digits.find("dog", 0), Some(3..4));
        let letters = answered(&["ca", "t", ".", " t", "."]);
        assert_eq!(letters.find("t.", 0), Some(3..5));
        assert_eq!(letters.find("t.", 4), None);
        // Tokens of one id lose their space in some tokenizers.
        assert_eq!(answered(&["tag", "2", "."]).find("2.", 0), Some(1..3));
    }
}
