//! What a segmenter is asked.

use std::sync::Arc;

use crate::{
    Error, Result,
    frame::Frame,
    network::{PlacedPoint, PointKind},
};

/// Points, a box and an earlier answer that say which object is meant; at least one of these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// Places that belong to the object, and that do not.
    pub points: Vec<Point>,
    /// A box around it, `[x1, y1, x2, y2]` in pixels of the picture.
    pub bbox: Option<[f32; 4]>,
    /// The mask of an earlier answer about the same picture.
    pub mask: Option<Logits>,
}

/// A place in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Pixels from the left.
    pub x: f32,
    /// Pixels from the top.
    pub y: f32,
    /// Whether it belongs to the object.
    pub inside: bool,
}

/// A small mask as the decoder gives it, before any bound is set. Clones share it.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    /// Values along each side.
    pub side: usize,
    /// `side²` values, row by row.
    pub values: Arc<[f32]>,
}

impl Prompt {
    /// The object at a place.
    pub fn point(x: f32, y: f32) -> Self {
        Self { points: vec![Point { x, y, inside: true }], ..Self::default() }
    }

    /// The object in a box, `[x1, y1, x2, y2]`.
    pub fn bbox(bbox: [f32; 4]) -> Self {
        Self { bbox: Some(bbox), ..Self::default() }
    }

    /// Refuses what no decoder can answer.
    ///
    /// # Errors
    /// If it says nothing, a number is not finite, a box ends before it begins, or a mask has
    /// another size than `side²`.
    pub(crate) fn check(&self, side: usize) -> Result<()> {
        let fail = |reason: String| Err(Error::Request(reason));
        if self.points.is_empty() && self.bbox.is_none() && self.mask.is_none() {
            return fail("a prompt needs a point, a box or a mask".into());
        }
        for Point { x, y, .. } in &self.points {
            if !x.is_finite() || !y.is_finite() {
                return fail(format!("point ({x}, {y}) is nowhere"));
            }
        }
        if let Some([x1, y1, x2, y2]) = self.bbox
            && !([x1, y1, x2, y2].iter().all(|place| place.is_finite()) && x1 <= x2 && y1 <= y2)
        {
            return fail(format!("box [{x1}, {y1}, {x2}, {y2}]: expected x1 <= x2 and y1 <= y2"));
        }
        if let Some(mask) = &self.mask
            && (mask.side != side || mask.values.len() != side * side)
        {
            let (found, count) = (mask.side, mask.values.len());
            return fail(format!(
                "a mask prompt of side {found} with {count} values: expected an earlier answer's, \
                 of side {side}"
            ));
        }
        Ok(())
    }

    /// Its points, the box as two of them, in the encoder's image.
    pub(crate) fn placed(&self, frame: &Frame) -> Vec<PlacedPoint> {
        let place = |x: f32, y: f32| frame.place([x.into(), y.into()]);
        let mut placed: Vec<_> = self
            .points
            .iter()
            .map(|point| {
                let kind = if point.inside { PointKind::Foreground } else { PointKind::Background };
                (place(point.x, point.y), kind)
            })
            .collect();
        match self.bbox {
            Some([x1, y1, x2, y2]) => {
                placed.push((place(x1, y1), PointKind::UpperLeft));
                placed.push((place(x2, y2), PointKind::LowerRight));
            }
            // Points without a box end with one that is none.
            None if !placed.is_empty() => placed.push(([0.0; 2], PointKind::Padding)),
            None => {}
        }
        placed
    }
}
