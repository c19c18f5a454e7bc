//! Polygons to pixels, as `pycocotools` fills them (`rleFrPoly` of its `maskApi.c`).
//!
//! The outline is drawn on a grid five times as fine; where it crosses the centre line of a
//! column of pixels, the column toggles between out and in.

use super::rle::Mask;

/// Fineness of the grid on which outlines are drawn.
const FINE: f64 = 5.0;
/// How many picture sizes a corner may lie outside.
const MARGIN: f64 = 4.0;
/// Most grid points of an annotation's outlines: they cost time and memory, however few corners a
/// file spends on them.
pub(super) const MAX_POINTS: u64 = 1 << 26;

/// Adds a polygon, given as `x, y, x, y, …`, whose outline takes of the `left` grid points.
pub(super) fn fill(mask: &mut Mask, polygon: &[f64], left: &mut u64) -> Result<(), String> {
    let (corners, rest) = polygon.as_chunks::<2>();
    if !rest.is_empty() || corners.len() < 3 {
        return Err(format!(
            "a polygon of {} numbers; expected three pairs or more",
            polygon.len()
        ));
    }
    let (width, height) = (f64::from(mask.width()), f64::from(mask.height()));
    let limit = MARGIN * width.max(height) + 1.0;
    if polygon.iter().any(|v| !v.is_finite() || v.abs() > limit) {
        return Err(format!("a polygon leaves the picture of {width} × {height} by far"));
    }
    let fine: Vec<(i64, i64)> =
        corners.iter().map(|&[x, y]| ((FINE * x + 0.5) as i64, (FINE * y + 0.5) as i64)).collect();
    let edges = || fine.iter().copied().zip(fine.iter().copied().cycle().skip(1));
    let points = edges().map(|(from, to)| length(from, to) as u64 + 1).sum();
    *left = left.checked_sub(points).ok_or_else(|| {
        format!("polygons whose outlines are longer than {} pixels", MAX_POINTS / FINE as u64)
    })?;
    let mut toggles = Vec::new();
    let mut before = None;
    for point in edges().flat_map(|(from, to)| line(from, to)) {
        if let Some(before) = before.replace(point) {
            toggles.extend(crossing(before, point, width, height));
        }
    }
    mask.add_runs(toggles);
    Ok(())
}

/// Steps from one corner to the next, along the longer axis.
fn length((x0, y0): (i64, i64), (x1, y1): (i64, i64)) -> i64 {
    (x1 - x0).abs().max((y1 - y0).abs())
}

/// The grid points from one corner to the next, both included.
fn line((x0, y0): (i64, i64), (x1, y1): (i64, i64)) -> impl Iterator<Item = (i64, i64)> {
    let (dx, dy) = ((x1 - x0).abs(), (y1 - y0).abs());
    let along_x = dx >= dy;
    let backward = if along_x { x0 > x1 } else { y0 > y1 };
    // Always drawn in the same direction, so that shared edges of neighbours agree.
    let ((sx, sy), (ex, ey)) = if backward { ((x1, y1), (x0, y0)) } else { ((x0, y0), (x1, y1)) };
    let length = length((x0, y0), (x1, y1));
    let rise = if along_x { ey - sy } else { ex - sx };
    let slope = if length == 0 { 0.0 } else { rise as f64 / length as f64 };
    (0..=length).map(move |t| {
        let t = if backward { length - t } else { t };
        let off = |start: i64| (start as f64 + slope * t as f64 + 0.5) as i64;
        if along_x { (sx + t, off(sy)) } else { (off(sx), sy + t) }
    })
}

/// The pixel (down the columns) from which on a step of the outline toggles its column.
fn crossing(a: (i64, i64), b: (i64, i64), width: f64, height: f64) -> Option<usize> {
    if a.0 == b.0 {
        return None;
    }
    let coarse = |fine: i64| (fine as f64 + 0.5) / FINE - 0.5;
    let column = coarse(if b.0 < a.0 { b.0 } else { b.0 - 1 });
    if column.floor() != column || column < 0.0 || column > width - 1.0 {
        return None;
    }
    let row = coarse(a.1.min(b.1)).clamp(0.0, height).ceil();
    Some(column as usize * height as usize + row as usize)
}
