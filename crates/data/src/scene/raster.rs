//! From an icon set's JSON to sprites.

use std::path::Path;

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree},
};

use super::tile::Tile;
use crate::{Error, Result};

/// Longer side in pixels of a rasterised drawing.
pub(super) const RASTER: u32 = 96;

/// Alpha below which a pixel is no part of a drawing's outline.
const FAINT: u8 = 24;

/// One icon as iconify ships it: the inside of an `<svg>` element and its view box.
#[derive(serde::Deserialize)]
struct Icon {
    body: String,
    width: Option<f32>,
    height: Option<f32>,
    left: Option<f32>,
    top: Option<f32>,
}

/// An icon set in iconify's JSON format.
#[derive(serde::Deserialize)]
pub(super) struct IconSet {
    icons: std::collections::HashMap<String, Icon>,
    width: Option<f32>,
    height: Option<f32>,
}

impl IconSet {
    /// Reads `icons.json`.
    ///
    /// # Errors
    /// When the file cannot be read or is no icon set.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read(path).map_err(|source| Error::Io { path: path.to_path_buf(), source })?;
        serde_json::from_slice(&text).map_err(|e| Error::Config {
            path: path.to_path_buf(),
            reason: format!("no iconify icon set ({e}); fetch the package again"),
        })
    }

    /// The SVG document of an icon.
    pub fn svg(&self, slug: &str) -> Option<String> {
        let icon = self.icons.get(slug)?;
        // 16 is iconify's own default.
        let width = icon.width.or(self.width).unwrap_or(16.0);
        let height = icon.height.or(self.height).unwrap_or(16.0);
        let (left, top) = (icon.left.unwrap_or(0.0), icon.top.unwrap_or(0.0));
        Some(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" \
             xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
             width=\"{width}\" height=\"{height}\" viewBox=\"{left} {top} {width} {height}\">{}</svg>",
            icon.body
        ))
    }
}

/// Draws an SVG so that its outline's longer side is [`RASTER`] pixels, trimmed to it.
///
/// # Errors
/// When the SVG does not parse or shows nothing; `name` is for the message.
pub(super) fn rasterise(name: &str, svg: &str) -> Result<Tile> {
    let bad = |reason: String| Error::Media { path: name.to_owned(), reason };
    let tree = Tree::from_str(svg, &Options::default()).map_err(|e| bad(format!("SVG: {e}")))?;
    let longer = tree.size().width().max(tree.size().height());
    let first = render(&tree, RASTER, RASTER, RASTER as f32 / longer, 0.0, 0.0);
    let empty = || bad("the drawing shows nothing".to_owned());
    let [x1, y1, x2, y2] = first.bounds(FAINT).ok_or_else(empty)?;
    // One pixel of margin: the first drawing shows the outline only to a pixel.
    let (w, h) = ((x2 - x1 + 2) as f32, (y2 - y1 + 2) as f32);
    let zoom = RASTER as f32 / w.max(h);
    let scale = RASTER as f32 / longer * zoom;
    let (left, top) = ((x1 as f32 - 1.0) * zoom, (y1 as f32 - 1.0) * zoom);
    let second =
        render(&tree, (w * zoom).ceil() as u32, (h * zoom).ceil() as u32, scale, -left, -top);
    trimmed(&second).ok_or_else(empty)
}

/// The part of a drawing within its outline; `None` if it shows nothing.
pub(super) fn trimmed(tile: &Tile) -> Option<Tile> {
    Some(crop(tile, tile.bounds(FAINT)?))
}

fn render(tree: &Tree, width: u32, height: u32, scale: f32, dx: f32, dy: f32) -> Tile {
    let Some(mut pixmap) = Pixmap::new(width, height) else {
        return Tile { width: 0, height: 0, pixels: Vec::new() };
    };
    let transform = Transform::from_scale(scale, scale).post_translate(dx, dy);
    resvg::render(tree, transform, &mut pixmap.as_mut());
    from_pixmap(&pixmap)
}

/// The pixels of a finished drawing.
pub(super) fn from_pixmap(pixmap: &Pixmap) -> Tile {
    let pixels =
        pixmap.pixels().iter().map(|p| [p.red(), p.green(), p.blue(), p.alpha()]).collect();
    Tile { width: pixmap.width(), height: pixmap.height(), pixels }
}

fn crop(tile: &Tile, [x1, y1, x2, y2]: [u32; 4]) -> Tile {
    let rows = tile.pixels.chunks_exact(tile.width.max(1) as usize);
    let pixels = rows
        .skip(y1 as usize)
        .take((y2 - y1) as usize)
        .flat_map(|row| &row[x1 as usize..x2 as usize])
        .copied()
        .collect();
    Tile { width: x2 - x1, height: y2 - y1, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_is_trimmed_to_its_outline() {
        let svg = "<svg xmlns='http://www.w3.org/2000/svg' width='32' height='32'>\
                   <rect x='8' y='12' width='16' height='8' fill='#f00'/></svg>";
        let tile = rasterise("red box", svg).unwrap();
        assert!(tile.width.abs_diff(RASTER) <= 10, "{}", tile.width);
        assert!(tile.height.abs_diff(tile.width / 2) <= 2, "{}", tile.height);
        let middle = (tile.height / 2 * tile.width + tile.width / 2) as usize;
        assert_eq!(tile.pixels[middle], [255, 0, 0, 255]);
    }

    #[test]
    fn broken_and_empty_drawings_are_named() {
        assert!(rasterise("broken", "<svg").unwrap_err().to_string().contains("broken"));
        let nothing = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>";
        assert!(rasterise("void", nothing).unwrap_err().to_string().contains("shows nothing"));
    }
}
