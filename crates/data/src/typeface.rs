//! Outlines of words in a typeface.

use std::sync::Arc;

use resvg::tiny_skia::{Path, PathBuilder};
use ttf_parser::{Face, OutlineBuilder};

use crate::{Error, Result};

/// A TrueType font file that was checked to draw Latin letters.
#[derive(Clone)]
pub struct Typeface {
    bytes: Arc<[u8]>,
}

impl Typeface {
    /// Lato Bold, carried inside the program (SIL Open Font License).
    pub fn bundled() -> Self {
        Self { bytes: Arc::from(&include_bytes!("../../../assets/scene/Lato-Bold.ttf")[..]) }
    }

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

    /// Width of the word for an em of one; 1 when it shows nothing.
    pub fn width(&self, text: &str) -> f32 {
        self.outline(text).map_or(1.0, |path| path.bounds().width())
    }

    /// The word's outline for an em of one, baseline at 0, y downwards. `None` when the font lacks
    /// one of its letters, or it shows nothing.
    pub fn outline(&self, text: &str) -> Option<Path> {
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

    #[test]
    fn what_is_bundled_is_a_font() {
        let bytes = Typeface::bundled().bytes;
        let face = Typeface::parse("Lato-Bold.ttf", bytes).unwrap();
        assert!(face.width("market") > face.width("up"));
        let bounds = face.outline("H8").unwrap().bounds();
        // Letters stand on the baseline and are less than an em high.
        assert!(bounds.bottom().abs() < 0.03 && (-0.8..-0.6).contains(&bounds.top()), "{bounds:?}");
        assert!(face.outline("\u{4e00}").is_none() && face.outline(" ").is_none());
    }

    #[test]
    fn what_is_no_font_is_named() {
        let error = Typeface::parse("x.ttf", Arc::from(&b"nothing"[..])).err().unwrap();
        assert!(error.to_string().starts_with("x.ttf: no font"));
    }
}
