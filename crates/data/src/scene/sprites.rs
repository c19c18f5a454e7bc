//! Everything that scenes are made of, in memory.

use std::{collections::BTreeMap, sync::Arc};

use image::RgbaImage;
use rand::{Rng, seq::IndexedRandom};
use rayon::prelude::*;

use super::{
    bundled,
    names::NAMES,
    photos::{self, Photo},
    raster::{self, IconSet},
    sources, store,
    style::{Split, Style},
    tile::{Sprite, Tile},
};
use crate::{Error, Result, typeface::Typeface};

/// Drawings, background photographs and typefaces.
pub struct SpriteSet {
    /// One sprite per entry of `names`, in its order; `None` where the style lacks the name.
    drawings: BTreeMap<Style, Vec<Option<Sprite>>>,
    names: Vec<u16>,
    photos: [Vec<Photo>; 2],
    faces: [Vec<Typeface>; 2],
}

impl SpriteSet {
    /// The full set in these styles, fetched from its packages on first use.
    ///
    /// The first call draws every icon once (some seconds a style) and keeps the result in the
    /// cache folder; later calls read it.
    ///
    /// # Errors
    /// When a package cannot be fetched or holds something else than expected.
    pub fn load(styles: &[Style]) -> Result<Self> {
        let mut drawings = BTreeMap::new();
        for style in styles {
            drawings.insert(*style, draw(*style)?);
        }
        let mut faces = [Vec::new(), Vec::new()];
        for font in sources::FONTS {
            for path in font.fetch()? {
                let bytes = std::fs::read(&path)
                    .map_err(|source| Error::Io { path: path.clone(), source })?;
                let face = Typeface::parse(&path.display().to_string(), Arc::from(bytes))?;
                faces[font.split as usize].push(face);
            }
        }
        let names = (0..).take(NAMES.len()).collect();
        Ok(Self { drawings, names, photos: photos::load()?, faces })
    }

    /// A dozen names in two styles ([`Style::Noto`] and [`Style::NotoV1`]) and one typeface,
    /// carried inside the program: for tests, demonstrations and work without a network.
    ///
    /// # Errors
    /// Never, unless the program itself is damaged.
    pub fn bundled() -> Result<Self> {
        let mut drawings = BTreeMap::new();
        let mut names = Vec::new();
        for (style, icons) in bundled::DRAWINGS {
            let mut sprites = Vec::new();
            names.clear();
            for (name, svg) in *icons {
                let id = super::names::name_id(name).ok_or_else(|| Error::Media {
                    path: (*name).to_owned(),
                    reason: "the bundled drawing has no entry in the table of names".to_owned(),
                })?;
                names.push(id);
                sprites.push(Some(Sprite::new(raster::rasterise(name, svg)?)));
            }
            drawings.insert(*style, sprites);
        }
        let face = Typeface::bundled();
        let faces = [vec![face.clone()], vec![face]];
        Ok(Self { drawings, names, photos: [Vec::new(), Vec::new()], faces })
    }

    /// Ids (positions in [`NAMES`]) of the names that can be drawn, if not in every style.
    pub fn names(&self) -> &[u16] {
        &self.names
    }

    /// The styles that are loaded.
    pub fn styles(&self) -> impl Iterator<Item = Style> + '_ {
        self.drawings.keys().copied()
    }

    fn sprite(&self, style: Style, name: u16) -> Option<&Sprite> {
        let position = self.names.binary_search(&name).ok()?;
        self.drawings.get(&style)?.get(position)?.as_ref()
    }

    /// The drawing of a name in a style, trimmed, 96 pixels along its longer side.
    pub fn drawing(&self, style: Style, name: u16) -> Option<RgbaImage> {
        let tile = self.sprite(style, name)?.full();
        let straight = |p: &[u8; 4]| {
            let part = |c: u8| u32::from(c) * 255 / u32::from(p[3]).max(1);
            [part(p[0]) as u8, part(p[1]) as u8, part(p[2]) as u8, p[3]]
        };
        RgbaImage::from_raw(
            tile.width,
            tile.height,
            tile.pixels.iter().flat_map(straight).collect(),
        )
    }

    /// The name's drawing in a random one of those of the styles that are loaded.
    pub(super) fn any_of(
        &self,
        styles: &[Style],
        name: u16,
        rng: &mut impl Rng,
    ) -> Option<(Style, &Sprite)> {
        let loaded: Vec<_> =
            styles.iter().filter_map(|s| Some((*s, self.sprite(*s, name)?))).collect();
        loaded.choose(rng).copied()
    }

    pub(super) fn photos(&self, split: Split) -> &[Photo] {
        &self.photos[split as usize]
    }

    pub(super) fn faces(&self, split: Split) -> &[Typeface] {
        &self.faces[split as usize]
    }
}

/// Every name in one style, in the order of [`NAMES`].
fn draw(style: Style) -> Result<Vec<Option<Sprite>>> {
    let package = sources::drawings(style);
    let slugs: Vec<&str> = NAMES.iter().map(|n| n.slug).collect();
    let parts = [&package.sha256, &raster::RASTER.to_string(), &slugs.join(" ")];
    let location = store::location(style.key(), &parts.map(String::as_str))?;
    let tiles = store::load_or_make(&location, || {
        let path = package.file("package/icons.json")?;
        let icons = IconSet::read(&path)?;
        let draw = |slug: &&str| -> Result<Tile> {
            match icons.svg(slug) {
                Some(svg) => raster::rasterise(&format!("{style} {slug}"), &svg),
                None if !style.draws_all() => Ok(Tile::empty()),
                None => Err(Error::Config {
                    path: path.clone(),
                    reason: format!("the icon set has no {slug:?}; is it another version?"),
                }),
            }
        };
        slugs.par_iter().map(draw).collect()
    })?;
    if tiles.len() != NAMES.len() {
        return Err(Error::Config {
            path: location,
            reason: format!("{} drawings, expected {}; delete it", tiles.len(), NAMES.len()),
        });
    }
    Ok(tiles.into_iter().map(|tile| (!tile.pixels.is_empty()).then(|| Sprite::new(tile))).collect())
}
