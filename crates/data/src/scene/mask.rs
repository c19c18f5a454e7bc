//! Exact outlines.

use crate::formats::coco::{self, Rle};

/// The pixels of an object that can be seen, as a bitmap of its bounding box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    bbox: [u32; 4],
    bits: Vec<bool>,
}

impl Mask {
    /// The pixels for which `inside` holds, of those within `area` (`[x1, y1, x2, y2)`).
    ///
    /// `None` when there is no such pixel. The mask's box is as tight as can be.
    pub fn collect(area: [u32; 4], inside: impl Fn(u32, u32) -> bool) -> Option<Self> {
        let [left, top, right, bottom] = area;
        let mut bbox: Option<[u32; 4]> = None;
        for y in top..bottom {
            for x in (left..right).filter(|x| inside(*x, y)) {
                let [x1, y1, x2, _] = bbox.unwrap_or([x, y, x + 1, y + 1]);
                bbox = Some([x1.min(x), y1, x2.max(x + 1), y + 1]);
            }
        }
        let bbox = bbox?;
        let bits = (bbox[1]..bbox[3])
            .flat_map(|y| (bbox[0]..bbox[2]).map(move |x| (x, y)))
            .map(|(x, y)| inside(x, y))
            .collect();
        Some(Self { bbox, bits })
    }

    /// Tight bounding box in pixels: left, top, and the first column and row beyond.
    pub fn bbox(&self) -> [u32; 4] {
        self.bbox
    }

    /// Whether the pixel belongs to the object.
    pub fn contains(&self, x: u32, y: u32) -> bool {
        let [x1, y1, x2, y2] = self.bbox;
        let inside = (x1..x2).contains(&x) && (y1..y2).contains(&y);
        inside && self.bits.get(((y - y1) * (x2 - x1) + x - x1) as usize).copied().unwrap_or(false)
    }

    /// Number of pixels.
    pub fn area(&self) -> u32 {
        self.bits.iter().map(|bit| u32::from(*bit)).sum()
    }

    /// The pixels, row by row.
    pub fn pixels(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let [x1, y1, x2, _] = self.bbox;
        let width = (x2 - x1).max(1);
        (0..)
            .zip(&self.bits)
            .filter(|(_, bit)| **bit)
            .map(move |(i, _): (u32, _)| (x1 + i % width, y1 + i / width))
    }

    /// The mask in COCO's packed runs, for a picture of `width` × `height`.
    ///
    /// # Errors
    /// When the picture is too large for COCO masks; the text says so.
    pub fn coco(&self, width: u32, height: u32) -> Result<Rle, String> {
        let whole = coco::Mask::from_fn(width, height, |x, y| self.contains(x, y))?;
        Rle::encode(&whole).packed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn coco_says_the_same() {
        let mask = Mask::collect([0, 0, 30, 20], |x, y| (x * y) % 7 == 3).unwrap();
        let back = mask.coco(40, 25).unwrap().decode().unwrap();
        assert_eq!(back.area() as u32, mask.area());
        assert!(mask.pixels().all(|(x, y)| back.get(x, y)));
    }
}
