//! What is asked, as JSON.

use quintet_data::sample::{Media, Message, Part, Role, Sample};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Error, Result, picture, picture::Encoding};

/// How an answer is made. What is `None` is left to the endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The model's name at the endpoint.
    pub model: String,
    /// 0 for the likeliest answer.
    #[serde(default)]
    pub temperature: Option<f64>,
    /// For answers that repeat, as far as the endpoint keeps that promise.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Longest answer.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// How closely pictures are looked at.
    #[serde(default)]
    pub detail: Detail,
    /// How decoded pictures are sent.
    #[serde(default = "jpeg")]
    pub encoding: Encoding,
    /// Further fields of the request, such as `top_p` or `max_completion_tokens`.
    #[serde(default)]
    pub extra: Map<String, Value>,
}

fn jpeg() -> Encoding {
    Encoding::Jpeg(90)
}

impl Options {
    /// The endpoint's own ways with this model.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            temperature: None,
            seed: None,
            max_tokens: None,
            detail: Detail::default(),
            encoding: jpeg(),
            extra: Map::new(),
        }
    }
}

/// How closely pictures are looked at, and how many tokens they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// As the endpoint sees fit.
    #[default]
    Auto,
    /// Scaled down, for a small fixed price.
    Low,
    /// In tiles.
    High,
}

/// The body of a request.
///
/// # Errors
/// The conversation has videos, or pictures that are missing, unreadable or left over.
pub(crate) fn body(conversation: &Sample, options: &Options) -> Result<Value> {
    let fail = |reason| Error::Conversation { id: conversation.id.clone(), reason };
    let mut media = conversation.media.iter();
    let mut messages = Vec::with_capacity(conversation.messages.len());
    for turn in &conversation.messages {
        messages.push(message(turn, &mut media, options).map_err(fail)?);
    }
    if media.next().is_some() {
        return Err(fail("it has more media than placeholders".into()));
    }
    let mut body = Map::new();
    body.insert("model".into(), json!(options.model));
    body.insert("messages".into(), messages.into());
    if let Some(temperature) = options.temperature {
        body.insert("temperature".into(), json!(temperature));
    }
    if let Some(seed) = options.seed {
        body.insert("seed".into(), json!(seed));
    }
    if let Some(max_tokens) = options.max_tokens {
        body.insert("max_tokens".into(), json!(max_tokens));
    }
    body.extend(options.extra.clone());
    Ok(body.into())
}

fn message<'a>(
    message: &Message,
    media: &mut impl Iterator<Item = &'a Media>,
    options: &Options,
) -> std::result::Result<Value, String> {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    // Not every endpoint takes parts where text alone would do.
    if let [Part::Text(text)] = message.content.as_slice() {
        return Ok(json!({"role": role, "content": text}));
    }
    let mut parts = Vec::with_capacity(message.content.len());
    for part in &message.content {
        parts.push(match part {
            Part::Text(text) => json!({"type": "text", "text": text}),
            Part::Image => {
                let picture = media.next().ok_or("a placeholder has no picture")?;
                let url = picture::data_url(picture, options.encoding)
                    .map_err(|reason| format!("a picture cannot be sent: {reason}"))?;
                let mut image = json!({"url": url});
                if let (Some(image), Detail::Low | Detail::High) =
                    (image.as_object_mut(), options.detail)
                {
                    image.insert("detail".into(), json!(options.detail));
                }
                json!({"type": "image_url", "image_url": image})
            }
            Part::Video => return Err("chat endpoints take pictures, not videos".into()),
        });
    }
    Ok(json!({"role": role, "content": parts}))
}
