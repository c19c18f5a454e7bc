//! A conversation as ids, with what is supervised and where the media go.

use std::ops::Range;

use super::{
    content::ContentForm,
    template::{ChatTemplate, RenderOptions},
};
use crate::{
    Error, Result,
    sample::{Media, Message, Part, Role, Sample},
    tokenizer::{Encoding, Tokenizer},
};

/// The texts that stand for media; each must be one token of the vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholders {
    /// For a picture.
    pub image: String,
    /// For a video.
    pub video: String,
}

impl Default for Placeholders {
    fn default() -> Self {
        Self { image: "<image>".into(), video: "<video>".into() }
    }
}

/// How to encode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// The most ids a sample may have, expanded media included.
    pub max_len: usize,
    /// The placeholders.
    pub placeholders: Placeholders,
    /// Append the tokenizer's `eos_token`, supervised, where the template ends the last answer with
    /// none; a model that never sees an end never stops.
    pub append_eos: bool,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self { max_len: 2048, placeholders: Placeholders::default(), append_eos: true }
    }
}

/// The number of feature tokens of a medium, given its index and itself.
pub type Features<'a> = dyn Fn(usize, &Media) -> usize + 'a;

/// An encoded conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids; a medium's placeholder is repeated once for each of its feature tokens.
    pub ids: Vec<u32>,
    /// Whether the id is a target of training: the assistant's words and the end of its turn.
    /// Labels are not shifted.
    pub supervised: Vec<bool>,
    /// Where each medium's feature tokens stand in `ids`.
    pub media_spans: Vec<Range<usize>>,
}

/// Encodes a whole conversation for training.
///
/// # Errors
/// The template does not render, or renders the beginning of a conversation differently once it
/// goes on; placeholders and media differ in number or kind; a medium would be cut by `max_len`;
/// nothing supervised is left. Each error names the sample.
pub fn encode(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    sample: &Sample,
    features: &Features,
    options: &EncodeOptions,
) -> Result<Encoded> {
    let fail = |reason: String| Error::Sample { id: sample.id.clone(), reason };
    let job = Job { tokenizer, template, sample, options };
    let (mut text, mut answers) = job.render_answers()?;
    if options.append_eos {
        job.append_eos(&mut text, &mut answers)?;
    }
    let encoding = job.tokenize(&text)?;
    let supervised = supervised(tokenizer, &encoding, &answers);
    let mut encoded = job.expand(encoding.ids, supervised, features)?;
    if encoded.ids.len() > options.max_len {
        let lost = encoded.media_spans.iter().position(|span| span.end > options.max_len);
        if let Some(medium) = lost {
            return Err(fail(format!(
                "{} tokens exceed max_len {} and cutting would cut medium {medium} (tokens {:?}); \
                 raise max_len or shorten the text before it",
                encoded.ids.len(),
                options.max_len,
                encoded.media_spans.get(medium)
            )));
        }
        encoded.ids.truncate(options.max_len);
        encoded.supervised.truncate(options.max_len);
    }
    if !encoded.supervised.contains(&true) {
        return Err(fail(format!(
            "nothing is supervised within max_len {}: no assistant turn, or it was cut off",
            options.max_len
        )));
    }
    Ok(encoded)
}

/// Encodes a conversation whose next turn is the model's.
///
/// # Errors
/// As [`encode`], but `max_len` is not applied: a prompt is never cut.
pub fn encode_prompt(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    sample: &Sample,
    features: &Features,
    options: &EncodeOptions,
) -> Result<Encoded> {
    let job = Job { tokenizer, template, sample, options };
    let text = job.render(&sample.messages, true)?;
    let encoding = job.tokenize(&text)?;
    let none = vec![false; encoding.ids.len()];
    job.expand(encoding.ids, none, features)
}

struct Job<'a> {
    tokenizer: &'a Tokenizer,
    template: &'a ChatTemplate,
    sample: &'a Sample,
    options: &'a EncodeOptions,
}

impl Job<'_> {
    fn fail(&self, reason: String) -> Error {
        Error::Sample { id: self.sample.id.clone(), reason }
    }

    fn form(&self) -> ContentForm {
        self.template.form_for(&self.sample.messages)
    }

    fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let options = RenderOptions {
            add_generation_prompt,
            form: Some(self.form()),
            image: &self.options.placeholders.image,
            video: &self.options.placeholders.video,
        };
        let text = self.template.render(messages, self.tokenizer, &options);
        text.map_err(|e| self.fail(e.to_string()))
    }

    /// The rendering, and the bytes of it that are answers.
    ///
    /// An answer is what its turn adds to the prompt that asks for it.
    fn render_answers(&self) -> Result<(String, Vec<Range<usize>>)> {
        let messages = &self.sample.messages;
        let whole = self.render(messages, false)?;
        let mut answers = Vec::new();
        for (i, message) in messages.iter().enumerate() {
            if message.role != Role::Assistant {
                continue;
            }
            let (before, through) = (messages.get(..i), messages.get(..=i));
            let prompt = self.render(before.unwrap_or_default(), true)?;
            let answered = self.render(through.unwrap_or_default(), false)?;
            if !answered.starts_with(&prompt) || !whole.starts_with(&answered) {
                return Err(self.fail(format!(
                    "the chat template renders turn {i} differently as the conversation goes on, \
                     so its answer cannot be found: the prompt ends in {:?}, the rendering up to \
                     the answer in {:?}",
                    tail(&prompt),
                    tail(&answered)
                )));
            }
            answers.push(prompt.len()..answered.len());
        }
        Ok((whole, answers))
    }

    /// Ends the last answer with `eos_token`, unless the template ended it with a special token or
    /// someone speaks after it.
    fn append_eos(&self, text: &mut String, answers: &mut [Range<usize>]) -> Result<()> {
        let (Some(eos), Some(last)) = (&self.tokenizer.special().eos, answers.last_mut()) else {
            return Ok(());
        };
        let answer = text.get(last.clone()).unwrap_or_default().trim_end();
        let ids = self.tokenizer.encode(answer, false).map_err(|e| self.fail(e.to_string()))?;
        let ended = ids.last().is_some_and(|&id| self.tokenizer.is_special(id));
        if last.end == text.len() && !ended {
            text.push_str(&eos.text);
            last.end = text.len();
        }
        Ok(())
    }

    /// As `transformers` does: a tokenizer's template writes BOS itself; a processor's text gets
    /// what the tokenizer adds, unless it starts with BOS (`ProcessorMixin.apply_chat_template`).
    fn tokenize(&self, text: &str) -> Result<Encoding> {
        let bos = self.tokenizer.special().bos.as_ref();
        let has_bos = bos.is_some_and(|bos| text.starts_with(&bos.text));
        let add_special = self.form() == ContentForm::Parts && !has_bos;
        self.tokenizer.encode_with_offsets(text, add_special).map_err(|e| self.fail(e.to_string()))
    }

    /// Repeats each placeholder for its medium's feature tokens.
    fn expand(&self, ids: Vec<u32>, supervised: Vec<bool>, features: &Features) -> Result<Encoded> {
        let placeholders = &self.options.placeholders;
        let image = self.tokenizer.id(&placeholders.image);
        let video = self.tokenizer.id(&placeholders.video);
        let kinds: Vec<&Part> = self
            .sample
            .messages
            .iter()
            .flat_map(|message| &message.content)
            .filter(|part| !matches!(part, Part::Text(_)))
            .collect();
        self.check_counts(&ids, &kinds, image, video)?;
        let mut media = kinds.into_iter().zip(&self.sample.media).enumerate();
        let mut encoded = Encoded::default();
        for (id, supervised) in ids.into_iter().zip(supervised) {
            let mut count = 1;
            if image == Some(id) || video == Some(id) {
                let Some((index, (part, medium))) = media.next() else {
                    return Err(self.fail("more placeholders than media".into()));
                };
                let expected = if *part == Part::Image { image } else { video };
                if expected != Some(id) {
                    return Err(self.fail(format!(
                        "medium {index}: the template put {:?} in the place of a {part:?}",
                        self.tokenizer.token(id).unwrap_or_default()
                    )));
                }
                count = features(index, medium);
                let start = encoded.ids.len();
                encoded.media_spans.push(start..start + count);
            }
            encoded.ids.extend(std::iter::repeat_n(id, count));
            encoded.supervised.extend(std::iter::repeat_n(supervised, count));
        }
        Ok(encoded)
    }

    fn check_counts(
        &self,
        ids: &[u32],
        kinds: &[&Part],
        image: Option<u32>,
        video: Option<u32>,
    ) -> Result<()> {
        let media = self.sample.media.len();
        if kinds.len() != media {
            return Err(self.fail(format!("{} placeholders for {media} media", kinds.len())));
        }
        let wanted = [
            (Part::Image, image, &self.options.placeholders.image),
            (Part::Video, video, &self.options.placeholders.video),
        ];
        for (part, id, text) in wanted {
            let expected = kinds.iter().filter(|&&kind| *kind == part).count();
            if expected > 0 && id.is_none() {
                return Err(self.fail(format!(
                    "the placeholder {text:?} is not a token of the vocabulary; add it, or name \
                     the model's own"
                )));
            }
            let found = ids.iter().filter(|&&token| Some(token) == id).count();
            if found != expected && image != video {
                return Err(self.fail(format!(
                    "{found} placeholders {text:?} after rendering for {expected} media; a \
                     placeholder inside the text, or a template that drops or doubles media"
                )));
            }
        }
        let found = ids.iter().filter(|&&t| Some(t) == image || Some(t) == video).count();
        if found != media {
            return Err(
                self.fail(format!("{found} placeholders after rendering for {media} media"))
            );
        }
        Ok(())
    }
}

/// Ids that overlap an answer, up to its last special token: what templates write after the end of
/// a turn (a line break in ChatML) belongs to nobody.
fn supervised(tokenizer: &Tokenizer, encoding: &Encoding, answers: &[Range<usize>]) -> Vec<bool> {
    let mut marks = vec![false; encoding.ids.len()];
    for answer in answers {
        let inside: Vec<usize> = encoding
            .offsets
            .iter()
            .enumerate()
            .filter(|(_, bytes)| bytes.end > answer.start && bytes.start < answer.end)
            .map(|(i, _)| i)
            .collect();
        let ends_turn =
            |&&i: &&usize| encoding.ids.get(i).is_some_and(|&id| tokenizer.is_special(id));
        let end = inside.iter().rfind(ends_turn).or(inside.last()).copied();
        for i in inside {
            if let Some(mark) = marks.get_mut(i) {
                *mark = Some(i) <= end;
            }
        }
    }
    marks
}

/// The last characters of a rendering, for messages.
fn tail(text: &str) -> &str {
    let start = text.char_indices().rev().nth(40).map_or(0, |(at, _)| at);
    text.get(start..).unwrap_or(text)
}
