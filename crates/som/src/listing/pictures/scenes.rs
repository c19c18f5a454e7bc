//! Built scenes, marked.

use std::sync::Arc;

use quintet_data::{
    formats::Dataset,
    sample::{Media, Sample},
    scene::{NAMES, Scene, SceneSpec, SpriteSet},
};

use super::Pictures;
use crate::{
    listing::{
        builder::{Builder, Settings},
        error::Result,
        item::MarkedPicture,
    },
    marks::{Marker, Options},
    regions::Found,
};

/// Scenes tried for one row before it is an error.
const TRIES: u64 = 16;

/// Samples about marked scenes, built as they are read; nothing is stored.
pub struct MarkedScenes {
    spec: SceneSpec,
    sprites: Arc<SpriteSet>,
    marker: Marker,
    builder: Builder,
    seed: u64,
    len: usize,
    name: String,
}

impl MarkedScenes {
    /// `len` samples. `seed` is that of the scenes; marks and samples have seeds of their own.
    ///
    /// # Errors
    /// An option of the marks makes no sense, or their font cannot be read.
    pub fn new(
        spec: SceneSpec,
        sprites: Arc<SpriteSet>,
        marks: Options,
        settings: Settings,
        seed: u64,
        len: usize,
    ) -> Result<Self> {
        let styles: Vec<_> = spec.styles.iter().map(|style| style.key()).collect();
        let name = format!("marked scenes ({}, seed {seed})", styles.join(" "));
        let marker = Marker::new(marks)?;
        let builder = Builder::new(settings, names(&sprites));
        Ok(Self { spec, sprites, marker, builder, seed, len, name })
    }

    /// What builds the samples.
    pub fn builder(&self) -> &Builder {
        &self.builder
    }
}

fn names(sprites: &SpriteSet) -> Vec<String> {
    let known = sprites.names().iter().filter_map(|id| NAMES.get(usize::from(*id)));
    known.map(|name| name.name.to_owned()).collect()
}

impl Dataset for MarkedScenes {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, i: usize) -> quintet_data::Result<Sample> {
        let fail =
            |reason| quintet_data::Error::Row { path: self.name.clone().into(), row: i, reason };
        let marked = self.marked(i).map_err(|error| match error {
            crate::listing::Error::Data(error) => error,
            other => fail(other.to_string()),
        })?;
        self.builder.sample(&marked).ok_or_else(|| fail("there is nothing to say".into()))
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Pictures for MarkedScenes {
    fn count(&self) -> usize {
        self.len
    }

    fn title(&self, i: usize) -> String {
        format!("scene {i}")
    }

    /// Row `i`, marked. A scene without anything to mark, or without room for the labels, gives
    /// way to one that no other row shows.
    ///
    /// # Errors
    /// There is no such row, or several scenes in a row cannot be marked.
    fn marked(&self, i: usize) -> Result<MarkedPicture> {
        let fail = |reason| {
            quintet_data::Error::Row { path: self.name.clone().into(), row: i, reason }.into()
        };
        if i >= self.len {
            return Err(fail(format!("there are {} scenes", self.len)));
        }
        let mut last = "there is nothing to mark".to_owned();
        for again in 0..TRIES {
            let index = (i as u64).wrapping_add((self.len as u64).wrapping_mul(again));
            let scene = Scene::generate(&self.spec, &self.sprites, self.seed, index);
            match self.marker.mark(&scene.image, &Found::from(&scene).regions) {
                Ok(marked) if !marked.marks.marks.is_empty() => {
                    let colour =
                        |region: usize| scene.objects.get(region).and_then(|object| object.colour);
                    let id = format!("{}/{i}", self.name);
                    let picture = Media::Image(Arc::new(marked.image));
                    let (marks, masks) = (&marked.marks, marked.masks);
                    return MarkedPicture::new(id, picture, marks, masks, colour).map_err(fail);
                }
                Ok(_) => {}
                Err(crate::Error::Picture(reason)) => last = reason,
                Err(other) => return Err(other.into()),
            }
        }
        Err(fail(format!("of {TRIES} scenes none can be marked: {last}")))
    }

    fn names(&self) -> Vec<String> {
        names(&self.sprites)
    }
}
