//! COCO annotations: pictures, boxes, segmentations, categories.
//!
//! Lin et al., *Microsoft COCO: Common Objects in Context* (2014); the format is described at
//! cocodataset.org, its masks by the reference implementation `pycocotools`.

mod numbered;
mod polygon;
mod rle;

use std::{
    collections::HashSet,
    io::BufReader,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use rle::{Counts, Mask, Rle};

use super::atomic;
use crate::{Error, Result};

/// A COCO annotation file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Coco {
    /// The pictures.
    #[serde(deserialize_with = "numbered::images")]
    pub images: Vec<CocoImage>,
    /// The objects.
    #[serde(deserialize_with = "numbered::annotations")]
    pub annotations: Vec<Annotation>,
    /// The names.
    #[serde(default, deserialize_with = "numbered::categories")]
    pub categories: Vec<Category>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CocoImage {
    /// Its number.
    pub id: u64,
    /// Its file, relative to the folder of pictures.
    pub file_name: PathBuf,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// An object in a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    /// Its number.
    pub id: u64,
    /// The picture's number.
    pub image_id: u64,
    /// The category's number.
    pub category_id: u64,
    /// `x, y, width, height` in pixels, from the upper left corner.
    pub bbox: [f32; 4],
    /// The mask's area in pixels.
    #[serde(default)]
    pub area: f64,
    /// 1 for a crowd, whose mask is run-length coded.
    #[serde(default)]
    pub iscrowd: u8,
    /// The mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segmentation: Option<Segmentation>,
}

/// A mask, in one of its spellings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Segmentation {
    /// Polygons of `x, y, x, y, …`; the mask is their union.
    Polygons(Vec<Vec<f64>>),
    /// Runs.
    Rle(Rle),
}

/// A kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The group it belongs to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub supercategory: String,
}

impl Coco {
    /// Reads a file and checks that its numbers refer to something.
    ///
    /// # Errors
    /// The JSON is malformed (the error gives the list and the entry), or an annotation names an
    /// unknown picture or category or has an impossible box.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let io = |source| Error::Io { path: path.to_owned(), source };
        let file = BufReader::new(std::fs::File::open(path).map_err(io)?);
        let coco: Self = serde_json::from_reader(file).map_err(|e| Error::Config {
            path: path.to_owned(),
            reason: format!("not a COCO annotation file: {e}"),
        })?;
        coco.check(path)?;
        Ok(coco)
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic::write_json(path.as_ref(), self)
    }

    fn check(&self, path: &Path) -> Result<()> {
        let images: HashSet<u64> = self.images.iter().map(|image| image.id).collect();
        let categories: HashSet<u64> = self.categories.iter().map(|category| category.id).collect();
        for (row, annotation) in self.annotations.iter().enumerate() {
            let fail = |reason: String| Error::Row {
                path: path.to_owned(),
                row,
                reason: format!("annotation {}: {reason}", annotation.id),
            };
            if !images.contains(&annotation.image_id) {
                return Err(fail(format!("there is no image {}", annotation.image_id)));
            }
            if !categories.contains(&annotation.category_id) {
                return Err(fail(format!("there is no category {}", annotation.category_id)));
            }
            let [_, _, width, height] = annotation.bbox;
            if !annotation.bbox.iter().all(|v| v.is_finite()) || width < 0.0 || height < 0.0 {
                return Err(fail(format!("the box {:?} is not one", annotation.bbox)));
            }
        }
        Ok(())
    }
}

impl Annotation {
    /// The mask in a picture of `width` × `height`, equal to `pycocotools`' `annToMask`; `None`
    /// where the annotation has only a box.
    ///
    /// # Errors
    /// The runs do not fill the picture, belong to another size, or a polygon leaves the picture
    /// by far or is longer than any outline.
    pub fn mask(&self, width: u32, height: u32) -> Result<Option<Mask>> {
        let fail = |reason: String| Error::Sample {
            id: format!("annotation {}", self.id),
            reason: format!("segmentation: {reason}"),
        };
        match &self.segmentation {
            None => Ok(None),
            Some(Segmentation::Rle(rle)) if rle.size != [height, width] => Err(fail(format!(
                "it is of height and width {:?}, the picture of {:?}",
                rle.size,
                [height, width]
            ))),
            Some(Segmentation::Rle(rle)) => rle.decode().map(Some).map_err(fail),
            Some(Segmentation::Polygons(polygons)) => {
                let mut mask = Mask::empty(width, height).map_err(fail)?;
                let mut left = polygon::MAX_POINTS;
                for polygon in polygons {
                    polygon::fill(&mut mask, polygon, &mut left).map_err(fail)?;
                }
                Ok(Some(mask))
            }
        }
    }
}
