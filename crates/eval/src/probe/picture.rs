//! Attention drawn over a picture.

use image::{Rgb, RgbImage, imageops};

use super::AttentionMap;

/// What attended patches are tinted with.
const RED: [f32; 3] = [235.0, 30.0, 40.0];

/// Least side of what is drawn, in pixels: encoders see small pictures.
const SIDE: u32 = 480;

/// The picture as the encoder sees it, tinted by weight; the greatest weight is nearly opaque.
pub fn heat(view: &RgbImage, map: &AttentionMap) -> RgbImage {
    let most = map.weights().iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    tinted(view, map, |patch| 0.85 * map.weights().get(patch).copied().unwrap_or(0.0) / most)
}

/// The picture as the encoder sees it, its `k` most attended patches highlighted.
pub fn highlight(view: &RgbImage, map: &AttentionMap, k: usize) -> RgbImage {
    let top = map.top(k);
    tinted(view, map, |patch| if top.contains(&patch) { 0.5 } else { 0.0 })
}

fn tinted(view: &RgbImage, map: &AttentionMap, alpha: impl Fn(usize) -> f32) -> RgbImage {
    let factor = SIDE.div_ceil(view.width().min(view.height()).max(1)).max(1);
    let (width, height) = (view.width() * factor, view.height() * factor);
    let mut picture = imageops::resize(view, width, height, imageops::FilterType::CatmullRom);
    let [rows, columns] = map.grid();
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let place = |at: u32, count: usize, size: u32| at as usize * count / size as usize;
        let patch = place(y, rows, height) * columns + place(x, columns, width);
        let alpha = alpha(patch);
        let mixed: [f32; 3] =
            std::array::from_fn(|c| f32::from(pixel[c]) * (1.0 - alpha) + RED[c] * alpha);
        *pixel = Rgb(mixed.map(|value| value.round() as u8));
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_chosen_patches_change() {
        let view = RgbImage::from_pixel(40, 20, Rgb([10, 200, 90]));
        let map = AttentionMap::new([2, 4], vec![0.0, 0.0, 0.0, 0.3, 0.0, 0.1, 0.0, 0.0]);
        let drawn = highlight(&view, &map, 1);
        assert_eq!(drawn.dimensions(), (960, 480));
        for (x, y, pixel) in drawn.enumerate_pixels() {
            let inside = x >= 720 && y < 240;
            assert_eq!(*pixel == Rgb([10, 200, 90]), !inside, "{x} {y}");
        }
        let drawn = heat(&view, &map);
        assert!(drawn.get_pixel(900, 10)[0] > drawn.get_pixel(300, 300)[0]);
        assert_eq!(*drawn.get_pixel(10, 10), Rgb([10, 200, 90]));
    }
}
