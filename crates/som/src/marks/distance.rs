//! The inmost point of a mask, by the exact Euclidean distance transform.
//!
//! Felzenszwalb and Huttenlocher, *Distance Transforms of Sampled Functions* (2012): distances
//! down the columns first, then along each row the lower envelope of the parabolas that these
//! raise. All numbers are whole (squared distances), with the separation of two parabolas as in
//! Meijster, Roerdink and Hesselink, *A General Algorithm for Computing Distance Transforms in
//! Linear Time* (2000), so that nothing is rounded.

use std::cmp::Reverse;

use quintet_data::Mask;

/// The pixel of a mask that is farthest from everything outside, `[x, y]`. Often there are several;
/// both choices among them are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inmost {
    /// The one at half their count in row-major order: the choice of microsoft/SoM
    /// (`_draw_number_in_mask` of `task_adapter/utils/visualizer.py`).
    pub halfway: [u32; 2],
    /// The one nearest to their mean.
    pub middle: [u32; 2],
    /// Squared distance, in pixels, to the nearest pixel that is not of the mask; beyond the
    /// picture nothing is.
    pub reach: i64,
}

/// Finds the inmost pixels.
pub fn inmost(mask: &Mask) -> Inmost {
    let columns = Columns::new(mask);
    let mut runs = columns.runs();
    runs.sort_by_key(|run| Reverse(run.bound));
    let [left, top, ..] = mask.bbox();
    let mut envelope = Envelope::default();
    let (mut reach, mut pixels) = (0, Vec::new());
    // Most runs are known to hold nothing better and are never looked at.
    for run in runs {
        if run.bound * run.bound < reach {
            break;
        }
        envelope.squares(&columns, run, |column, square| {
            if square > reach {
                reach = square;
                pixels.clear();
            }
            if square == reach {
                pixels.push((top + run.row as u32, left + column as u32));
            }
        });
    }
    pixels.sort_unstable();
    let place = |pixel: Option<&(u32, u32)>| pixel.map_or([left, top], |(y, x)| [*x, *y]);
    let halfway = place(pixels.get(pixels.len() / 2));
    Inmost { halfway, middle: place(nearest_to_mean(&pixels)), reach }
}

/// Of several at the same distance, the first.
fn nearest_to_mean(pixels: &[(u32, u32)]) -> Option<&(u32, u32)> {
    let count = pixels.len() as i64;
    let sum = |part: fn(&(u32, u32)) -> u32| pixels.iter().map(|p| i64::from(part(p))).sum::<i64>();
    let [y, x] = [sum(|pixel| pixel.0), sum(|pixel| pixel.1)].map(|sum| sum / count.max(1));
    let square =
        |pixel: &(u32, u32)| (i64::from(pixel.0) - y).pow(2) + (i64::from(pixel.1) - x).pow(2);
    pixels.iter().min_by_key(|pixel| square(pixel))
}

/// For each pixel of a mask's bounding box, the distance to the nearest one up or down that is not
/// of the mask.
struct Columns {
    width: usize,
    distances: Vec<u32>,
}

/// Neighbours in a row that are of the mask.
#[derive(Clone, Copy)]
struct Run {
    row: usize,
    start: usize,
    end: usize,
    /// No distance in the run is greater.
    bound: i64,
}

impl Columns {
    fn new(mask: &Mask) -> Self {
        let [x1, _, x2, _] = mask.bbox();
        let width = (x2 - x1) as usize;
        let mut distances = Vec::with_capacity(width * mask.rows().len());
        let mut above = vec![0u32; width];
        for (_, row) in mask.rows() {
            for (above, bit) in above.iter_mut().zip(row) {
                *above = if *bit { *above + 1 } else { 0 };
            }
            distances.extend_from_slice(&above);
        }
        let mut below = vec![0u32; width];
        for row in distances.chunks_exact_mut(width).rev() {
            for (distance, below) in row.iter_mut().zip(&mut below) {
                *below = (*distance).min(*below + 1);
                *distance = *below;
            }
        }
        Self { width, distances }
    }

    fn runs(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        for (row, distances) in self.distances.chunks_exact(self.width).enumerate() {
            let mut end = 0;
            while let Some(gap) = distances.iter().skip(end).position(|d| *d > 0) {
                let start = end + gap;
                let run = distances.iter().skip(start).take_while(|d| **d > 0);
                let (length, highest) =
                    run.fold((0, 0), |(length, highest), d| (length + 1, highest.max(*d)));
                end = start + length;
                let bound = i64::from(highest).min((length as i64 + 1) / 2);
                runs.push(Run { row, start, end, bound });
            }
        }
        runs
    }

    /// The distances of a run's pixels.
    fn of(&self, run: Run) -> &[u32] {
        let row = run.row * self.width;
        self.distances.get(row + run.start..row + run.end).unwrap_or_default()
    }
}

/// The lower envelope of the parabolas over a row.
#[derive(Default)]
struct Envelope {
    /// Squared heights of the parabolas' feet.
    feet: Vec<i64>,
    /// Each parabola's position, and the first place where it is the lowest.
    lowest: Vec<(i64, i64)>,
}

impl Envelope {
    /// Tells the squared distance of each pixel of a run, from right to left.
    fn squares(&mut self, columns: &Columns, run: Run, mut tell: impl FnMut(usize, i64)) {
        // The pixels before and behind the run are outside: their parabolas stand on the ground,
        // and no parabola beyond them is lower within the run.
        self.feet.clear();
        self.feet.push(0);
        self.feet.extend(columns.of(run).iter().map(|d| i64::from(*d) * i64::from(*d)));
        self.feet.push(0);
        let count = self.feet.len() as i64;
        let feet = &self.feet;
        let height = |x: i64, at: i64| (x - at) * (x - at) + feet[at as usize];
        self.lowest.clear();
        for at in 0..count {
            while let Some(&(other, from)) = self.lowest.last()
                && height(from, other) > height(from, at)
            {
                self.lowest.pop();
            }
            let Some(&(other, _)) = self.lowest.last() else {
                self.lowest.push((at, 0));
                continue;
            };
            let rise = at * at - other * other + feet[at as usize] - feet[other as usize];
            let from = 1 + rise / (2 * (at - other));
            if from < count {
                self.lowest.push((at, from));
            }
        }
        for x in (0..count).rev() {
            let Some(&(at, from)) = self.lowest.last() else { break };
            if x > 0 && x < count - 1 {
                tell(run.start + x as usize - 1, height(x, at));
            }
            if x == from {
                self.lowest.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quintet_data::formats::coco::Rle;

    use super::*;
    use crate::marks::testing::{Random, golden};

    /// Squared distance of each pixel of the mask, by comparing it with every place outside.
    fn brute_force(mask: &Mask) -> Vec<((u32, u32), i64)> {
        let [x1, y1, x2, y2] = mask.bbox().map(i64::from);
        let around = (y1 - 1..=y2).flat_map(|y| (x1 - 1..=x2).map(move |x| (x, y)));
        let inside = |(x, y): (i64, i64)| {
            u32::try_from(x).is_ok_and(|x| u32::try_from(y).is_ok_and(|y| mask.contains(x, y)))
        };
        let outside: Vec<_> = around.filter(|place| !inside(*place)).collect();
        let nearest = |(px, py): (u32, u32)| {
            let squares = outside
                .iter()
                .map(|(x, y)| (x - i64::from(px)).pow(2) + (y - i64::from(py)).pow(2));
            squares.min().unwrap()
        };
        mask.pixels().map(|pixel| (pixel, nearest(pixel))).collect()
    }

    fn transform(mask: &Mask) -> Vec<((u32, u32), i64)> {
        let columns = Columns::new(mask);
        let [left, top, ..] = mask.bbox();
        let mut squares = Vec::new();
        for run in columns.runs() {
            Envelope::default().squares(&columns, run, |column, square| {
                assert!(square <= run.bound * run.bound);
                squares.push(((left + column as u32, top + run.row as u32), square));
            });
        }
        squares.sort_unstable_by_key(|((x, y), _)| (*y, *x));
        squares
    }

    #[test]
    fn distances_are_those_of_comparing_all_pixels() {
        let mut random = Random::new(3);
        for _ in 0..400 {
            let mask = random.mask(40, 30);
            let expected = brute_force(&mask);
            assert_eq!(transform(&mask), expected);
            let reach = expected.iter().map(|(_, square)| *square).max().unwrap();
            let mut best: Vec<_> = expected.iter().filter(|(_, square)| *square == reach).collect();
            best.sort_unstable_by_key(|((x, y), _)| (*y, *x));
            let ((x, y), _) = *best[best.len() / 2];
            let found = inmost(&mask);
            assert_eq!((found.halfway, found.reach), ([x, y], reach));
            assert!(best.iter().any(|((x, y), _)| found.middle == [*x, *y]));
        }
    }

    #[test]
    fn masks_of_one_pixel_and_of_a_whole_picture() {
        let of = |bbox| inmost(&Mask::rectangle(bbox).unwrap());
        let one = of([7, 9, 8, 10]);
        assert_eq!(one, Inmost { halfway: [7, 9], middle: [7, 9], reach: 1 });
        assert_eq!(of([0, 0, 5000, 1]).middle, [2499, 0]);
        assert_eq!(of([0, 0, 101, 51]).reach, 26 * 26);
        // Halfway through two equal rows is the start of the second.
        assert_eq!(of([0, 0, 50, 2]), Inmost { halfway: [0, 1], middle: [24, 0], reach: 1 });
    }

    /// `golden/marks/make.py`: the reference's placement with OpenCV's exact transform.
    #[test]
    fn anchors_are_those_of_the_reference() {
        let cases = golden("anchors.json");
        let cases = cases.as_array().unwrap();
        let mut ties = 0;
        for case in cases {
            let runs: Rle = serde_json::from_value(case["mask"].clone()).unwrap();
            let mask = Mask::from_coco(&runs.decode().unwrap()).unwrap();
            let found = inmost(&mask);
            let anchor: [u32; 2] = serde_json::from_value(case["anchor"].clone()).unwrap();
            let square = case["square"].as_i64().unwrap();
            assert_eq!((found.halfway, found.reach), (anchor, square), "{}", case["name"]);
            ties += usize::from(case["ties"].as_u64().unwrap() > 1);
        }
        assert!(cases.len() > 60 && ties > 20, "{} {ties}", cases.len());
    }
}
