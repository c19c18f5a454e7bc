//! From conversations to what a model reads: chat template, tokens, pictures.

use std::{borrow::Cow, path::Path, sync::Arc};

use burn::{Device, Tensor, TensorData};
use image::RgbImage;
use quintet_data::{
    chat::{self, ChatTemplate, EncodeOptions, Encoded},
    formats::atomic,
    image_processor::ImageProcessor,
    media,
    sample::{Media, Message, Part, Role, Sample},
    tokenizer::Tokenizer,
};
use quintet_nn::Segments;

use crate::{
    Error, Result,
    backbones::gguf_text,
    multimodal::{Multimodal, Row},
};

/// Everything that stands between a [`Sample`] and a model.
#[derive(Clone)]
pub struct Processor {
    /// Text to ids and back.
    pub tokenizer: Tokenizer,
    /// Messages to text.
    pub template: Arc<ChatTemplate>,
    /// Pictures to pixel values, for models that see.
    pub images: Option<ImageProcessor>,
    /// Tokens of one picture.
    pub image_tokens: usize,
    /// Longest text, and the placeholders.
    pub options: EncodeOptions,
}

impl Processor {
    /// The processor of a model directory or GGUF file.
    ///
    /// # Errors
    /// If tokenizer, chat template or image processor are missing or malformed, or the
    /// placeholder is not the token the model's configuration says.
    pub fn load(path: &Path, model: &Multimodal) -> Result<Self> {
        let (tokenizer, template) = if path.join("tokenizer.json").is_file() {
            (Tokenizer::from_dir(path)?, ChatTemplate::from_dir(path)?)
        } else {
            gguf_text::text(path)?
        };
        let mut processor = Self {
            tokenizer,
            template: Arc::new(template),
            images: None,
            image_tokens: 0,
            options: EncodeOptions {
                max_len: model.text_config().max_position_embeddings,
                ..EncodeOptions::default()
            },
        };
        if let Some(vision) = model.vision() {
            let token = vision.config().image_token;
            let text = processor.tokenizer.token(token).ok_or_else(|| Error::Config {
                path: path.join("config.json"),
                reason: format!("image_token_index {token} is not in the tokenizer"),
            })?;
            processor.options.placeholders.image = text;
            processor.images = Some(ImageProcessor::from_dir(path)?);
            processor.image_tokens = vision.image_tokens();
        }
        Ok(processor)
    }

    /// Writes tokenizer, chat template, image processor and what `LlavaProcessor` has to know of
    /// the model into its directory.
    ///
    /// The image processor goes to `preprocessor_config.json`, where versions 4 and 5 of
    /// `transformers` both find it, and not into `processor_config.json` a second time.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, dir: &Path, model: &Multimodal) -> Result<()> {
        self.tokenizer.save(dir, Some(&self.template), self.options.max_len)?;
        if let Some(images) = &self.images {
            images.save(dir)?;
        }
        if let Some(vision) = model.vision() {
            let image_token = &self.options.placeholders.image;
            let config = vision.config().processor_json(image_token);
            atomic::write_json(&dir.join("processor_config.json"), &config)?;
        }
        Ok(())
    }

    /// A picture as the encoder reads it, `[1, 3, h, w]`.
    ///
    /// # Errors
    /// If the model does not see, or the picture has no pixels.
    pub fn pixels(&self, picture: &RgbImage, device: &Device) -> Result<Tensor<4>> {
        let images = self.images.as_ref();
        let images = images.ok_or_else(|| Error::Request("the model only reads text".into()))?;
        let pixels = images.process(picture)?;
        let shape = [1, 3, pixels.height, pixels.width];
        Ok(Tensor::from_data(TensorData::new(pixels.data, shape), device))
    }

    /// A conversation to train on.
    ///
    /// # Errors
    /// If it cannot be rendered or decoded, does not fit, or has nothing to train on; the
    /// message names the sample.
    pub fn encode(&self, sample: &Sample) -> Result<Row> {
        let sample = &videos_as_frames(sample)?;
        let encoded = self.encode_text(sample)?;
        self.row(sample, encoded)
    }

    /// A conversation that the model is to continue.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_prompt(&self, sample: &Sample) -> Result<Row> {
        let sample = &videos_as_frames(sample)?;
        let features = |_: usize, _: &Media| self.image_tokens;
        let (tokenizer, template) = (&self.tokenizer, &self.template);
        let encoded = chat::encode_prompt(tokenizer, template, sample, &features, &self.options)?;
        self.row(sample, encoded)
    }

    /// The turns of a conversation as separate conversations about the same media, in one row
    /// that holds their common beginning once.
    ///
    /// Training on it is training on each question alone, at a fraction of the cost.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), or if the turns do not begin alike.
    pub fn encode_turns(&self, sample: &Sample) -> Result<Row> {
        let sample = &videos_as_frames(sample)?;
        let turns = separate_turns(sample)
            .iter()
            .map(|turn| self.encode_text(turn))
            .collect::<Result<Vec<_>>>()?;
        let shared = shared_prefix(&turns);
        let media_end =
            turns.first().and_then(|turn| turn.media_spans.last()).map_or(0, |span| span.end);
        if shared < media_end {
            return Err(Error::Request(format!(
                "{}: the turns do not begin alike, so they cannot share the media",
                sample.id
            )));
        }
        let lengths: Vec<usize> = turns.iter().map(|turn| turn.ids.len() - shared).collect();
        let mut joined = Encoded::default();
        for (i, turn) in turns.into_iter().enumerate() {
            let from = if i == 0 { 0 } else { shared };
            joined.ids.extend(&turn.ids[from..]);
            joined.supervised.extend(&turn.supervised[from..]);
            if i == 0 {
                joined.media_spans = turn.media_spans;
            }
        }
        let segments = Some(Segments::new(shared, &lengths));
        Ok(Row { segments, ..self.row(sample, joined)? })
    }

    fn encode_text(&self, sample: &Sample) -> Result<Encoded> {
        let features = |_: usize, _: &Media| self.image_tokens;
        let (tokenizer, template) = (&self.tokenizer, &self.template);
        Ok(chat::encode(tokenizer, template, sample, &features, &self.options)?)
    }

    fn row(&self, sample: &Sample, encoded: Encoded) -> Result<Row> {
        let mut images = Vec::with_capacity(sample.media.len());
        for (medium, span) in sample.media.iter().zip(encoded.media_spans) {
            let processor = self.images.as_ref().ok_or_else(|| {
                Error::Request("this model only reads text; choose one with an encoder".into())
            })?;
            images.push((span, Arc::new(processor.process(media::decode(medium)?.as_ref())?)));
        }
        Ok(Row { ids: encoded.ids, supervised: encoded.supervised, images, segments: None })
    }
}

/// Each video as uniformly sampled pictures in its place (survey, §2.1).
fn videos_as_frames(sample: &Sample) -> Result<Cow<'_, Sample>> {
    let parts = || sample.messages.iter().flat_map(|message| &message.content);
    if !parts().any(|part| *part == Part::Video) {
        return Ok(Cow::Borrowed(sample));
    }
    let mut expanded = Sample { id: sample.id.clone(), ..Sample::default() };
    let mut media = sample.media.iter();
    for message in &sample.messages {
        let mut content = Vec::new();
        for part in &message.content {
            match part {
                Part::Text(_) => content.push(part.clone()),
                Part::Image => {
                    content.push(Part::Image);
                    expanded.media.extend(media.next().cloned());
                }
                Part::Video => {
                    if let Some(medium) = media.next() {
                        let frames = media::sample_frames(medium, media::VIDEO_FRAMES)?;
                        content.extend(std::iter::repeat_n(Part::Image, frames.len()));
                        let frames = frames.into_iter().map(|frame| Media::Image(Arc::new(frame)));
                        expanded.media.extend(frames);
                    }
                }
            }
        }
        expanded.messages.push(Message { role: message.role, content });
    }
    expanded.media.extend(media.cloned());
    Ok(Cow::Owned(expanded))
}

/// One conversation per answer: what comes before the first question (media, system message),
/// that question, that answer.
fn separate_turns(sample: &Sample) -> Vec<Sample> {
    let is_text = |part: &&Part| matches!(part, Part::Text(_));
    let first_user = sample.messages.iter().position(|message| message.role == Role::User);
    let system: Vec<Message> =
        sample.messages.iter().filter(|message| message.role == Role::System).cloned().collect();
    let shown: Vec<Part> = first_user.map_or_else(Vec::new, |first| {
        sample.messages[first].content.iter().filter(|part| !is_text(part)).cloned().collect()
    });
    let spoken: Vec<&Message> =
        sample.messages.iter().filter(|message| message.role != Role::System).collect();
    spoken
        .chunks(2)
        .map(|turn| {
            let mut messages = system.clone();
            messages.extend(turn.iter().map(|message| (*message).clone()));
            if let Some(question) = messages.iter_mut().find(|message| message.role == Role::User)
                && !question.content.iter().any(|part| !is_text(&part))
            {
                question.content.splice(0..0, shown.iter().cloned());
            }
            Sample { id: sample.id.clone(), messages, media: sample.media.clone() }
        })
        .collect()
}

/// Tokens at the start of every turn, before anything is supervised in any of them.
fn shared_prefix(turns: &[Encoded]) -> usize {
    let Some((first, others)) = turns.split_first() else { return 0 };
    let agree =
        |other: &Encoded| first.ids.iter().zip(&other.ids).take_while(|(a, b)| a == b).count();
    // The token before an answer predicts its first token, so it belongs to the turn.
    let before_answer = |turn: &Encoded| {
        turn.supervised.iter().position(|&on| on).map_or(turn.ids.len(), |at| at.saturating_sub(1))
    };
    let agreed = others.iter().map(agree).min().unwrap_or(first.ids.len());
    turns.iter().map(before_answer).min().unwrap_or(0).min(agreed)
}
