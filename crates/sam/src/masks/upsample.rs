//! Masks of the picture's size from the decoder's small ones.

use std::ops::Range;

use super::runs::{Run, Runs};
use crate::frame::Frame;

/// Values of the small mask that one pixel of the picture is made of, along an axis.
const TAPS: usize = 3;

/// Resizes logits to the picture as `postprocess_masks` of `segment-anything` does: bilinearly to
/// the encoder's image, without its padding bilinearly to the picture. Both are linear and of rows
/// and columns apart, so each pixel is one sum of three values along each axis, and nothing of the
/// encoder's size is made on the way.
#[derive(Debug)]
pub struct Upsampler {
    /// Side of the small mask.
    side: usize,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
}

#[derive(Clone, Copy, Debug)]
struct Tap {
    first: usize,
    weights: [f32; TAPS],
}

impl Tap {
    fn sum(&self, [x, y, z]: [f32; TAPS]) -> f32 {
        let [a, b, c] = self.weights;
        a * x + b * y + c * z
    }
}

/// A mask cut out of logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// The pixels above 0.
    pub runs: Runs,
    /// How little the mask depends on that bound: pixels above `offset` over those above `-offset`;
    /// not a number if there are none.
    pub stability: f32,
}

impl Upsampler {
    /// For small masks of `side`, at least [`TAPS`] and at most the encoder's image.
    pub fn new(frame: &Frame, side: usize) -> Self {
        let axis = |axis: usize| {
            let (picture, resized) = (frame.picture[axis] as usize, frame.resized[axis] as usize);
            taps(picture, resized, frame.side as usize, side)
        };
        Self { side, columns: axis(0), rows: axis(1) }
    }

    /// The mask, and its stability under a shift of the bound by `offset`.
    ///
    /// # Shapes
    /// - logits: `side²` values, row by row
    pub fn cut(&self, logits: &[f32], offset: f32) -> Cut {
        let mut runs = Runs::default();
        let (mut inner, mut outer) = (0u64, 0u64);
        // A pixel made of values at or below a bound is not above it either.
        if let Some([left, top, right, bottom]) = self.bounds(logits, -offset) {
            let columns = reached(&self.columns, left, right);
            let rows = reached(&self.rows, top, bottom);
            let taps = self.columns.get(columns.clone()).unwrap_or_default();
            let width = taps.len();
            let first = self.rows.get(rows.start).map_or(0, |tap| tap.first);
            let last = self.rows.get(..rows.end).and_then(|rows| rows.last());
            let lines = first..last.map_or(first, |tap| tap.first + TAPS);
            let across = self.across(logits, lines, taps);
            let mut row = vec![0f32; width];
            for (y, tap) in (0..).zip(&self.rows).take(rows.end).skip(rows.start) {
                let [a, b, c]: [&[f32]; TAPS] = std::array::from_fn(|i| {
                    let start = (tap.first - first + i) * width;
                    across.get(start..start + width).unwrap_or_default()
                });
                for (value, ((x, y), z)) in row.iter_mut().zip(a.iter().zip(b).zip(c)) {
                    *value = tap.sum([*x, *y, *z]);
                }
                inner += above(&row, offset);
                outer += above(&row, -offset);
                push_runs(&mut runs, &row, y, columns.start as u32);
            }
        }
        Cut { runs, stability: inner as f32 / outer as f32 }
    }

    /// Some lines of the small mask, resized along each line.
    fn across(&self, logits: &[f32], lines: Range<usize>, taps: &[Tap]) -> Vec<f32> {
        let mut across = Vec::with_capacity(lines.len() * taps.len());
        for line in logits.chunks_exact(self.side).skip(lines.start).take(lines.len()) {
            across.extend(taps.iter().map(|tap| {
                let values = line.get(tap.first..).and_then(|values| values.first_chunk());
                tap.sum(values.copied().unwrap_or_default())
            }));
        }
        across
    }

    /// The smallest box with all values above a bound: left, top, right, bottom, all inclusive.
    fn bounds(&self, logits: &[f32], bound: f32) -> Option<[usize; 4]> {
        let mut found: Option<[usize; 4]> = None;
        for (y, row) in logits.chunks_exact(self.side).enumerate() {
            let inside = |value: &f32| *value > bound;
            let Some(first) = row.iter().position(inside) else { continue };
            let last = row.iter().rposition(inside).unwrap_or(first);
            let [left, top, right, _] = found.unwrap_or([first, y, last, y]);
            found = Some([left.min(first), top, right.max(last), y]);
        }
        found
    }
}

/// The pixels that values `first` to `last` have a part in.
fn reached(taps: &[Tap], first: usize, last: usize) -> Range<usize> {
    let start = taps.partition_point(|tap| tap.first + TAPS <= first);
    start..taps.partition_point(|tap| tap.first <= last).max(start)
}

fn above(values: &[f32], bound: f32) -> u64 {
    values.iter().map(|value| u32::from(*value > bound)).sum::<u32>().into()
}

/// Adds the pixels of a row whose value is above 0.
fn push_runs(runs: &mut Runs, row: &[f32], y: u32, left: u32) {
    let mut start = None;
    for (x, value) in (left..).zip(row) {
        match (*value > 0.0, start) {
            (true, None) => start = Some(x),
            (false, Some(x1)) => {
                runs.push(Run { y, x1, x2: x });
                start = None;
            }
            _ => {}
        }
    }
    if let Some(x1) = start {
        runs.push(Run { y, x1, x2: left + row.len() as u32 });
    }
}

/// For each of `picture` pixels along an axis, the values of `small` that it is made of, over
/// `resized` pixels of the encoder's `image`.
fn taps(picture: usize, resized: usize, image: usize, small: usize) -> Vec<Tap> {
    let to_image = bilinear(resized, picture);
    let to_small = bilinear(small, image);
    let tap = |(i, part): (usize, f32)| {
        let mut tap = Tap { first: usize::MAX, weights: [0.0; TAPS] };
        for (i, outer) in [(i, 1.0 - part), ((i + 1).min(resized - 1), part)] {
            let (j, part) = to_small.get(i).copied().unwrap_or((small - 1, 0.0));
            if tap.first == usize::MAX {
                tap.first = j.min(small - TAPS);
            }
            for (j, inner) in [(j, 1.0 - part), ((j + 1).min(small - 1), part)] {
                if let Some(weight) = tap.weights.get_mut(j - tap.first) {
                    *weight += outer * inner;
                }
            }
        }
        tap
    };
    to_image.into_iter().map(tap).collect()
}

/// For each of `to` pixels, the first of the two of `from` that it lies between, and the part of the
/// second; in single precision, as PyTorch computes it without aligned corners.
fn bilinear(from: usize, to: usize) -> Vec<(usize, f32)> {
    let scale = from as f32 / to as f32;
    let place = |i: usize| ((i as f32 + 0.5) * scale - 0.5).max(0.0);
    let between = |i| {
        let (place, last) = (place(i), from - 1);
        let first = (place as usize).min(last);
        (first, if first == last { 0.0 } else { place - first as f32 })
    };
    (0..to).map(between).collect()
}

#[cfg(test)]
mod tests {
    use burn::{
        Tensor, module,
        ops::{InterpolateMode, InterpolateOptions},
    };

    use super::{super::runs::tests::area, *};
    use quintet_testing::noise;

    fn resize(x: Tensor<4>, [width, height]: [usize; 2]) -> Tensor<4> {
        let options = InterpolateOptions::new(InterpolateMode::Bilinear)
            .with_align_corners(false)
            .with_output_size([height, width]);
        module::interpolate(x, options)
    }

    /// The two steps of the reference.
    fn reference(frame: &Frame, small: Tensor<4>) -> Vec<f32> {
        let [side, [width, height]] =
            [[frame.side; 2], frame.resized].map(|s| s.map(|s| s as usize));
        let image = resize(small, side).slice([0..1, 0..1, 0..height, 0..width]);
        resize(image, frame.picture.map(|s| s as usize)).into_data().iter().collect()
    }

    #[test]
    fn one_step_is_the_references_two() {
        let side = 12;
        for (seed, picture) in [[48, 48], [37, 21], [90, 133], [200, 3], [1, 77], [1, 1], [7, 5]]
            .into_iter()
            .enumerate()
        {
            let frame = Frame::new(picture, 48).unwrap();
            // Smooth enough that no value is a hair's breadth from a bound.
            let small = noise(seed as u64, [1, 1, side, side]).mul_scalar(3.0);
            let theirs = reference(&frame, small.clone());
            let small: Vec<f32> = small.into_data().iter().collect();
            let cut = Upsampler::new(&frame, side).cut(&small, 1.0);
            let mut ours = vec![false; theirs.len()];
            for run in cut.runs.iter() {
                let row = (run.y * picture[0]) as usize;
                ours[row + run.x1 as usize..row + run.x2 as usize].fill(true);
            }
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert!(theirs.abs() < 1e-4 || *ours == (*theirs > 0.0), "{picture:?}: {theirs}");
            }
            let count = |bound| theirs.iter().filter(|value| **value > bound).count() as f32;
            let stability = count(1.0) / count(-1.0);
            let same = (cut.stability - stability).abs() < 1e-6
                || cut.stability.is_nan() && stability.is_nan();
            assert!(same, "{picture:?}: {} instead of {stability}", cut.stability);
        }
    }

    #[test]
    fn nothing_above_the_bound_is_no_mask() {
        let frame = Frame::new([30, 20], 48).unwrap();
        let upsampler = Upsampler::new(&frame, 12);
        let cut = upsampler.cut(&[-2.0; 144], 1.0);
        assert!(cut.runs.bbox().is_none() && cut.stability.is_nan());
        let cut = upsampler.cut(&[f32::NAN; 144], 1.0);
        assert!(cut.runs.bbox().is_none() && cut.stability.is_nan());
        let cut = upsampler.cut(&[2.0; 144], 1.0);
        assert_eq!((area(&cut.runs), cut.stability), (600, 1.0));
    }
}
