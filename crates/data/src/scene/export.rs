//! Scenes as files that other programs read.

use std::{io::Cursor, path::Path, sync::Arc};

use image::ImageFormat;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use super::{build::Scene, dataset::SceneDataset, names::NAMES};
use crate::{
    Error, Result,
    formats::{
        Dataset, atomic,
        coco::{Annotation, Category, Coco, CocoImage, Segmentation},
        parquet::{ParquetWriter, WriteOptions},
    },
    sample::{Media, Sample},
};

/// Scenes built at a time; bounds the memory.
const BATCH: usize = 64;

/// One scene, ready to be written.
struct Item {
    image: CocoImage,
    annotations: Vec<Annotation>,
    sample: Sample,
}

/// Writes a dataset of scenes into `folder`:
///
/// - `images/000000.png`, …
/// - `annotations.json`: COCO, with boxes and run-length masks; a category's number is its name's
///   position in [`NAMES`] plus one. Written words are no COCO objects and stay out.
/// - `conversations.parquet`: picture and conversation of each scene.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_dataset(folder: &Path, data: &SceneDataset) -> Result<()> {
    let count = data.len();
    let bar = ProgressBar::new(count as u64).with_message("scenes");
    if let Ok(style) =
        ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {per_sec}, {eta} left")
    {
        bar.set_style(style);
    }
    let parquet = folder.join("conversations.parquet");
    let mut rows = ParquetWriter::create(&parquet, WriteOptions::default())?;
    let mut coco = Coco { categories: categories(), ..Coco::default() };
    for start in (0..count).step_by(BATCH) {
        let numbers = start..(start + BATCH).min(count);
        let items: Vec<Item> =
            numbers.into_par_iter().map(|i| item(folder, data, i)).collect::<Result<_>>()?;
        for item in items {
            rows.write(&item.sample)?;
            coco.images.push(item.image);
            let first = coco.annotations.len() as u64 + 1;
            coco.annotations
                .extend((first..).zip(item.annotations).map(|(id, a)| Annotation { id, ..a }));
            bar.inc(1);
        }
    }
    rows.finish()?;
    coco.save(folder.join("annotations.json"))?;
    bar.finish();
    Ok(())
}

fn categories() -> Vec<Category> {
    let category = |(id, name): (u64, &super::names::Name)| Category {
        id,
        name: name.name.to_owned(),
        supercategory: format!("{:?}", name.group).to_lowercase(),
    };
    (1..).zip(NAMES).map(category).collect()
}

fn item(folder: &Path, data: &SceneDataset, i: usize) -> Result<Item> {
    let (scene, questions) = data.scene(i);
    let file_name = format!("{i:06}.png");
    let path = folder.join("images").join(&file_name);
    let mut png = Cursor::new(Vec::new());
    scene
        .image
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|e| Error::Media { path: path.display().to_string(), reason: e.to_string() })?;
    let png = png.into_inner();
    atomic::write_bytes(&path, &png)?;
    let image = CocoImage {
        id: i as u64,
        file_name: file_name.into(),
        width: scene.image.width(),
        height: scene.image.height(),
    };
    let annotations = annotations(&scene, i as u64)
        .map_err(|reason| Error::Media { path: path.display().to_string(), reason })?;
    let mut sample = data.conversation(i, scene, &questions);
    sample.media = vec![Media::Bytes(Arc::from(png))];
    Ok(Item { image, annotations, sample })
}

fn annotations(scene: &Scene, image_id: u64) -> std::result::Result<Vec<Annotation>, String> {
    let (width, height) = scene.image.dimensions();
    let annotation = |object: &super::Object| {
        let [x1, y1, x2, y2] = object.bbox;
        Ok(Annotation {
            id: 0,
            image_id,
            category_id: u64::from(object.name_id) + 1,
            bbox: [x1, y1, x2 - x1, y2 - y1],
            area: f64::from(object.mask.area()),
            iscrowd: 0,
            segmentation: Some(Segmentation::Rle(object.mask.coco(width, height)?)),
        })
    };
    scene.objects.iter().map(annotation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        formats::{OpenOptions, open},
        scene::{SceneSpec, SpriteSet, Style, tasks::Phrasing},
    };

    #[test]
    fn what_is_written_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let sprites = Arc::new(SpriteSet::bundled().unwrap());
        let spec = SceneSpec::train(&[Style::Noto]);
        let data = SceneDataset::new(spec, sprites, Phrasing::Varied, 5, 70);
        write_dataset(dir.path(), &data).unwrap();

        let coco = Coco::load(dir.path().join("annotations.json")).unwrap();
        assert_eq!(coco.images.len(), 70);
        let (scene, _) = data.scene(69);
        let last: Vec<_> = coco.annotations.iter().filter(|a| a.image_id == 69).collect();
        assert_eq!(last.len(), scene.objects.len());
        for (annotation, object) in last.iter().zip(&scene.objects) {
            assert_eq!(
                coco.categories[annotation.category_id as usize - 1].name,
                object.name().name
            );
            let mask = annotation.mask(160, 160).unwrap().unwrap();
            assert_eq!(mask.area() as u32, object.mask.area());
            assert!(object.mask.pixels().all(|(x, y)| mask.get(x, y)));
        }
        let picture = image::open(dir.path().join("images/000069.png")).unwrap().into_rgb8();
        assert_eq!(picture, scene.image);

        let rows = open(dir.path().join("conversations.parquet"), OpenOptions::default()).unwrap();
        assert_eq!(rows.len(), 70);
        let (row, direct) = (rows.get(69).unwrap(), data.get(69).unwrap());
        assert_eq!(row.id, direct.id);
        let answers =
            |s: &Sample| s.messages.iter().skip(1).map(|m| m.content.clone()).collect::<Vec<_>>();
        assert_eq!(answers(&row), answers(&direct));
    }
}
