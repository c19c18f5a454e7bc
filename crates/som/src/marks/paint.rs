//! Masks and boxes on a picture.

use image::RgbImage;
use quintet_data::Mask;

use super::colour::Colour;

/// `over` on `under` at an opacity over 255, rounded.
pub(super) fn mix(under: [u8; 3], over: [u8; 3], opacity: u8) -> [u8; 3] {
    let (opacity, rest) = (u32::from(opacity), 255 - u32::from(opacity));
    let part = |i: usize| (u32::from(under[i]) * rest + u32::from(over[i]) * opacity + 127) / 255;
    std::array::from_fn(|i| part(i) as u8)
}

/// Tints the pixels of a mask, and draws those that have a neighbour outside in full colour: at the
/// little opacity at which things stay recognisable, areas alone would not tell where they end.
pub(super) fn fill(image: &mut RgbImage, mask: &Mask, colour: Colour, opacity: u8) {
    let [x1, ..] = mask.bbox();
    let rows: Vec<&[bool]> = mask.rows().map(|(_, row)| row).collect();
    for (i, (y, row)) in mask.rows().enumerate() {
        let above = i.checked_sub(1).and_then(|i| rows.get(i)).copied().unwrap_or_default();
        let below = rows.get(i + 1).copied().unwrap_or_default();
        let Some(pixels) = span(image, y, x1, row.len()) else { continue };
        let at = |row: &[bool], x: usize| row.get(x).copied().unwrap_or(false);
        for (x, pixel) in pixels.iter_mut().enumerate().filter(|(x, _)| at(row, *x)) {
            let inner = at(above, x) && at(below, x) && at(row, x + 1) && x > 0 && at(row, x - 1);
            *pixel = mix(*pixel, colour.0, if inner { opacity } else { 255 });
        }
    }
}

/// Draws the frame of a box within it, `line` pixels wide.
pub(super) fn frame(image: &mut RgbImage, bbox: [u32; 4], line: u32, colour: Colour, opacity: u8) {
    let [x1, y1, x2, y2] = bbox;
    for y in y1..y2 {
        let full = y - y1 < line || y2 - y <= line;
        let Some(pixels) = span(image, y, x1, (x2 - x1) as usize) else { continue };
        let count = pixels.len();
        for (x, pixel) in pixels.iter_mut().enumerate() {
            if full || x < line as usize || count - x <= line as usize {
                *pixel = mix(*pixel, colour.0, opacity);
            }
        }
    }
}

/// Pixels of a row of the picture.
fn span(image: &mut RgbImage, y: u32, x: u32, count: usize) -> Option<&mut [[u8; 3]]> {
    let start = y as usize * image.width() as usize + x as usize;
    image.as_chunks_mut::<3>().0.get_mut(start..start + count)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn mixing_meets_both_ends_and_rounds() {
        let (a, b) = ([0, 100, 255], [255, 200, 0]);
        assert_eq!(mix(a, b, 0), a);
        assert_eq!(mix(a, b, 255), b);
        assert_eq!(mix(a, b, 128), [128, 150, 127]);
        assert_eq!(mix(a, a, 77), a);
    }

    #[test]
    fn a_mask_is_tinted_and_edged() {
        let mask = Mask::collect([0, 0, 30, 20], |x, y| {
            x.abs_diff(12).pow(2) + y.abs_diff(9).pow(2) <= 64 && (x, y) != (12, 9)
        });
        let mask = mask.unwrap();
        let ground = Rgb([40; 3]);
        let mut image = RgbImage::from_pixel(30, 20, ground);
        fill(&mut image, &mask, Colour::WHITE, 26);
        for (x, y, pixel) in image.enumerate_pixels() {
            let around = [(x + 1, y), (x, y + 1), (x.wrapping_sub(1), y), (x, y.wrapping_sub(1))];
            let inner = around.iter().all(|(x, y)| mask.contains(*x, *y));
            let expected = match (mask.contains(x, y), inner) {
                (false, _) => ground.0,
                (true, false) => [255; 3],
                (true, true) => mix(ground.0, [255; 3], 26),
            };
            assert_eq!(pixel.0, expected, "{x} {y}");
        }
    }

    #[test]
    fn a_frame_lies_within_its_box() {
        let mut image = RgbImage::new(20, 12);
        frame(&mut image, [3, 2, 17, 12], 2, Colour::WHITE, 255);
        frame(&mut image, [0, 0, 1, 1], 5, Colour::WHITE, 255);
        for (x, y, pixel) in image.enumerate_pixels() {
            let inside = (3..17).contains(&x) && (2..12).contains(&y);
            let hollow = (5..15).contains(&x) && (4..10).contains(&y);
            let drawn = inside && !hollow || (x, y) == (0, 0);
            assert_eq!(pixel.0, [if drawn { 255 } else { 0 }; 3], "{x} {y}");
        }
    }
}
