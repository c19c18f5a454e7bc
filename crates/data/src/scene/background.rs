//! What lies behind the objects.

use image::{Rgb, RgbImage};
use rand::{Rng, RngExt, seq::IndexedRandom};

use super::photos::Photo;

/// The kind of a scene's background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    /// One colour.
    Plain,
    /// From one colour to another.
    Gradient,
    /// Cloudy texture of two colours.
    Texture,
    /// Part of a photograph.
    Photo,
}

/// Paints a background; photographs only where there are any.
pub(super) fn paint(size: u32, photos: &[Photo], rng: &mut impl Rng) -> (RgbImage, Background) {
    let draw: f32 = rng.random();
    match photos.choose(rng) {
        Some(photo) if draw < 0.4 => (from_photo(size, photo, rng), Background::Photo),
        _ if draw < 0.65 => (RgbImage::from_pixel(size, size, Rgb(colour(rng))), Background::Plain),
        _ if draw < 0.82 => (gradient(size, rng), Background::Gradient),
        _ => (texture(size, rng), Background::Texture),
    }
}

/// Mostly light and dull, as walls and tables are, but anything may come.
fn colour(rng: &mut impl Rng) -> [u8; 3] {
    let grey: f32 = if rng.random_bool(0.6) {
        rng.random_range(150.0..255.0)
    } else {
        rng.random_range(15.0..200.0)
    };
    let spread = if rng.random_bool(0.5) { 18.0 } else { 80.0 };
    std::array::from_fn(|_| (grey + rng.random_range(-spread..=spread)).clamp(0.0, 255.0) as u8)
}

fn mix(a: [u8; 3], b: [u8; 3], t: f32) -> Rgb<u8> {
    let t = t.clamp(0.0, 1.0);
    Rgb(std::array::from_fn(|c| (f32::from(a[c]) * (1.0 - t) + f32::from(b[c]) * t) as u8))
}

fn gradient(size: u32, rng: &mut impl Rng) -> RgbImage {
    let (a, b) = (colour(rng), colour(rng));
    let (sin, cos) = rng.random_range(0.0..std::f32::consts::TAU).sin_cos();
    let unit = 1.0 / size as f32;
    RgbImage::from_fn(size, size, |x, y| {
        let (x, y) = (x as f32 * unit - 0.5, y as f32 * unit - 0.5);
        mix(a, b, 0.5 + 0.75 * (x * cos + y * sin))
    })
}

/// Value noise in three octaves.
fn texture(size: u32, rng: &mut impl Rng) -> RgbImage {
    let (a, b) = (colour(rng), colour(rng));
    let strength = rng.random_range(0.25..0.9);
    let base = rng.random_range(2..6usize);
    let octaves: Vec<(usize, Vec<f32>)> = [1, 3, 8]
        .into_iter()
        .map(|octave| {
            let cells = base * octave + 1;
            (cells, (0..(cells + 1) * (cells + 1)).map(|_| rng.random::<f32>() - 0.5).collect())
        })
        .collect();
    let unit = 1.0 / size as f32;
    RgbImage::from_fn(size, size, |x, y| {
        let mut value = 0.5;
        let mut weight = strength;
        for (cells, grid) in &octaves {
            let (u, v) = (x as f32 * unit * *cells as f32, y as f32 * unit * *cells as f32);
            let (i, j) = (u as usize, v as usize);
            let at = |i: usize, j: usize| grid.get(j * (cells + 1) + i).copied().unwrap_or(0.0);
            let (fu, fv) = (u.fract(), v.fract());
            let top = at(i, j) * (1.0 - fu) + at(i + 1, j) * fu;
            let bottom = at(i, j + 1) * (1.0 - fu) + at(i + 1, j + 1) * fu;
            value += weight * (top * (1.0 - fv) + bottom * fv);
            weight *= 0.55;
        }
        mix(a, b, value)
    })
}

fn from_photo(size: u32, photo: &Photo, rng: &mut impl Rng) -> RgbImage {
    let source = photo.sharp.as_ref().unwrap_or(&photo.soft);
    let shorter = source.width().min(source.height()) as f32;
    let side = shorter * rng.random_range(0.4..1.0);
    let left = rng.random_range(0.0..=(source.width() as f32 - side).max(0.0));
    let top = rng.random_range(0.0..=(source.height() as f32 - side).max(0.0));
    let mirror = rng.random_bool(0.5);
    let haze = rng.random_range(0.0..0.35);
    let veil = f32::from(if rng.random_bool(0.5) { 255u8 } else { 20 });
    let step = side / size as f32;
    RgbImage::from_fn(size, size, |x, y| {
        let x = if mirror { size - 1 - x } else { x };
        let (u, v) = (left + (x as f32 + 0.5) * step - 0.5, top + (y as f32 + 0.5) * step - 0.5);
        Rgb(between(source, u, v).map(|c| (c * (1.0 - haze) + veil * haze + 0.5) as u8))
    })
}

/// The picture at a point between pixels.
fn between(source: &RgbImage, u: f32, v: f32) -> [f32; 3] {
    let (u, v) = (u.max(0.0), v.max(0.0));
    let (fu, fv) = (u.fract(), v.fract());
    let (x0, y0) = (
        (u as u32).min(source.width().saturating_sub(1)),
        (v as u32).min(source.height().saturating_sub(1)),
    );
    let (x1, y1) = (
        (x0 + 1).min(source.width().saturating_sub(1)),
        (y0 + 1).min(source.height().saturating_sub(1)),
    );
    let (a, b) = (source.get_pixel(x0, y0).0, source.get_pixel(x1, y0).0);
    let (c, d) = (source.get_pixel(x0, y1).0, source.get_pixel(x1, y1).0);
    std::array::from_fn(|i| {
        let top = f32::from(a[i]) * (1.0 - fu) + f32::from(b[i]) * fu;
        let bottom = f32::from(c[i]) * (1.0 - fu) + f32::from(d[i]) * fu;
        top * (1.0 - fv) + bottom * fv
    })
}
