//! What can be marked in a picture, and where it comes from.
//!
//! Coordinates are pixels of the picture as it is decoded (turned upright), counted from its upper
//! left corner; the right and lower edges of a box lie just outside.

mod boxes;
mod coco;
mod file;
mod named;
mod page;
mod sam;
mod scene;

use std::path::Path;

use image::RgbImage;
use quintet_data::Mask;
use serde::{Deserialize, Serialize};

pub use boxes::{BoxFile, Unit};
pub use coco::CocoFile;
pub use page::PageFile;
pub use sam::Segments;

use crate::Result;

/// A part of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Its pixels.
    pub mask: Mask,
    /// What it is, where that is known.
    pub name: Option<String>,
    /// How sure its source is of it.
    pub score: Option<f32>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a region comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// An annotation file in COCO's format.
    Coco,
    /// A file of boxes.
    Boxes,
    /// The elements of a page.
    Page,
    /// The objects of a built scene.
    Scene,
    /// Segment Anything.
    Sam,
}

/// The regions of a picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// In the order of their source.
    pub regions: Vec<Region>,
    /// What is there but cannot be marked.
    pub skipped: Vec<Skipped>,
}

/// Something that got no mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its number in its source.
    pub what: String,
    /// Why it got none.
    pub reason: String,
}

/// Tells the regions of pictures.
pub trait Source: Sync {
    /// The regions of a picture; `name` is its path.
    ///
    /// # Errors
    /// If the source knows nothing about the picture, or it is about another one of the same name.
    fn regions(&self, name: &Path, image: &RgbImage) -> Result<Found>;
}

impl Region {
    /// A region without name or score.
    pub fn new(mask: Mask, origin: Origin) -> Self {
        Self { mask, name: None, score: None, origin }
    }
}

impl Found {
    fn skip(&mut self, what: String, reason: impl Into<String>) {
        self.skipped.push(Skipped { what, reason: reason.into() });
    }
}

/// The pixels whose larger part lies in a box of real numbers, `[x1, y1, x2, y2]`, clipped to the
/// picture; the error is the reason why there are none.
fn pixels(
    [x1, y1, x2, y2]: [f64; 4],
    width: u32,
    height: u32,
) -> std::result::Result<Mask, String> {
    if [x1, y1, x2, y2].iter().any(|edge| !edge.is_finite()) {
        return Err("an edge is not a number".into());
    }
    if x2 < x1 || y2 < y1 {
        return Err(format!(
            "[{x1}, {y1}, {x2}, {y2}] ends before it starts; expected left, top, right, bottom"
        ));
    }
    // As a cast saturates, what lies outside becomes the rim.
    let edge = |value: f64, side: u32| ((value + 0.5).floor() as u32).min(side);
    let inside = [edge(x1, width), edge(y1, height), edge(x2, width), edge(y2, height)];
    Mask::rectangle(inside).ok_or_else(|| {
        format!(
            "[{x1}, {y1}, {x2}, {y2}] covers no pixel of the picture, which is {width} × {height}"
        )
    })
}
