//! Photographed cut-outs: the stamps of Tux Paint, where they are installed.
//!
//! Debian's `tuxpaint-stamps-default` has pictures with transparency, each beside its caption ("A bell
//! pepper."). Its licence is the GPL, so that it is read where it lies and no part of it is kept.

use std::path::{Path, PathBuf};

use image::{RgbaImage, imageops};
use rayon::prelude::*;

use super::{
    names::NAMES,
    raster::{self, RASTER},
    tile::{Sprite, Tile},
};
use crate::{Error, Result};

/// Where Debian installs them.
const FOLDER: &str = "/usr/share/tuxpaint/stamps";

/// Names another folder of pictures and captions.
const VARIABLE: &str = "QUINTET_STAMPS";

/// Signs and coins, whose captions end in names of other things.
const APART: &str = "symbols";

/// The cut-outs of each of [`NAMES`], in its order; a third of the names have some.
///
/// # Errors
/// When none are installed, or one cannot be read.
pub(super) fn load() -> Result<Vec<Vec<Sprite>>> {
    let folder = std::env::var_os(VARIABLE).map_or_else(|| FOLDER.into(), PathBuf::from);
    load_from(&folder)
}

fn load_from(folder: &Path) -> Result<Vec<Vec<Sprite>>> {
    let mut pictures = Vec::new();
    find(folder, &mut pictures)?;
    pictures.sort();
    let named: Vec<(usize, PathBuf)> =
        pictures.into_iter().filter_map(|picture| Some((named(&picture)?, picture))).collect();
    if named.is_empty() {
        return Err(Error::Config {
            path: folder.to_owned(),
            reason: format!(
                "no pictures with captions of things that have names here; install Debian's \
                 tuxpaint-stamps-default, or let {VARIABLE} name a folder of x.png beside x.txt"
            ),
        });
    }
    let cut = |(name, picture): &(usize, PathBuf)| Ok((*name, Sprite::new(cut_out(picture)?)));
    let mut sprites: Vec<Vec<Sprite>> = NAMES.iter().map(|_| Vec::new()).collect();
    for (name, sprite) in named.par_iter().map(cut).collect::<Result<Vec<_>>>()? {
        sprites[name].push(sprite);
    }
    Ok(sprites)
}

/// The pictures below a folder; none if there is no such folder.
fn find(folder: &Path, pictures: &mut Vec<PathBuf>) -> Result<()> {
    let io = |source| Error::Io { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    for entry in entries {
        let entry = entry.map_err(io)?;
        let path = entry.path();
        if entry.file_type().map_err(io)?.is_dir() {
            if entry.file_name() != APART {
                find(&path, pictures)?;
            }
        } else if path.extension().is_some_and(|end| end == "png") {
            pictures.push(path);
        }
    }
    Ok(())
}

/// The place in [`NAMES`] of what a picture's caption ends with: the longest such name.
fn named(picture: &Path) -> Option<usize> {
    let text = std::fs::read(picture.with_extension("txt")).ok()?;
    let text = String::from_utf8_lossy(&text).to_lowercase();
    let sentence = text.split(['.', '!', ',', '(', '\n']).next()?.trim();
    let ends = |name: &str| {
        let before = sentence.strip_suffix(name)?;
        (before.is_empty() || before.ends_with(' ')).then_some(name.len())
    };
    let lengths = NAMES.iter().enumerate().filter_map(|(i, n)| Some((ends(n.name)?, i)));
    lengths.max().map(|(_, i)| i)
}

/// A picture trimmed to its outline, whose longer side gets [`RASTER`] pixels.
fn cut_out(path: &Path) -> Result<Tile> {
    let bad = |reason: String| Error::Media { path: path.display().to_string(), reason };
    let picture = image::open(path).map_err(|error| bad(error.to_string()))?.to_rgba8();
    let premultiply = |p: &[u8; 4]| {
        let part = |c: u8| ((u32::from(c) * u32::from(p[3]) + 127) / 255) as u8;
        [part(p[0]), part(p[1]), part(p[2]), p[3]]
    };
    let (width, height) = picture.dimensions();
    let pixels = picture.as_chunks::<4>().0.iter().map(premultiply).collect();
    let tile = raster::trimmed(&Tile { width, height, pixels })
        .ok_or_else(|| bad("shows nothing".to_owned()))?;
    let longer = f64::from(tile.width.max(tile.height));
    let side = |s: u32| ((f64::from(s) * f64::from(RASTER) / longer).round() as u32).max(1);
    let full = RgbaImage::from_raw(tile.width, tile.height, tile.pixels.concat())
        .ok_or_else(|| bad("has too few pixels".to_owned()))?;
    let small = imageops::resize(
        &full,
        side(tile.width),
        side(tile.height),
        imageops::FilterType::Triangle,
    );
    let (width, height) = small.dimensions();
    Ok(Tile { width, height, pixels: small.as_chunks::<4>().0.to_vec() })
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;
    use crate::scene::names::name_id;

    /// A picture of a disc within a wide rim that is clear, and its caption.
    fn stamp(folder: &Path, name: &str, caption: &str) {
        let disc = RgbaImage::from_fn(300, 240, |x, y| {
            let (dx, dy) = (x as f32 - 150.0, y as f32 - 120.0);
            let inside = dx.hypot(dy) < 90.0;
            if inside { Rgba([200, 100, 0, 255]) } else { Rgba([255, 255, 255, 0]) }
        });
        std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        disc.save(folder.join(name).with_extension("png")).unwrap();
        std::fs::write(folder.join(name).with_extension("txt"), caption).unwrap();
    }

    #[test]
    fn captions_name_cut_outs_which_are_trimmed() {
        let dir = tempfile::tempdir().unwrap();
        stamp(dir.path(), "food/red", "A red apple.\nde.utf8=Ein roter Apfel.");
        stamp(dir.path(), "food/green", "An apple! It is green.");
        stamp(dir.path(), "sports/ball", "A soccer ball.");
        stamp(dir.path(), "food/other", "A durian.");
        stamp(dir.path(), "food/crab", "A crabapple.");
        stamp(dir.path(), "symbols/sign", "A dog.");
        std::fs::write(dir.path().join("food/silent.png"), "no picture, and no caption").unwrap();
        let sprites = load_from(dir.path()).unwrap();
        let of = |name: &str| &sprites[usize::from(name_id(name).unwrap())];
        assert_eq!((of("apple").len(), of("soccer ball").len()), (2, 1));
        assert_eq!(sprites.iter().map(Vec::len).sum::<usize>(), 3);
        let tile = of("apple")[0].full();
        assert_eq!((tile.width, tile.height), (RASTER, RASTER));
        assert_eq!(tile.pixels[(RASTER / 2 * RASTER + RASTER / 2) as usize], [200, 100, 0, 255]);
        assert_eq!(tile.pixels[0], [0; 4]);
    }

    #[test]
    fn what_is_missing_or_broken_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let fails = |folder: &Path| load_from(folder).err().unwrap().to_string();
        assert!(fails(&dir.path().join("none")).contains("tuxpaint-stamps-default"));
        stamp(dir.path(), "dog", "A dog.");
        std::fs::write(dir.path().join("dog.png"), "no picture").unwrap();
        assert!(fails(dir.path()).contains("dog.png"));
    }
}
