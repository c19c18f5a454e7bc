//! Small pictures with transparency, and how they are laid onto a scene.

use image::RgbImage;

/// Premultiplied RGBA pixels, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub width: u32,
    pub height: u32,
    pub pixels: Vec<[u8; 4]>,
}

/// Alpha from which a pixel belongs to an object: at least half of it is covered.
const SOLID: u8 = 128;

impl Tile {
    /// Without pixels.
    pub fn empty() -> Self {
        Self { width: 0, height: 0, pixels: Vec::new() }
    }

    /// Bounding box `[x1, y1, x2, y2)` of the pixels whose alpha is at least `least`.
    pub fn bounds(&self, least: u8) -> Option<[u32; 4]> {
        let mut found: Option<[u32; 4]> = None;
        for (y, row) in (0..).zip(self.pixels.chunks_exact(self.width.max(1) as usize)) {
            for (x, _) in (0..).zip(row).filter(|(_, pixel)| pixel[3] >= least) {
                let [x1, y1, x2, _] = found.unwrap_or([x, y, x + 1, y + 1]);
                found = Some([x1.min(x), y1, x2.max(x + 1), y + 1]);
            }
        }
        found
    }

    /// Positions, within the tile, of the pixels that belong to the object.
    pub fn solid(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let width = self.width.max(1);
        (0..)
            .zip(&self.pixels)
            .filter(|(_, pixel)| pixel[3] >= SOLID)
            .map(move |(i, _): (u32, _)| (i % width, i / width))
    }

    /// Lays the tile onto `image` with its corner at (`x`, `y`); what lies outside is cut off.
    pub fn draw(&self, image: &mut RgbImage, x: i32, y: i32) {
        let (width, height) = (image.width() as i32, image.height() as i32);
        for (ty, row) in (y..).zip(self.pixels.chunks_exact(self.width.max(1) as usize)) {
            if ty < 0 || ty >= height {
                continue;
            }
            for (tx, pixel) in (x..).zip(row) {
                if pixel[3] == 0 || tx < 0 || tx >= width {
                    continue;
                }
                let under = &mut image.get_pixel_mut(tx as u32, ty as u32).0;
                let rest = 255 - u32::from(pixel[3]);
                for (channel, over) in under.iter_mut().zip(pixel) {
                    let mixed = u32::from(*over) + (u32::from(*channel) * rest + 127) / 255;
                    *channel = mixed.min(255) as u8;
                }
            }
        }
    }

    /// The tile at half its size, each pixel the mean of four.
    fn halved(&self) -> Tile {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let at = |x: u32, y: u32| {
            let inside = x < self.width && y < self.height;
            let index = (y * self.width + x) as usize;
            self.pixels.get(index).filter(|_| inside).copied().unwrap_or_default()
        };
        let mut pixels = Vec::with_capacity((width * height) as usize);
        for y in 0..height {
            for x in 0..width {
                let four = [
                    at(2 * x, 2 * y),
                    at(2 * x + 1, 2 * y),
                    at(2 * x, 2 * y + 1),
                    at(2 * x + 1, 2 * y + 1),
                ];
                pixels.push(std::array::from_fn(|c| {
                    let sum: u32 = four.iter().map(|p| u32::from(p[c])).sum();
                    ((sum + 2) / 4) as u8
                }));
            }
        }
        Tile { width, height, pixels }
    }
}

/// One drawing of one object, trimmed to its outline, at falling sizes.
#[derive(Clone, Debug)]
pub(super) struct Sprite {
    /// Full size first, each next one half of the one before.
    levels: Vec<Tile>,
}

/// How a sprite is put on a scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    /// Length in pixels of the sprite's longer side.
    pub size: f32,
    /// Height over width relative to the drawing's own.
    pub stretch: f32,
    /// Anticlockwise rotation in radians.
    pub angle: f32,
    /// Mirror left to right.
    pub flip: bool,
}

impl Sprite {
    /// The sprite of one trimmed drawing.
    pub fn new(tile: Tile) -> Self {
        let mut levels = vec![tile];
        while let Some(last) = levels.last().filter(|l| l.width.max(l.height) > 12) {
            let next = last.halved();
            levels.push(next);
        }
        Self { levels }
    }

    /// The drawing at full size.
    pub fn full(&self) -> &Tile {
        &self.levels[0]
    }

    /// The sprite scaled, turned and mirrored: the area of interest of a scene's object.
    pub fn place(&self, placement: Placement) -> Tile {
        let full = self.full();
        let scale = placement.size / full.width.max(full.height).max(1) as f32;
        // Bilinear sampling sees four pixels: shrink by the stored halves first.
        let level = ((1.0 / scale).log2() + 0.35).floor().clamp(0.0, 16.0) as usize;
        let source = self.levels.get(level).or(self.levels.last()).unwrap_or(full);
        let (sx, sy) = (
            scale * full.width as f32 / source.width as f32,
            scale * placement.stretch * full.height as f32 / source.height as f32,
        );
        let (half_w, half_h) = (source.width as f32 / 2.0, source.height as f32 / 2.0);
        let (sin, cos) = placement.angle.sin_cos();
        let (w, h) = (half_w * sx, half_h * sy);
        let width = (2.0 * (w * cos.abs() + h * sin.abs())).ceil().max(1.0) as u32;
        let height = (2.0 * (w * sin.abs() + h * cos.abs())).ceil().max(1.0) as u32;
        let mirror = if placement.flip { -1.0 } else { 1.0 };
        let mut pixels = Vec::with_capacity(width as usize * height as usize);
        for y in 0..height {
            let dy = y as f32 + 0.5 - height as f32 / 2.0;
            for x in 0..width {
                let dx = x as f32 + 0.5 - width as f32 / 2.0;
                let u = (dx * cos - dy * sin) / sx * mirror + half_w - 0.5;
                let v = (dx * sin + dy * cos) / sy + half_h - 0.5;
                pixels.push(source.bilinear(u, v));
            }
        }
        Tile { width, height, pixels }
    }
}

impl Tile {
    fn bilinear(&self, u: f32, v: f32) -> [u8; 4] {
        let (u0, v0) = (u.floor(), v.floor());
        let (fu, fv) = (u - u0, v - v0);
        let (u0, v0) = (u0 as i32, v0 as i32);
        if u0 < -1 || v0 < -1 || u0 >= self.width as i32 || v0 >= self.height as i32 {
            return [0; 4];
        }
        let at = |x: i32, y: i32| -> [u8; 4] {
            if x < 0 || y < 0 || x >= self.width as i32 || y >= self.height as i32 {
                return [0; 4];
            }
            self.pixels[(y as u32 * self.width + x as u32) as usize]
        };
        let (a, b) = (at(u0, v0), at(u0 + 1, v0));
        let (c, d) = (at(u0, v0 + 1), at(u0 + 1, v0 + 1));
        std::array::from_fn(|i| {
            let top = f32::from(a[i]) * (1.0 - fu) + f32::from(b[i]) * fu;
            let bottom = f32::from(c[i]) * (1.0 - fu) + f32::from(d[i]) * fu;
            (top * (1.0 - fv) + bottom * fv + 0.5) as u8
        })
    }

    /// Turns every hue by `angle` radians and keeps luminance (the matrix of the `hueRotate`
    /// filter, W3C Filter Effects Module Level 1, section 9.6).
    pub fn rotate_hue(&mut self, angle: f32) {
        let (s, c) = angle.sin_cos();
        let m = [
            [
                0.213 + 0.787 * c - 0.213 * s,
                0.715 - 0.715 * c - 0.715 * s,
                0.072 - 0.072 * c + 0.928 * s,
            ],
            [
                0.213 - 0.213 * c + 0.143 * s,
                0.715 + 0.285 * c + 0.140 * s,
                0.072 - 0.072 * c - 0.283 * s,
            ],
            [
                0.213 - 0.213 * c - 0.787 * s,
                0.715 - 0.715 * c + 0.715 * s,
                0.072 + 0.928 * c + 0.072 * s,
            ],
        ];
        for pixel in &mut self.pixels {
            let alpha = f32::from(pixel[3]);
            let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
            for (channel, row) in pixel.iter_mut().zip(m) {
                *channel = (row[0] * r + row[1] * g + row[2] * b).clamp(0.0, alpha).round() as u8;
            }
        }
    }
}

impl Tile {
    /// Multiplies every saturation, keeping luminance (the matrix of the `saturate` filter, W3C
    /// Filter Effects Module Level 1, section 9.6).
    pub fn saturate(&mut self, factor: f32) {
        for pixel in &mut self.pixels {
            let alpha = f32::from(pixel[3]);
            let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
            let grey = 0.213 * r + 0.715 * g + 0.072 * b;
            for (channel, value) in pixel.iter_mut().zip([r, g, b]) {
                *channel = (grey + factor * (value - grey)).clamp(0.0, alpha).round() as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(side: u32) -> Tile {
        Tile { width: side, height: side, pixels: vec![[200, 10, 10, 255]; (side * side) as usize] }
    }

    #[test]
    fn placing_keeps_size_and_colour() {
        let sprite = Sprite::new(square(96));
        for size in [12.0, 24.0, 50.0, 72.0, 96.0] {
            let placed = sprite.place(Placement { size, stretch: 1.0, angle: 0.0, flip: true });
            let area = placed.solid().count() as f32;
            assert!((area.sqrt() - size).abs() <= 1.0, "{size}: {area}");
            let middle = (placed.height / 2 * placed.width + placed.width / 2) as usize;
            assert_eq!(placed.pixels[middle], [200, 10, 10, 255]);
        }
    }

    #[test]
    fn saturation_moves_colours_along_their_grey() {
        let saturated = |factor| {
            let mut tile = square(1);
            tile.saturate(factor);
            tile.pixels[0]
        };
        assert_eq!(saturated(1.0), [200, 10, 10, 255]);
        let grey = (0.213 * 200.0 + 0.787 * 10.0f32).round() as u8;
        assert_eq!(saturated(0.0), [grey, grey, grey, 255]);
        assert_eq!(saturated(9.0), [255, 0, 0, 255]);
    }

    #[test]
    fn turning_keeps_the_area() {
        let sprite = Sprite::new(square(64));
        let turned = sprite.place(Placement { size: 40.0, stretch: 1.0, angle: 0.3, flip: false });
        let area = turned.solid().count() as f32;
        assert!((area - 1600.0).abs() < 80.0, "{area}");
        assert!(turned.width > 45);
    }

    #[test]
    fn a_drawn_tile_covers_what_it_should() {
        let mut image = RgbImage::from_pixel(10, 10, image::Rgb([0, 0, 255]));
        square(4).draw(&mut image, -2, 8);
        let red = image.pixels().filter(|p| p.0 == [200, 10, 10]).count();
        assert_eq!(red, 4);
    }
}
