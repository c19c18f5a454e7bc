//! Everything that scenes are made of, in memory.

use std::{collections::BTreeMap, sync::Arc};

use image::RgbaImage;
use rand::{Rng, seq::IndexedRandom};
use rayon::prelude::*;

use super::{
    bundled, cutouts,
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
    /// The sprites of each entry of `names`, in its order; none where the style lacks the name.
    drawings: BTreeMap<Style, Vec<Vec<Sprite>>>,
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
        let names = drawn(&mut drawings);
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
                sprites.push(vec![Sprite::new(raster::rasterise(name, svg)?)]);
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

    fn sprites(&self, style: Style, name: u16) -> &[Sprite] {
        let find = || self.drawings.get(&style)?.get(self.names.binary_search(&name).ok()?);
        find().map_or(&[], Vec::as_slice)
    }

    /// The (first) drawing of a name in a style, trimmed, 96 pixels along its longer side.
    pub fn drawing(&self, style: Style, name: u16) -> Option<RgbaImage> {
        let tile = self.sprites(style, name).first()?.full();
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

    /// A random one of the name's drawings in those of the styles that are loaded.
    pub(super) fn any_of(
        &self,
        styles: &[Style],
        name: u16,
        rng: &mut impl Rng,
    ) -> Option<(Style, &Sprite)> {
        let of = |style| self.sprites(style, name).iter().map(move |sprite| (style, sprite));
        let loaded: Vec<_> = styles.iter().copied().flat_map(of).collect();
        loaded.choose(rng).copied()
    }

    pub(super) fn photos(&self, split: Split) -> &[Photo] {
        &self.photos[split as usize]
    }

    pub(super) fn faces(&self, split: Split) -> &[Typeface] {
        &self.faces[split as usize]
    }
}

/// The names that any style draws, of all [`NAMES`]; the styles keep only the sprites of these.
fn drawn(drawings: &mut BTreeMap<Style, Vec<Vec<Sprite>>>) -> Vec<u16> {
    let has = |sprites: &Vec<Vec<Sprite>>, name: u16| {
        sprites.get(usize::from(name)).is_some_and(|of| !of.is_empty())
    };
    let names = (0..).take(NAMES.len());
    let names: Vec<u16> =
        names.filter(|name| drawings.values().any(|sprites| has(sprites, *name))).collect();
    for sprites in drawings.values_mut() {
        let mut at = 0..;
        sprites.retain(|_| at.next().is_some_and(|at| names.binary_search(&at).is_ok()));
    }
    names
}

/// Every name in one style, in the order of [`NAMES`].
fn draw(style: Style) -> Result<Vec<Vec<Sprite>>> {
    let Some(package) = sources::drawings(style) else { return cutouts::load() };
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
    let sprites = |tile: Tile| match tile.pixels.is_empty() {
        true => Vec::new(),
        false => vec![Sprite::new(tile)],
    };
    Ok(tiles.into_iter().map(sprites).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_style_draws_are_left_out() {
        let sprite =
            |width| Sprite::new(Tile { width, height: 1, pixels: vec![[9; 4]; width as usize] });
        let mut all: Vec<Vec<Sprite>> = NAMES.iter().map(|_| Vec::new()).collect();
        let mut few = all.clone();
        all[3] = vec![sprite(3)];
        few[5] = vec![sprite(5), sprite(6)];
        let mut drawings = BTreeMap::from([(Style::Fxemoji, all), (Style::Tuxpaint, few)]);
        let names = drawn(&mut drawings);
        assert_eq!(names, [3, 5]);
        let lengths = |style| drawings[&style].iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!((lengths(Style::Fxemoji), lengths(Style::Tuxpaint)), (vec![1, 0], vec![0, 2]));
    }
}
