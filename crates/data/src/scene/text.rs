//! Words as pictures.

use std::sync::Arc;

use resvg::tiny_skia::{
    Color, FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform,
};
use ttf_parser::{Face, OutlineBuilder};

use super::{raster, tile::Tile};
use crate::{Error, Result};

/// A TrueType font file that was checked to draw Latin letters.
#[derive(Clone)]
pub(super) struct Typeface {
    bytes: Arc<[u8]>,
}

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

impl Typeface {
    /// Checks a font; `name` is for the message.
    ///
    /// # Errors
    /// When the bytes are no font or lack a Latin letter.
    pub fn parse(name: &str, bytes: Arc<[u8]>) -> Result<Self> {
        let bad = |reason: String| Error::Media { path: name.to_owned(), reason };
        let face =
            Face::parse(&bytes, 0).map_err(|e| bad(format!("no font that can be read: {e}")))?;
        let lacking = ('a'..='z').chain('A'..='Z').find(|c| face.glyph_index(*c).is_none());
        if let Some(letter) = lacking {
            return Err(bad(format!("the font has no {letter:?}; choose a Latin font")));
        }
        Ok(Self { bytes })
    }

    /// Width of the word for an em of one.
    pub fn width(&self, text: &str) -> f32 {
        self.outline(text).map_or(1.0, |path| path.bounds().width())
    }

    /// Draws a word.
    pub fn draw(&self, text: &str, lettering: Lettering) -> Option<Plate> {
        let path = self.outline(text)?;
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
        Some(Plate { tile: raster::from_pixmap(&pixmap), letters })
    }

    /// The word's outline for an em of one, baseline at 0, y downwards.
    fn outline(&self, text: &str) -> Option<Path> {
        let face = Face::parse(&self.bytes, 0).ok()?;
        let scale = 1.0 / f32::from(face.units_per_em());
        let mut pen = Pen { path: PathBuilder::new(), scale, x: 0.0 };
        for letter in text.chars() {
            let glyph = face.glyph_index(letter)?;
            face.outline_glyph(glyph, &mut pen);
            pen.x += f32::from(face.glyph_hor_advance(glyph)?) * scale;
        }
        pen.path.finish()
    }
}

struct Pen {
    path: PathBuilder,
    scale: f32,
    x: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, -y * self.scale)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face() -> Typeface {
        Typeface::parse("Lato", Arc::from(super::super::bundled::FACE)).unwrap()
    }

    #[test]
    fn letters_lie_where_the_box_says() {
        let look = Lettering { em: 30.0, ink: [0; 3], ground: [255; 3], plate: true, angle: 0.0 };
        let plate = face().draw("stop", look).unwrap();
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
        assert!(face().width("market") > face().width("up"));
    }

    #[test]
    fn what_is_no_font_is_named() {
        let error = Typeface::parse("x.ttf", Arc::from(&b"nothing"[..])).err().unwrap();
        assert!(error.to_string().starts_with("x.ttf: no font"));
    }
}
