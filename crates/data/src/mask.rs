//! Exact outlines: which pixels belong to an object.

use crate::formats::coco::{self, Rle};

/// The pixels of an object, as a bitmap of its tight bounding box. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    bbox: [u32; 4],
    bits: Vec<bool>,
}

impl Mask {
    /// The pixels for which `inside` holds, of those within `area` (`[x1, y1, x2, y2)`).
    ///
    /// `None` when there is no such pixel.
    pub fn collect(area: [u32; 4], inside: impl Fn(u32, u32) -> bool) -> Option<Self> {
        let [left, top, right, bottom] = area;
        let places = (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y)));
        let bits: Vec<bool> = places.map(|(x, y)| inside(x, y)).collect();
        Self::trim([left, top], right.saturating_sub(left), &bits)
    }

    /// All pixels of `[x1, y1, x2, y2)`; `None` when there is none.
    pub fn rectangle([x1, y1, x2, y2]: [u32; 4]) -> Option<Self> {
        let area = x2.saturating_sub(x1) as usize * y2.saturating_sub(y1) as usize;
        (area > 0).then(|| Self { bbox: [x1, y1, x2, y2], bits: vec![true; area] })
    }

    /// The pixels that are set in a bitmap of a whole picture, row by row; a last row that is not
    /// whole is left out. `None` when none is set.
    pub fn from_bitmap(width: u32, bits: &[bool]) -> Option<Self> {
        Self::trim([0, 0], width, bits)
    }

    /// The pixels of a mask as COCO has it; `None` when it is empty.
    pub fn from_coco(mask: &coco::Mask) -> Option<Self> {
        Self::collect([0, 0, mask.width(), mask.height()], |x, y| mask.get(x, y))
    }

    /// The mask of a bitmap whose corner lies at `left`, `top`.
    fn trim([left, top]: [u32; 2], width: u32, bits: &[bool]) -> Option<Self> {
        let rows = bits.chunks_exact(width.max(1) as usize);
        let mut bbox: Option<[u32; 4]> = None;
        for (y, row) in (top..).zip(rows.clone()) {
            let Some(first) = row.iter().position(|bit| *bit) else { continue };
            let last = row.iter().rposition(|bit| *bit).unwrap_or(first);
            let (first, end) = (left + first as u32, left + last as u32 + 1);
            let [x1, y1, x2, _] = bbox.unwrap_or([first, y, end, y]);
            bbox = Some([x1.min(first), y1, x2.max(end), y + 1]);
        }
        let bbox = bbox?;
        let [x1, y1, x2, y2] = bbox;
        let mut tight = Vec::with_capacity((x2 - x1) as usize * (y2 - y1) as usize);
        for row in rows.skip((y1 - top) as usize).take((y2 - y1) as usize) {
            let inner = row.get((x1 - left) as usize..(x2 - left) as usize);
            tight.extend_from_slice(inner.unwrap_or_default());
        }
        Some(Self { bbox, bits: tight })
    }

    /// Tight bounding box in pixels: left, top, and the first column and row beyond.
    pub fn bbox(&self) -> [u32; 4] {
        self.bbox
    }

    /// Whether the pixel belongs to the object.
    pub fn contains(&self, x: u32, y: u32) -> bool {
        self.span(y, [x, x.saturating_add(1)]).first().copied().unwrap_or(false)
    }

    /// Number of pixels.
    pub fn area(&self) -> u32 {
        count(&self.bits)
    }

    /// Number of pixels within a box, `[x1, y1, x2, y2)`.
    pub fn area_in(&self, bbox: [u32; 4]) -> u32 {
        let [x1, y1, x2, y2] = common(self.bbox, bbox);
        (y1..y2).map(|y| count(self.span(y, [x1, x2]))).sum()
    }

    /// The pixels, row by row.
    pub fn pixels(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let [x1, ..] = self.bbox;
        self.rows().flat_map(move |(y, row)| {
            (x1..).zip(row).filter(|(_, bit)| **bit).map(move |(x, _)| (x, y))
        })
    }

    /// Every row of the bounding box: its `y`, and which of its pixels belong to the object.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (u32, &[bool])> {
        let [x1, y1, x2, y2] = self.bbox;
        (y1..y2).zip(self.bits.chunks_exact((x2 - x1).max(1) as usize))
    }

    /// Number of pixels that belong to both.
    pub fn overlap(&self, other: &Self) -> u32 {
        let [x1, y1, x2, y2] = common(self.bbox, other.bbox);
        let both = |y| {
            let pairs = self.span(y, [x1, x2]).iter().zip(other.span(y, [x1, x2]));
            pairs.map(|(a, b)| u32::from(a & b)).sum::<u32>()
        };
        (y1..y2).map(both).sum()
    }

    /// Intersection over union.
    pub fn iou(&self, other: &Self) -> f32 {
        let both = self.overlap(other);
        both as f32 / (self.area() + other.area() - both) as f32
    }

    /// Adds the pixels of another.
    pub fn add(&mut self, other: &Self) {
        let [x1, y1, x2, y2] = other.bbox;
        let [left, top, right, bottom] = self.bbox;
        let bbox = [left.min(x1), top.min(y1), right.max(x2), bottom.max(y2)];
        if bbox != self.bbox {
            let area = (bbox[2] - bbox[0]) as usize * (bbox[3] - bbox[1]) as usize;
            let grown = Self { bbox, bits: vec![false; area] };
            let old = std::mem::replace(self, grown);
            for (y, row) in old.rows() {
                self.span_mut(y, [left, right]).copy_from_slice(row);
            }
        }
        for (y, row) in other.rows() {
            self.span_mut(y, [x1, x2]).iter_mut().zip(row).for_each(|(bit, more)| *bit |= more);
        }
    }

    /// The pixels that do not belong to another; `None` when there is none.
    pub fn minus(&self, other: &Self) -> Option<Self> {
        let mut rest = self.clone();
        let [x1, y1, x2, y2] = common(self.bbox, other.bbox);
        for y in y1..y2 {
            let taken = other.span(y, [x1, x2]);
            let bits = rest.span_mut(y, [x1, x2]).iter_mut();
            bits.zip(taken).for_each(|(bit, taken)| *bit &= !taken);
        }
        let [left, top, right, _] = rest.bbox;
        Self::trim([left, top], right - left, &rest.bits)
    }

    /// The mask in COCO's packed runs, for a picture of `width` × `height`.
    ///
    /// # Errors
    /// When the picture is too large for COCO masks; the text says so.
    pub fn coco(&self, width: u32, height: u32) -> Result<Rle, String> {
        let whole = coco::Mask::from_fn(width, height, |x, y| self.contains(x, y))?;
        Rle::encode(&whole).packed()
    }

    /// The bits of a row from one column to the one before another; none unless all of these lie
    /// within the bounding box.
    fn span(&self, y: u32, columns: [u32; 2]) -> &[bool] {
        self.place(y, columns).and_then(|place| self.bits.get(place)).unwrap_or_default()
    }

    fn span_mut(&mut self, y: u32, columns: [u32; 2]) -> &mut [bool] {
        let place = self.place(y, columns);
        place.and_then(|place| self.bits.get_mut(place)).unwrap_or_default()
    }

    fn place(&self, y: u32, [from, to]: [u32; 2]) -> Option<std::ops::Range<usize>> {
        let [x1, y1, x2, y2] = self.bbox;
        let inside = x1 <= from && from <= to && to <= x2 && (y1..y2).contains(&y);
        let start = || (y - y1) as usize * (x2 - x1) as usize + (from - x1) as usize;
        inside.then(|| start()..start() + (to - from) as usize)
    }
}

fn count(bits: &[bool]) -> u32 {
    bits.iter().map(|bit| u32::from(*bit)).sum()
}

/// The part that two boxes share; where there is none, one without pixels.
fn common(a: [u32; 4], b: [u32; 4]) -> [u32; 4] {
    let [x1, y1] = [a[0].max(b[0]), a[1].max(b[1])];
    [x1, y1, a[2].min(b[2]).max(x1), a[3].min(b[3]).max(y1)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    type Pixels = BTreeSet<(u32, u32)>;

    fn set(mask: &Mask) -> Pixels {
        mask.pixels().collect()
    }

    /// Masks of all densities, in boxes anywhere in a picture of 24 × 20.
    fn random(rng: &mut ChaCha8Rng) -> Option<Mask> {
        let (x, y) = (rng.random_range(0..24), rng.random_range(0..20));
        let (right, bottom) = (rng.random_range(x..=24), rng.random_range(y..=20));
        let density = rng.random_range(0.0..1.0);
        let bits: Vec<bool> = (0..24 * 20).map(|_| rng.random::<f32>() < density).collect();
        Mask::collect([x, y, right, bottom], |x, y| bits[(y * 24 + x) as usize])
    }

    #[test]
    fn a_mask_is_tight_and_exact() {
        let disc = |x: u32, y: u32| x.abs_diff(20).pow(2) + y.abs_diff(9).pow(2) <= 25;
        let mask = Mask::collect([0, 0, 40, 30], disc).unwrap();
        assert_eq!(mask.bbox(), [15, 4, 26, 15]);
        let all = (0..40).flat_map(|x| (0..30).map(move |y| (x, y)));
        assert!(all.clone().all(|(x, y)| mask.contains(x, y) == disc(x, y)));
        assert_eq!(mask.area() as usize, all.filter(|(x, y)| disc(*x, *y)).count());
        assert_eq!(mask.pixels().count() as u32, mask.area());
        assert_eq!(Mask::collect([0, 0, 9, 9], |_, _| false), None);
        assert_eq!(Mask::collect([9, 9, 3, 3], |_, _| true), None);
    }

    #[test]
    fn every_way_to_make_a_mask_gives_the_same() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..200 {
            let bits: Vec<bool> = (0..30 * 20).map(|_| rng.random::<f32>() < 0.01).collect();
            let inside = |x: u32, y: u32| bits[(y * 30 + x) as usize];
            let collected = Mask::collect([0, 0, 30, 20], inside);
            assert_eq!(Mask::from_bitmap(30, &bits), collected);
            let coco = coco::Mask::from_fn(30, 20, inside).unwrap();
            assert_eq!(Mask::from_coco(&coco), collected);
        }
        let full = Mask::rectangle([3, 4, 9, 6]);
        assert_eq!(full, Mask::collect([3, 4, 9, 6], |_, _| true));
        assert_eq!(Mask::rectangle([3, 4, 3, 9]), None);
        assert_eq!(Mask::rectangle([3, 9, 8, 4]), None);
    }

    #[test]
    fn a_bitmap_of_odd_length_or_no_width_is_no_trouble() {
        assert_eq!(Mask::from_bitmap(0, &[]), None);
        assert_eq!(Mask::from_bitmap(4, &[true; 3]), None);
        assert_eq!(Mask::from_bitmap(4, &[true; 6]), Mask::rectangle([0, 0, 4, 1]));
    }

    #[test]
    fn operations_are_those_of_sets() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (mut apart, mut gone) = (0, 0);
        for _ in 0..2000 {
            let (Some(a), Some(b)) = (random(&mut rng), random(&mut rng)) else { continue };
            let (sa, sb) = (set(&a), set(&b));
            let both = sa.intersection(&sb).count() as u32;
            assert_eq!(a.overlap(&b), both);
            assert_eq!(b.overlap(&a), both);
            assert_eq!(a.iou(&b), both as f32 / sa.union(&sb).count() as f32);
            let mut union = a.clone();
            union.add(&b);
            let all: Pixels = &sa | &sb;
            assert_eq!(
                Some(&union),
                Mask::collect([0, 0, 24, 20], |x, y| all.contains(&(x, y))).as_ref()
            );
            let rest: Pixels = &sa - &sb;
            let minus = a.minus(&b);
            assert_eq!(minus, Mask::collect([0, 0, 24, 20], |x, y| rest.contains(&(x, y))));
            assert_eq!(a.area_in(b.bbox()) as usize, {
                let [x1, y1, x2, y2] = b.bbox();
                sa.iter().filter(|(x, y)| (x1..x2).contains(x) && (y1..y2).contains(y)).count()
            });
            apart += u32::from(both == 0);
            gone += u32::from(minus.is_none());
        }
        assert!(apart > 100 && gone > 10, "{apart} {gone}");
    }

    #[test]
    fn coco_says_the_same() {
        let mask = Mask::collect([0, 0, 30, 20], |x, y| (x * y) % 7 == 3).unwrap();
        let back = mask.coco(40, 25).unwrap().decode().unwrap();
        assert_eq!(back.area() as u32, mask.area());
        assert_eq!(Mask::from_coco(&back), Some(mask));
    }
}
