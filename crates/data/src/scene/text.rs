//! Words as pictures.

use resvg::tiny_skia::{
    Color, FillRule, LineJoin, Paint, PathBuilder, Pixmap, Rect, Stroke, Transform,
};

use super::{raster, tile::Tile};
use crate::typeface::Typeface;

/// How a word looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lettering {
    /// Em size in pixels.
    pub em: f32,
    /// Of the letters.
    pub ink: [u8; 3],
    /// Of the plate behind them, or of their outline when there is no plate.
    pub ground: [u8; 3],
    /// Whether there is a plate.
    pub plate: bool,
    /// Anticlockwise rotation in radians.
    pub angle: f32,
}

/// A drawn word.
pub(super) struct Plate {
    /// The letters and what is behind them.
    pub tile: Tile,
    /// Bounding box of the letters within the tile: `[x1, y1, x2, y2]`.
    pub letters: [f32; 4],
}

impl Plate {
    /// Draws a word.
    pub fn draw(face: &Typeface, text: &str, lettering: Lettering) -> Option<Self> {
        let path = face.outline(text)?;
        let em = lettering.em;
        let bounds = path.bounds();
        let margin = em * if lettering.plate { 0.28 } else { 0.12 };
        let (half_w, half_h) =
            (bounds.width() * em / 2.0 + margin, bounds.height() * em / 2.0 + margin);
        let (sin, cos) = lettering.angle.sin_cos();
        let width = (2.0 * (half_w * cos.abs() + half_h * sin.abs())).ceil().max(1.0);
        let height = (2.0 * (half_w * sin.abs() + half_h * cos.abs())).ceil().max(1.0);
        let mut pixmap = Pixmap::new(width as u32, height as u32)?;

        let turn = Transform::from_rotate(-lettering.angle.to_degrees())
            .post_translate(width / 2.0, height / 2.0);
        let centre = Transform::from_translate(
            -(bounds.left() + bounds.right()) / 2.0,
            -(bounds.top() + bounds.bottom()) / 2.0,
        )
        .post_scale(em, em)
        .post_concat(turn);
        let paint = |[r, g, b]: [u8; 3]| {
            let mut paint = Paint { anti_alias: true, ..Paint::default() };
            paint.set_color(Color::from_rgba8(r, g, b, 255));
            paint
        };
        if lettering.plate {
            let rect = Rect::from_ltrb(-half_w, -half_h, half_w, half_h)?;
            let rect = PathBuilder::from_rect(rect);
            pixmap.fill_path(&rect, &paint(lettering.ground), FillRule::Winding, turn, None);
        } else {
            let stroke = Stroke { width: 0.2, line_join: LineJoin::Round, ..Stroke::default() };
            pixmap.stroke_path(&path, &paint(lettering.ground), &stroke, centre, None);
        }
        pixmap.fill_path(&path, &paint(lettering.ink), FillRule::Winding, centre, None);

        let drawn = path.transform(centre)?.bounds();
        let letters = [drawn.left(), drawn.top(), drawn.right(), drawn.bottom()];
        Some(Self { tile: raster::from_pixmap(&pixmap), letters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_lie_where_the_box_says() {
        let look = Lettering { em: 30.0, ink: [0; 3], ground: [255; 3], plate: true, angle: 0.0 };
        let plate = Plate::draw(&Typeface::bundled(), "stop", look).unwrap();
        let dark = |p: &[u8; 4]| p[3] == 255 && p[0] < 128;
        let width = plate.tile.width as usize;
        let xs: Vec<_> = (0..)
            .zip(&plate.tile.pixels)
            .filter(|(_, p)| dark(p))
            .map(|(i, _)| i % width)
            .collect();
        let ys: Vec<_> = (0..)
            .zip(&plate.tile.pixels)
            .filter(|(_, p)| dark(p))
            .map(|(i, _)| i / width)
            .collect();
        let found = [
            *xs.iter().min().unwrap(),
            *ys.iter().min().unwrap(),
            xs.iter().max().unwrap() + 1,
            ys.iter().max().unwrap() + 1,
        ];
        for (found, said) in found.into_iter().zip(plate.letters) {
            assert!((found as f32 - said).abs() <= 1.5, "{found} {said}");
        }
    }
}
