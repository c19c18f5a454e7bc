//! The data of *List Items One by One* (2024): samples that list what marks stand for and speak
//! of them, by rule or by a teacher; what finds such text in other data; and the score.

mod build;
mod builder;
mod detect;
mod error;
mod format;
mod item;
mod nouns;
mod parse;
mod phrase;
mod pictures;
mod question;
mod rng;
mod score;
pub mod teacher;
mod templates;
#[cfg(test)]
mod tests;
mod write;

pub use build::{Built, Output, build};
pub use builder::{Builder, Settings, Task, Wording};
pub use detect::{Detector, Example, Kind, Listing, Share, Turns, share};
pub use error::{Error, Result};
pub use format::Format;
pub use item::{Item, MarkedPicture};
pub use parse::{Entry, Reject, entries, listing};
pub use pictures::{CocoPictures, MarkedScenes, Pictures, RecordedPictures};
pub use question::Question;
pub use score::{ListingAccuracy, ListingScore, Wrong};
pub use templates::{Ask, LISTING};
pub use write::{write_llava, write_parquet};
