//! Photographs as backgrounds.
//!
//! The stock photographs show desks, cups and laptops, things that scenes have names for. They
//! are therefore kept small and shown out of focus, except the few that show only texture.

use std::path::Path;

use image::{RgbImage, imageops};
use rayon::prelude::*;

use super::{sources, store, style::Split, tile::Tile};
use crate::{Error, Result};

/// Longer side in pixels of a kept photograph.
const LONGER: u32 = 256;

/// Subjects without objects; these may be shown sharp.
const TEXTURES: &[&str] = &[
    "city-lights-reflected-in-the-water-at-night",
    "geometric-decoration-on-yellow-background",
    "stone-texture-high-resolution-background",
    "tropical-palm-leaves-floral-pattern-background",
];

/// A photograph, sharp only where that gives nothing away.
#[derive(Clone, Debug)]
pub(super) struct Photo {
    pub sharp: Option<RgbImage>,
    pub soft: RgbImage,
}

/// The photographs of both halves.
///
/// # Errors
/// When they cannot be fetched or decoded.
pub(super) fn load() -> Result<[Vec<Photo>; 2]> {
    let files = sources::photograph_files()?;
    let location =
        store::location("photos", &[&sources::photographs().sha256, &LONGER.to_string()])?;
    let tiles = store::load_or_make(&location, || files.par_iter().map(|f| decode(f)).collect())?;
    let mut halves = [Vec::new(), Vec::new()];
    let subjects = files.iter().map(|f| subject(f));
    let mut seen: Vec<&str> = Vec::new();
    for (subject, tile) in subjects.zip(tiles) {
        if !seen.contains(&subject) {
            seen.push(subject);
        }
        // Pictures of one subject stay on one side of the split.
        let half = if seen.len().is_multiple_of(5) { Split::Validation } else { Split::Train };
        let rgb = tile.pixels.iter().flat_map(|p| [p[0], p[1], p[2]]).collect();
        let Some(full) = RgbImage::from_raw(tile.width, tile.height, rgb) else { continue };
        let soft = defocus(&full);
        let sharp = TEXTURES.contains(&subject).then_some(full);
        halves[half as usize].push(Photo { sharp, soft });
    }
    Ok(halves)
}

/// The picture at half its size with the detail of a quarter.
fn defocus(full: &RgbImage) -> RgbImage {
    let part = |n: u32| (full.width().div_ceil(n), full.height().div_ceil(n));
    let ((qw, qh), (hw, hh)) = (part(4), part(2));
    let quarter = imageops::thumbnail(full, qw, qh);
    imageops::resize(&quarter, hw, hh, imageops::FilterType::Gaussian)
}

/// A file's name without the number that tells pictures of one series apart.
fn subject(path: &Path) -> &str {
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    stem.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-')
}

fn decode(path: &Path) -> Result<Tile> {
    let bad = |e: image::ImageError| Error::Media {
        path: path.display().to_string(),
        reason: format!("{e}; fetch the package again"),
    };
    let picture = image::open(path).map_err(bad)?.to_rgb8();
    let scale = f64::from(LONGER) / f64::from(picture.width().max(picture.height()).max(1));
    let side = |s: u32| ((f64::from(s) * scale).round() as u32).max(1);
    let small = imageops::thumbnail(&picture, side(picture.width()), side(picture.height()));
    let pixels = small.pixels().map(|p| [p.0[0], p.0[1], p.0[2], 255]).collect();
    Ok(Tile { width: small.width(), height: small.height(), pixels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_one_subject() {
        assert_eq!(subject(Path::new("a/home-office-2.jpg")), "home-office");
        assert_eq!(subject(Path::new("a/home-office.jpg")), "home-office");
        assert_eq!(subject(Path::new("a/sample-.jpg")), "sample");
    }
}
