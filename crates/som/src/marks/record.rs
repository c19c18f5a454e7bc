//! What was marked.

use std::{
    fs,
    path::{Path, PathBuf},
};

use quintet_data::{Mask, formats::coco::Rle};
use serde::{Deserialize, Serialize};

use super::{colour::Colour, options::Options};
use crate::{
    Error, Result,
    regions::{Origin, Skipped, Unit},
};

/// The marks of a picture, and all that is needed to draw them again on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Marks {
    /// The picture's file, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<PathBuf>,
    /// Width of the picture.
    pub width: u32,
    /// Height of the picture.
    pub height: u32,
    /// What all numbers of boxes, points and sizes count: pixels of the picture, turned upright,
    /// from its upper left corner. Boxes are `[left, top, right, bottom]`; right and bottom lie
    /// just outside.
    pub unit: Unit,
    /// Em size of the labels. Less than what [`Options`] ask for where they would not have fitted.
    pub size: f32,
    /// The options.
    pub options: Options,
    /// In the order of their tags.
    pub marks: Vec<Mark>,
    /// Regions that got no mark.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

/// A mark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// What is written on it.
    pub tag: String,
    /// What the region is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How sure its source is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// Where the region comes from.
    pub source: Origin,
    /// The region's number among those that were given, counted from 0.
    pub region: usize,
    /// The box around what is marked.
    #[serde(rename = "box")]
    pub bbox: [u32; 4],
    /// Number of pixels that are marked.
    pub area: u32,
    /// The inmost pixel.
    pub point: [u32; 2],
    /// The label's box, as far as it lies in the picture; none where labels are not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<[u32; 4]>,
    /// Its colour.
    pub colour: Colour,
    /// The pixels that are marked, in COCO's packed runs, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Rle>,
}

impl Marks {
    /// Reads a record as `som mark` writes it.
    ///
    /// # Errors
    /// If the file cannot be read or is no record.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Regions {
            path: path.to_owned(),
            reason: format!("not a record of marks as `som mark` writes: {error}"),
        })
    }

    /// Whether labels are smaller than asked for.
    pub fn shrunk(&self) -> bool {
        self.size < self.options.size_on(self.width, self.height)
    }

    /// Adds the masks, which are in the order of the marks.
    ///
    /// # Errors
    /// If the picture is too large for COCO's masks.
    pub(super) fn add_masks<'a>(&mut self, masks: impl Iterator<Item = &'a Mask>) -> Result<()> {
        for (mark, mask) in self.marks.iter_mut().zip(masks) {
            mark.mask = Some(mask.coco(self.width, self.height).map_err(Error::Picture)?);
        }
        Ok(())
    }
}
