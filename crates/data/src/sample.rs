//! What every dataset yields and every model consumes: messages and the media they refer to.

use std::{path::PathBuf, sync::Arc};

use image::RgbImage;

/// One conversation with its media.
///
/// The n-th [`Part::Image`] or [`Part::Video`], counted over all messages, stands for `media[n]`.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Where the sample came from, for error messages and receipts.
    pub id: String,
    /// The turns, oldest first.
    pub messages: Vec<Message>,
    /// The pictures and videos, in the order of their placeholders.
    pub media: Vec<Media>,
}

/// One turn.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// Text and placeholders, in order.
    pub content: Vec<Part>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions before the conversation.
    System,
    /// The person (or program) that asks.
    User,
    /// The model; what it says is what training supervises.
    Assistant,
}

/// A piece of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Plain text.
    Text(String),
    /// A picture's placeholder.
    Image,
    /// A video's placeholder.
    Video,
}

/// A picture or video, decoded or not.
#[derive(Clone, Debug)]
pub enum Media {
    /// A file to decode when it is needed.
    File(PathBuf),
    /// An encoded file held in memory, as Parquet rows carry it.
    Bytes(Arc<[u8]>),
    /// A decoded picture.
    Image(Arc<RgbImage>),
}

impl Message {
    /// A turn that is only text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, content: vec![Part::Text(text.into())] }
    }
}
