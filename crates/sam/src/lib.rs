//! Segment Anything (Kirillov et al., 2023) and MobileSAM (Zhang et al., 2023): from a picture and
//! points, boxes or masks to the pixels of the object that is meant, or to all objects.
//!
//! ```no_run
//! use quintet_sam::{Automatic, Masks, Prompt, Segmenter};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let picture = image::RgbImage::new(1, 1);
//! let segmenter = Segmenter::open("mobile_sam.pt".as_ref(), &Default::default())?;
//! let seen = segmenter.set_image(&picture)?;
//! for answer in &seen.ask(&[Prompt::point(120.0, 80.0)], Masks::Several)?[0] {
//!     println!("{:?} {}", answer.mask.as_ref().map(|mask| mask.bbox()), answer.score);
//! }
//! let all = segmenter.segment_all(&picture, &Automatic::default())?;
//! # Ok(()) }
//! ```
//!
//! [`load`] reads the files of `segment-anything` and MobileSAM, and `transformers`' directories.

mod automatic;
mod checkpoint;
pub mod config;
mod error;
mod frame;
mod masks;
pub mod network;
mod prompt;
mod segmenter;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use automatic::{Automatic, Segment};
pub use checkpoint::load;
pub use config::SamConfig;
pub use error::{Error, Result};
pub use network::{Masks, Sam};
pub use prompt::{Logits, Point, Prompt};
pub use segmenter::{Answer, Embedded, Segmenter};
