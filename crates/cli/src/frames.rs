//! Frames drawn around the boxes of an answer.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

use anyhow::Context;
use image::{ImageFormat, Rgb, RgbImage};
use quintet_data::formats::atomic;

/// Colours of the first, second, … box.
const COLOURS: [Rgb<u8>; 6] = [
    Rgb([255, 40, 40]),
    Rgb([40, 130, 255]),
    Rgb([40, 210, 60]),
    Rgb([255, 200, 0]),
    Rgb([220, 60, 230]),
    Rgb([0, 210, 210]),
];

const LIGHT: Rgb<u8> = Rgb([255; 3]);
const DARK: Rgb<u8> = Rgb([0; 3]);

/// A box in whole percent of a picture's sides, in its pixels.
pub fn pixels(percent: [u32; 4], width: u32, height: u32) -> [u32; 4] {
    let [x1, y1, x2, y2] = percent;
    let scale = |percent: u32, side: u32| {
        let pixel = (u64::from(percent) * u64::from(side) + 50) / 100;
        u32::try_from(pixel).unwrap_or(side).min(side)
    };
    [scale(x1, width), scale(y1, height), scale(x2, width), scale(y2, height)]
}

/// Draws a frame around each box. A colour between white and black shows on any ground.
pub fn draw(image: &mut RgbImage, boxes: &[[u32; 4]]) {
    let (width, height) = image.dimensions();
    let line = (width.min(height) / 100).max(2);
    let edge = (line / 3).max(1);
    // Outwards from the box's own edge, which lies at depth 0.
    let reach = line + 2 * edge;
    // Within a side, such that the frame can be seen even where the box ends at the rim.
    let between = |from: u32, to: u32, side: u32| {
        let first = from.min(to).max(reach);
        (first, from.max(to).min(side.saturating_sub(1 + reach)).max(first))
    };
    for (percent, colour) in boxes.iter().zip(COLOURS.iter().cycle()) {
        let [x1, y1, x2, y2] = pixels(*percent, width, height);
        let (left, right) = between(x1, x2, width);
        let (top, bottom) = between(y1, y2, height);
        for y in top.saturating_sub(reach)..=bottom.saturating_add(reach) {
            for x in left.saturating_sub(reach)..=right.saturating_add(reach) {
                let across = left.saturating_sub(x).max(x.saturating_sub(right));
                let along = top.saturating_sub(y).max(y.saturating_sub(bottom));
                let depth = across.max(along);
                let ink = match depth {
                    0 => continue,
                    depth if depth <= edge => DARK,
                    depth if depth <= edge + line => *colour,
                    depth if depth <= reach => LIGHT,
                    _ => continue,
                };
                if let Some(pixel) = image.get_pixel_mut_checked(x, y) {
                    *pixel = ink;
                }
            }
        }
    }
}

/// Where a drawing goes, checked before it is made.
pub struct Target {
    path: PathBuf,
    format: ImageFormat,
}

impl Target {
    /// A file whose ending says the format.
    pub fn new(path: &Path) -> anyhow::Result<Self> {
        let format = ImageFormat::from_path(path).ok().filter(|format| format.writing_enabled());
        let format = format.with_context(|| {
            format!("{}: end the name in .png, .jpg, .webp, .gif or .bmp", path.display())
        })?;
        crate::output::check_target(path)?;
        Ok(Self { path: path.to_owned(), format })
    }

    /// Writes the picture, whole or not at all.
    pub fn write(&self, image: &RgbImage) -> anyhow::Result<()> {
        let mut bytes = Cursor::new(Vec::new());
        image
            .write_to(&mut bytes, self.format)
            .with_context(|| format!("{}: cannot encode the picture", self.path.display()))?;
        Ok(atomic::write_bytes(&self.path, bytes.get_ref())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREY: Rgb<u8> = Rgb([128; 3]);

    #[test]
    fn percent_become_pixels() {
        assert_eq!(pixels([0, 25, 50, 99], 200, 80), [0, 20, 100, 79]);
        assert_eq!(pixels([100; 4], 3, 7), [3, 7, 3, 7]);
    }

    #[test]
    fn a_frame_lies_around_its_box_and_leaves_the_inside() {
        let mut image = RgbImage::from_pixel(200, 100, GREY);
        draw(&mut image, &[[25, 20, 75, 80], [60, 50, 40, 40]]);
        // The first box is 50..150 by 20..80, in a frame of 1, 2 and 1 pixels.
        let column: Vec<_> = (44..=50).map(|x| *image.get_pixel(x, 30)).collect();
        assert_eq!(column, [GREY, GREY, LIGHT, COLOURS[0], COLOURS[0], DARK, GREY]);
        assert_eq!(*image.get_pixel(60, 30), GREY);
        // The second is given from its other corner: 80..120 by 40..50.
        assert_eq!(*image.get_pixel(100, 52), COLOURS[1]);
        assert_eq!(*image.get_pixel(100, 45), GREY);
    }

    #[test]
    fn frames_of_boxes_at_the_rim_stay_in_the_picture() {
        let mut image = RgbImage::from_pixel(30, 20, GREY);
        draw(&mut image, &[[0, 0, 100, 100], [0, 50, 0, 50]]);
        let row: Vec<_> = (0..=4).map(|y| *image.get_pixel(15, y)).collect();
        assert_eq!(row, [LIGHT, COLOURS[0], COLOURS[0], DARK, GREY]);
        assert_eq!(*image.get_pixel(2, 10), COLOURS[1]);
        draw(&mut RgbImage::new(0, 0), &[[0, 0, 99, 99]]);
    }

    #[test]
    fn a_name_without_a_known_ending_is_refused() {
        assert!(Target::new(Path::new("picture")).is_err());
        assert!(Target::new(Path::new("picture.txt")).is_err());
        assert!(Target::new(Path::new("picture.png")).is_ok());
    }
}
