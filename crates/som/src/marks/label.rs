//! Labels: tags in boxes.

use image::RgbImage;
use quintet_data::typeface::Typeface;
use resvg::tiny_skia::{FillRule, Mask as Coverage, Path, Transform};

use super::{colour::Colour, paint::mix};
use crate::{Error, Result};

/// Empty space around the letters, in ems.
const PAD: f32 = 0.12;

/// The letters of all tags of a picture.
pub(super) struct Lettering {
    /// Outlines for an em of one, baseline at 0.
    outlines: Vec<Path>,
    /// How far any of them reaches: all labels are equally high, and their letters level.
    top: f32,
    bottom: f32,
}

impl Lettering {
    /// # Errors
    /// If the font lacks a letter.
    pub fn new<'t>(face: &Typeface, tags: impl Iterator<Item = &'t str>) -> Result<Self> {
        let outline = |tag: &str| {
            face.outline(tag).ok_or_else(|| Error::Option {
                option: "font",
                reason: format!("it cannot write {tag:?}; choose a Latin font with digits"),
            })
        };
        let outlines = tags.map(outline).collect::<Result<Vec<_>>>()?;
        let tops = outlines.iter().map(|path| path.bounds().top());
        let bottoms = outlines.iter().map(|path| path.bounds().bottom());
        let (top, bottom) = (tops.fold(0.0, f32::min), bottoms.fold(0.0, f32::max));
        Ok(Self { outlines, top, bottom })
    }

    /// Width and height in pixels of each label at a size of letters.
    pub fn sizes(&self, em: f32) -> Vec<[u32; 2]> {
        let rim = 2.0 * (PAD * em + line(em) as f32);
        let height = ((self.bottom - self.top) * em + rim).ceil() as u32;
        let width = |path: &Path| (path.bounds().width() * em + rim).ceil() as u32;
        self.outlines.iter().map(|path| [width(path), height]).collect()
    }

    /// Draws a label, `[x1, y1, x2, y2]` with the size that [`Self::sizes`] gave; what lies outside
    /// the picture is cut off. The frame has the letters' colour, which its ground contrasts with,
    /// so that one of both stands out from any picture.
    pub fn draw(&self, image: &mut RgbImage, index: usize, em: f32, bbox: [i64; 4], ink: Colour) {
        let [left, top, right, bottom] = bbox;
        let (width, height) = ((right - left) as u32, (bottom - top) as u32);
        let Some(outline) = self.outlines.get(index) else { return };
        let Some(mut letters) = Coverage::new(width, height) else { return };
        let middle = outline.bounds().left() + outline.bounds().width() / 2.0;
        let place = Transform::from_translate(-middle, -(self.top + self.bottom) / 2.0)
            .post_scale(em, em)
            .post_translate(width as f32 / 2.0, height as f32 / 2.0);
        letters.fill_path(outline, FillRule::Winding, true, place);
        let ground = ink.ground();
        let line = line(em);
        let rows = letters.data().chunks_exact(width as usize);
        for (row, covered) in (0..).zip(rows) {
            for (column, covered) in (0..).zip(covered) {
                let place = (u32::try_from(left + column), u32::try_from(top + row));
                let (Ok(x), Ok(y)) = place else { continue };
                let Some(pixel) = image.get_pixel_mut_checked(x, y) else { continue };
                let depth =
                    column.min(row).min(right - left - 1 - column).min(bottom - top - 1 - row);
                let covered = if depth < line { 255 } else { *covered };
                pixel.0 = mix(ground.0, ink.0, covered);
            }
        }
    }
}

/// Width of the frame in pixels.
fn line(em: f32) -> i64 {
    (em / 16.0).round().max(1.0) as i64
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn a_label_fills_its_box_with_letters_framed_in_their_colour() {
        let tags = ["7", "10", "128"].into_iter();
        let lettering = Lettering::new(&Typeface::bundled(), tags).unwrap();
        let ink = Colour([255, 220, 0]);
        for em in [12.5, 25.0, 80.0] {
            let sizes = lettering.sizes(em);
            assert!(sizes.is_sorted_by(|a, b| a[0] < b[0] && a[1] == b[1]), "{sizes:?}");
            for (i, [width, height]) in sizes.into_iter().enumerate() {
                let grey = Rgb([128; 3]);
                let mut image = RgbImage::from_pixel(width + 4, height + 4, grey);
                let bbox = [2, 2, i64::from(width) + 2, i64::from(height) + 2];
                lettering.draw(&mut image, i, em, bbox, ink);
                let inside =
                    |x: u32, y: u32| (2..width + 2).contains(&x) && (2..height + 2).contains(&y);
                let mut counts = [0u32; 2];
                for (x, y, pixel) in image.enumerate_pixels() {
                    assert_eq!(*pixel == grey, !inside(x, y), "{x} {y}");
                    counts[0] += u32::from(pixel.0 == ink.0);
                    counts[1] += u32::from(pixel.0 == [0; 3]);
                }
                for x in 2..width + 2 {
                    assert_eq!(image.get_pixel(x, 2).0, ink.0);
                    assert_eq!(image.get_pixel(x, height + 1).0, ink.0);
                }
                let frame = 2 * (width + height) - 4;
                assert!(counts[0] > frame && counts[1] > frame / 2, "{em} {i} {counts:?}");
            }
        }
    }

    #[test]
    fn letters_do_not_touch_the_frame() {
        let lettering = Lettering::new(&Typeface::bundled(), ["88"].into_iter()).unwrap();
        let em = 40.0;
        let [width, height] = lettering.sizes(em)[0];
        let mut image = RgbImage::new(width, height);
        let bbox = [0, 0, i64::from(width), i64::from(height)];
        lettering.draw(&mut image, 0, em, bbox, Colour::WHITE);
        let line = line(em) as u32;
        let ring = |depth: u32| {
            let xs = (depth..width - depth).map(move |x| [(x, depth), (x, height - 1 - depth)]);
            let ys = (depth..height - depth).map(move |y| [(depth, y), (width - 1 - depth, y)]);
            xs.chain(ys).flatten().collect::<Vec<_>>()
        };
        let dark = ring(line + 1).iter().all(|(x, y)| image.get_pixel(*x, *y).0 == [0; 3]);
        let light = ring(line - 1).iter().all(|(x, y)| image.get_pixel(*x, *y).0 == [255; 3]);
        assert!(dark && light);
    }

    #[test]
    fn what_leaves_the_picture_is_cut_off_and_a_font_without_the_letters_is_refused() {
        let face = Typeface::bundled();
        let lettering = Lettering::new(&face, ["1"].into_iter()).unwrap();
        let mut image = RgbImage::new(1, 1);
        lettering.draw(&mut image, 0, 25.0, [-5, -6, 15, 20], Colour::WHITE);
        let said = Lettering::new(&face, ["一"].into_iter()).err().unwrap().to_string();
        assert!(said.starts_with("font: it cannot write"), "{said}");
    }
}
