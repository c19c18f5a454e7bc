//! What a conversation will cost, told from its text and the sizes of its pictures.
//!
//! Estimates, not counts: no tokenizer of a closed model is at hand, and other endpoints count
//! pictures in their own ways.

use quintet_data::sample::{Part, Sample};

use crate::{Detail, Error, Options, Result, Usage, picture};

/// Tokens that frame a turn and the answer, as OpenAI's cookbook counts them
/// (*How to count tokens with tiktoken*, section 6).
const FRAME: u64 = 3;

/// About how many tokens asking will take, with an answer of `completion_tokens`.
///
/// # Errors
/// A picture's size cannot be read.
pub fn estimate(conversation: &Sample, options: &Options, completion_tokens: u64) -> Result<Usage> {
    let mut prompt_tokens = FRAME;
    for message in &conversation.messages {
        prompt_tokens += FRAME;
        for part in &message.content {
            if let Part::Text(text) = part {
                prompt_tokens += text_tokens(text);
            }
        }
    }
    for picture in &conversation.media {
        let (width, height) = picture::size(picture)
            .map_err(|reason| Error::Conversation { id: conversation.id.clone(), reason })?;
        prompt_tokens += picture_tokens(width, height, options.detail);
    }
    Ok(Usage { requests: 1, unreported: 0, prompt_tokens, completion_tokens })
}

/// About how many tokens an English text has: one for every four characters.
pub fn text_tokens(text: &str) -> u64 {
    (text.chars().count() as u64).div_ceil(4)
}

/// How many tokens OpenAI's GPT-4o, GPT-4.1 and GPT-4 Turbo count for a picture (their guide
/// *Images and vision*, "Calculating costs"): 85 in low detail; else the picture is made to fit
/// into 2048 × 2048, its shorter side is brought down to 768, and 85 + 170 for each tile of
/// 512 × 512 are counted. Detail left to the endpoint counts as high.
pub fn picture_tokens(width: u32, height: u32, detail: Detail) -> u64 {
    const BASE: u64 = 85;
    const TILE: u64 = 170;
    if detail == Detail::Low {
        return BASE;
    }
    let (width, height) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let fit = (2048.0 / width.max(height)).min(1.0);
    let scale = fit * (768.0 / (fit * width.min(height))).min(1.0);
    // Rounded as pixels are, so that a side scaled to 512 is one tile.
    let tiles = |side: f64| ((side * scale).round().max(1.0) / 512.0).ceil() as u64;
    BASE + TILE * tiles(width) * tiles(height)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use image::RgbImage;
    use quintet_data::sample::{Media, Message, Role};

    use super::*;

    #[test]
    fn pictures_cost_what_the_guide_says() {
        assert_eq!(picture_tokens(1024, 1024, Detail::High), 765);
        assert_eq!(picture_tokens(2048, 4096, Detail::High), 1105);
        assert_eq!(picture_tokens(4096, 8192, Detail::Low), 85);
        assert_eq!(picture_tokens(512, 512, Detail::Auto), 255);
        assert_eq!(picture_tokens(513, 512, Detail::Auto), 425);
        assert_eq!(picture_tokens(0, u32::MAX, Detail::Auto), 85 + 4 * 170);
    }

    #[test]
    fn a_turned_picture_costs_the_same_and_a_smaller_one_no_more() {
        for (w, h) in [(640, 480), (3000, 700), (100, 9000), (768, 2048)] {
            let cost = picture_tokens(w, h, Detail::High);
            assert_eq!(cost, picture_tokens(h, w, Detail::High));
            assert!(picture_tokens(w / 2, h / 2, Detail::High) <= cost);
        }
    }

    #[test]
    fn text_pictures_and_frames_add_up() {
        let picture = Media::Image(Arc::new(RgbImage::new(512, 512)));
        let question =
            Message { role: Role::User, content: vec![Part::Image, Part::Text("12345".into())] };
        let conversation = Sample {
            id: String::new(),
            messages: vec![Message::text(Role::System, "1234"), question],
            media: vec![picture],
        };
        let usage = estimate(&conversation, &Options::new("m"), 50).unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (3 + 3 + 1 + 3 + 2 + 255, 50));
        let prices = crate::Prices { prompt: 10.0, completion: 100.0 };
        assert!((prices.cost(&usage) - (2670.0 + 5000.0) / 1e6).abs() < 1e-12);
    }
}
