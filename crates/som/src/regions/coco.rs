//! Regions from annotations in COCO's format.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use image::RgbImage;
use quintet_data::{
    Mask,
    formats::coco::{Annotation, Coco, Segmentation},
};

use super::{Found, Origin, Region, Source, named::Named, pixels};
use crate::{Error, Result};

/// An annotation file in COCO's format; pictures are found by their file names.
pub struct CocoFile {
    path: PathBuf,
    pictures: Named<Picture>,
    names: HashMap<u64, String>,
    crowds: bool,
}

struct Picture {
    size: [u32; 2],
    annotations: Vec<Annotation>,
}

impl CocoFile {
    /// Reads the file. `crowds` says whether crowds, each one region of many objects, are regions
    /// too.
    ///
    /// # Errors
    /// See [`Coco::load`].
    pub fn load(path: impl AsRef<Path>, crowds: bool) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self::new(path, Coco::load(path)?, crowds))
    }

    /// The annotations of a file that was read; `path` is for messages.
    pub fn new(path: &Path, coco: Coco, crowds: bool) -> Self {
        let mut by_image: HashMap<u64, Vec<Annotation>> = HashMap::new();
        for annotation in coco.annotations {
            by_image.entry(annotation.image_id).or_default().push(annotation);
        }
        let pictures = coco.images.into_iter().map(|image| {
            let annotations = by_image.remove(&image.id).unwrap_or_default();
            (image.file_name, Picture { size: [image.width, image.height], annotations })
        });
        let pictures = Named::new(pictures);
        let names = coco.categories.into_iter().map(|category| (category.id, category.name));
        Self { path: path.to_owned(), pictures, names: names.collect(), crowds }
    }
}

impl Source for CocoFile {
    fn regions(&self, name: &Path, image: &RgbImage) -> Result<Found> {
        let fail = |reason| Error::Regions { path: self.path.clone(), reason };
        let picture = self.pictures.find(name).map_err(fail)?;
        let [width, height] = picture.size;
        if image.dimensions() != (width, height) {
            return Err(fail(format!(
                "it says that {} is {width} × {height}, but that is {} × {}; annotations of another \
                 size do not fit",
                name.display(),
                image.width(),
                image.height()
            )));
        }
        let mut found = Found::default();
        for annotation in &picture.annotations {
            if annotation.iscrowd != 0 && !self.crowds {
                continue;
            }
            match mask(annotation, width, height) {
                Ok(mask) => found.regions.push(Region {
                    name: self.names.get(&annotation.category_id).cloned(),
                    ..Region::new(mask, Origin::Coco)
                }),
                Err(reason) => found.skip(format!("annotation {}", annotation.id), reason),
            }
        }
        Ok(found)
    }
}

/// The annotation's pixels: its mask, or its box where it has none.
fn mask(annotation: &Annotation, width: u32, height: u32) -> std::result::Result<Mask, String> {
    // Files of detections write an empty list of polygons beside a box.
    let boxed = match &annotation.segmentation {
        None => true,
        Some(Segmentation::Polygons(polygons)) => polygons.is_empty(),
        Some(Segmentation::Rle(_)) => false,
    };
    if boxed {
        let [x, y, w, h] = annotation.bbox.map(f64::from);
        return pixels([x, y, x + w, y + h], width, height);
    }
    let mask = annotation.mask(width, height).map_err(|error| error.to_string())?;
    mask.as_ref().and_then(Mask::from_coco).ok_or_else(|| "its mask has no pixel".into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn load(annotations: Value, crowds: bool) -> (tempfile::TempDir, Result<CocoFile>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        let file = json!({
            "images": [{ "id": 4, "file_name": "val/a.png", "width": 20, "height": 10 }],
            "categories": [{ "id": 7, "name": "cat" }],
            "annotations": annotations,
        });
        std::fs::write(&path, file.to_string()).unwrap();
        let loaded = CocoFile::load(&path, crowds);
        (dir, loaded)
    }

    fn annotation(id: u32, more: Value) -> Value {
        let mut entry =
            json!({ "id": id, "image_id": 4, "category_id": 7, "bbox": [2.0, 3.0, 4.0, 5.0] });
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    }

    #[test]
    fn every_spelling_of_a_mask_gives_its_pixels() {
        let square = json!([[2.0, 3.0, 6.0, 3.0, 6.0, 8.0, 2.0, 8.0]]);
        let whole = Mask::rectangle([2, 3, 6, 8]).unwrap();
        let runs = whole.coco(20, 10).unwrap();
        let annotations = json!([
            annotation(1, json!({ "segmentation": square })),
            annotation(2, json!({ "segmentation": runs })),
            annotation(3, json!({})),
            annotation(4, json!({ "segmentation": [] })),
            annotation(5, json!({ "segmentation": runs, "iscrowd": 1 })),
        ]);
        let image = RgbImage::new(20, 10);
        for (crowds, expected) in [(false, 4), (true, 5)] {
            let (_dir, file) = load(annotations.clone(), crowds);
            let found = file.unwrap().regions(Path::new("data/val/a.png"), &image).unwrap();
            assert_eq!((found.regions.len(), found.skipped.len()), (expected, 0));
            for region in found.regions {
                assert_eq!(region.mask, whole);
                assert_eq!(region.name.as_deref(), Some("cat"));
                assert_eq!(region.origin, Origin::Coco);
            }
        }
    }

    #[test]
    fn what_has_no_pixel_is_skipped_and_the_reason_said() {
        let (_dir, file) = load(
            json!([
                annotation(1, json!({ "bbox": [2.0, 3.0, 0.0, 5.0] })),
                annotation(2, json!({ "bbox": [90.0, 3.0, 4.0, 5.0] })),
                annotation(3, json!({ "segmentation": [[1.0, 2.0, 3.0]] })),
                annotation(4, json!({ "segmentation": { "size": [10, 20], "counts": [5] } })),
                annotation(5, json!({ "segmentation": { "size": [10, 20], "counts": [200] } })),
                annotation(6, json!({ "segmentation": { "size": [20, 10], "counts": [0, 200] } })),
                annotation(7, json!({ "segmentation": { "size": [10, 20], "counts": [0, 200] } })),
            ]),
            false,
        );
        let found = file.unwrap().regions(Path::new("a.png"), &RgbImage::new(20, 10)).unwrap();
        assert_eq!(found.regions.len(), 1);
        let reasons = [
            "covers no pixel",
            "covers no pixel",
            "a polygon of 3 numbers",
            "the runs fill 5 pixels",
            "its mask has no pixel",
            "it is of height and width",
        ];
        assert_eq!(found.skipped.len(), reasons.len());
        for (i, (skipped, reason)) in found.skipped.iter().zip(reasons).enumerate() {
            assert_eq!(skipped.what, format!("annotation {}", i + 1));
            assert!(skipped.reason.contains(reason), "{skipped:?}");
        }
    }

    #[test]
    fn a_picture_of_another_size_or_name_is_refused() {
        let (_dir, file) = load(json!([]), false);
        let file = file.unwrap();
        let say = |name: &str, width| {
            file.regions(Path::new(name), &RgbImage::new(width, 10)).unwrap_err().to_string()
        };
        assert!(say("a.png", 21).contains("it says that a.png is 20 × 10, but that is 21 × 10"));
        assert!(say("b.png", 20).contains("no picture named b.png"));
        assert!(load(json!([{ "id": 1 }]), false).1.is_err());
    }
}
