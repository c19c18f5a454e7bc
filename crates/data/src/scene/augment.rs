//! Disturbances of a finished picture.

use image::{RgbImage, codecs::jpeg::JpegEncoder};
use rand::{Rng, RngExt};

use super::spec::Augment;

/// Disturbs the picture in place.
pub(super) fn disturb(image: &mut RgbImage, augment: &Augment, rng: &mut impl Rng) {
    let chance = |p: f32| f64::from(p.clamp(0.0, 1.0));
    if rng.random_bool(chance(augment.light)) {
        relight(image, rng);
    }
    if rng.random_bool(chance(augment.blur)) {
        blur(image, rng.random_range(0.4..1.1));
    }
    if rng.random_bool(chance(augment.noise)) {
        noise(image, rng);
    }
    if rng.random_bool(chance(augment.jpeg)) {
        let quality = rng.random_range(35..=90);
        through_jpeg(image, quality);
    }
}

fn relight(image: &mut RgbImage, rng: &mut impl Rng) {
    let contrast = rng.random_range(0.75..1.25f32);
    let tables: [[u8; 256]; 3] = {
        let offset = rng.random_range(-28.0..28.0f32);
        std::array::from_fn(|_| {
            let gain = contrast * rng.random_range(0.94..1.06f32);
            std::array::from_fn(|v| {
                ((v as f32 - 128.0) * gain + 128.0 + offset).clamp(0.0, 255.0) as u8
            })
        })
    };
    for pixel in image.pixels_mut() {
        for (channel, table) in pixel.0.iter_mut().zip(&tables) {
            *channel = table[usize::from(*channel)];
        }
    }
}

/// Gaussian of the given width, cut off after two pixels.
fn blur(image: &mut RgbImage, sigma: f32) {
    let weight = |d: f32| (-0.5 * (d / sigma).powi(2)).exp();
    let sum = 1.0 + 2.0 * (weight(1.0) + weight(2.0));
    let kernel = [0.0, 1.0, 2.0].map(|d| (weight(d) / sum * 65536.0).round() as u32);
    let (width, height) = (image.width() as usize, image.height() as usize);
    // Along a line of `count` pixels that lie `stride` bytes apart.
    let mut line = Vec::new();
    let mut pass = |bytes: &mut [u8], start: usize, stride: usize, count: usize| {
        line.clear();
        line.extend(bytes[start..].iter().step_by(stride).take(count).map(|b| u32::from(*b)));
        let at = |i: isize| line[i.clamp(0, count as isize - 1) as usize];
        for (i, byte) in (0..).zip(bytes[start..].iter_mut().step_by(stride).take(count)) {
            let mixed = kernel[0] * at(i)
                + kernel[1] * (at(i - 1) + at(i + 1))
                + kernel[2] * (at(i - 2) + at(i + 2));
            *byte = ((mixed + 32768) >> 16).min(255) as u8;
        }
    };
    let bytes: &mut [u8] = image;
    for row in 0..height {
        for channel in 0..3 {
            pass(bytes, row * width * 3 + channel, 3, width);
        }
    }
    for column in 0..width * 3 {
        pass(bytes, column, width * 3, height);
    }
}

/// Nearly Gaussian: the sum of four even numbers (Irwin and Hall, 1927).
fn noise(image: &mut RgbImage, rng: &mut impl Rng) {
    let sigma = rng.random_range(2.0..10.0f32);
    // The sum of four bytes has a standard deviation of 147.8 about 510.
    let gain = (sigma / 147.8 * 65536.0) as i32;
    let bytes: &mut [u8] = image;
    for byte in bytes {
        let sum: i32 = rng.next_u32().to_le_bytes().into_iter().map(i32::from).sum();
        let shift = ((sum - 510) * gain) >> 16;
        *byte = (i32::from(*byte) + shift).clamp(0, 255) as u8;
    }
}

fn through_jpeg(image: &mut RgbImage, quality: u8) {
    let mut bytes = Vec::new();
    if JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image).is_err() {
        return;
    }
    if let Ok(back) = image::load_from_memory_with_format(&bytes, image::ImageFormat::Jpeg) {
        *image = back.into_rgb8();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{
        Split,
        rng::{Purpose, stream},
    };

    fn checks() -> RgbImage {
        RgbImage::from_fn(32, 32, |x, y| {
            image::Rgb(if (x / 4 + y / 4) % 2 == 0 { [230, 40, 90] } else { [20, 200, 90] })
        })
    }

    fn mean(image: &RgbImage) -> f32 {
        image.iter().map(|b| f32::from(*b)).sum::<f32>() / image.len() as f32
    }

    #[test]
    fn blur_and_noise_keep_the_mean() {
        let before = checks();
        let mut soft = before.clone();
        blur(&mut soft, 1.0);
        assert!((mean(&soft) - mean(&before)).abs() < 1.0);
        assert_ne!(soft, before);
        let mut loud = before.clone();
        noise(&mut loud, &mut stream(1, Split::Train, Purpose::Scene, 0));
        assert!((mean(&loud) - mean(&before)).abs() < 1.5);
        assert_ne!(loud, before);
    }

    #[test]
    fn nothing_asked_nothing_done() {
        let mut image = checks();
        disturb(&mut image, &Augment::default(), &mut stream(1, Split::Train, Purpose::Scene, 0));
        assert_eq!(image, checks());
    }

    #[test]
    fn jpeg_keeps_the_picture_roughly() {
        let mut image = checks();
        through_jpeg(&mut image, 60);
        assert_eq!(image.dimensions(), (32, 32));
        assert_ne!(image, checks());
        assert!((mean(&image) - mean(&checks())).abs() < 4.0);
    }
}
