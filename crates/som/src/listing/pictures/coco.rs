//! Pictures with COCO annotations.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use quintet_data::{
    formats::coco::{Coco, CocoImage},
    media,
    sample::Media,
};

use super::Pictures;
use crate::{
    listing::{error::Result, item::MarkedPicture},
    marks::{Marker, Options},
    regions::{CocoFile, Source},
};

/// The pictures of an annotation file, marked as they are read.
pub struct CocoPictures {
    folder: PathBuf,
    images: Vec<CocoImage>,
    names: Vec<String>,
    regions: CocoFile,
    marker: Marker,
}

impl CocoPictures {
    /// Opens an annotation file; its pictures are in `folder`. Crowds are not marked.
    ///
    /// # Errors
    /// The file is not one of COCO annotations, or an option of the marks makes no sense.
    pub fn open(annotations: &Path, folder: &Path, marks: Options) -> Result<Self> {
        let coco = Coco::load(annotations)?;
        let names = coco.categories.iter().map(|category| category.name.clone());
        Ok(Self {
            folder: folder.to_owned(),
            images: coco.images.clone(),
            names: names.collect(),
            regions: CocoFile::new(annotations, coco, false),
            marker: Marker::new(marks)?,
        })
    }

    fn image(&self, i: usize) -> Result<&CocoImage> {
        let error = || quintet_data::Error::Row {
            path: self.folder.clone(),
            row: i,
            reason: format!("there are {} pictures", self.images.len()),
        };
        Ok(self.images.get(i).ok_or_else(error)?)
    }
}

impl Pictures for CocoPictures {
    fn count(&self) -> usize {
        self.images.len()
    }

    fn title(&self, i: usize) -> String {
        let name = self.images.get(i).map(|image| image.file_name.display().to_string());
        name.unwrap_or_default()
    }

    fn marked(&self, i: usize) -> Result<MarkedPicture> {
        let name = &self.image(i)?.file_name;
        let image = media::decode_file(self.folder.join(name))?;
        let found = self.regions.regions(name, &image)?;
        let marked = self.marker.mark(&image, &found.regions)?;
        let id = name.with_extension("").display().to_string();
        let picture = Media::Image(Arc::new(marked.image));
        MarkedPicture::new(id, picture, &marked.marks, marked.masks, |_| None).map_err(|reason| {
            quintet_data::Error::Media { path: name.display().to_string(), reason }.into()
        })
    }

    fn names(&self) -> Vec<String> {
        self.names.clone()
    }
}
