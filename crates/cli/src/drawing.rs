//! Boxes in answers, and drawing them.

use image::{Rgb, RgbImage};

/// Colours of the first, second, … box.
const COLOURS: [Rgb<u8>; 4] =
    [Rgb([255, 40, 40]), Rgb([40, 160, 255]), Rgb([60, 220, 60]), Rgb([255, 200, 0])];

/// Boxes `[x1, y1, x2, y2]` of whole percents of width and height, as they stand in a text.
pub fn boxes(text: &str) -> Vec<[u32; 4]> {
    text.split('[')
        .skip(1)
        .filter_map(|rest| {
            let inside = rest.split_once(']')?.0;
            let numbers: Vec<u32> = inside
                .split(',')
                .map(|number| number.trim().parse().ok())
                .collect::<Option<_>>()?;
            let corners: [u32; 4] = numbers.try_into().ok()?;
            corners.iter().all(|&percent| percent <= 100).then_some(corners)
        })
        .collect()
}

/// Draws a frame for each box, white outside so that it shows on any ground.
pub fn draw(image: &mut RgbImage, boxes: &[[u32; 4]]) {
    let (width, height) = image.dimensions();
    let thickness = (width.min(height) / 120).max(2);
    for (corners, colour) in boxes.iter().zip(COLOURS.iter().cycle()) {
        let x = |percent: u32| (u64::from(percent) * u64::from(width) / 100) as u32;
        let y = |percent: u32| (u64::from(percent) * u64::from(height) / 100) as u32;
        let [x1, y1, x2, y2] = [x(corners[0]), y(corners[1]), x(corners[2] + 1), y(corners[3] + 1)];
        let (x2, y2) = (x2.min(width), y2.min(height));
        for row in y1..y2 {
            for column in x1..x2 {
                let inset = (column - x1).min(x2 - 1 - column).min(row - y1).min(y2 - 1 - row);
                if inset < thickness {
                    image.put_pixel(column, row, Rgb([255; 3]));
                } else if inset < 2 * thickness {
                    image.put_pixel(column, row, *colour);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_found_and_other_brackets_are_not() {
        assert_eq!(boxes("at [1, 2, 30, 40] and [5,6,7,8]"), [[1, 2, 30, 40], [5, 6, 7, 8]]);
        assert!(boxes("[1, 2, 3] [a, b, c, d] [1, 2, 3, 400] [1, 2, 3, 4").is_empty());
    }

    #[test]
    fn frames_stay_inside_the_picture() {
        let mut image = RgbImage::new(50, 40);
        draw(&mut image, &[[0, 0, 100, 100], [90, 90, 10, 10]]);
        assert_eq!(*image.get_pixel(49, 39), Rgb([255; 3]));
        assert_eq!(*image.get_pixel(25, 20), Rgb([0; 3]));
    }
}
