//! What the tests share.

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use quintet_data::Mask;

use crate::regions::{Origin, Region};

/// Numbers that look random (Vigna's SplitMix64), the same each time.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        super::colour::split_mix(&mut self.0) as u32 % end.max(1)
    }

    /// A mask of a few discs, with holes and noise, within a picture.
    pub fn mask(&mut self, width: u32, height: u32) -> Mask {
        let side = width.min(height);
        let disc = |random: &mut Self, most: u32| {
            [random.below(width), random.below(height), random.below(most)]
        };
        let full: Vec<_> = (0..1 + self.below(4)).map(|_| disc(self, 1 + side / 2)).collect();
        let holes: Vec<_> = (0..self.below(3)).map(|_| disc(self, 1 + side / 6)).collect();
        let noise = self.below(3) * 20;
        let noisy: Vec<bool> =
            (0..width * height).map(|_| noise > 0 && self.below(noise) == 0).collect();
        let covers = |discs: &[[u32; 3]], x: u32, y: u32| {
            let within =
                |[cx, cy, r]: &[u32; 3]| x.abs_diff(*cx).pow(2) + y.abs_diff(*cy).pow(2) <= r * r;
            discs.iter().any(within)
        };
        let inside = |x: u32, y: u32| {
            covers(&full, x, y) && !covers(&holes, x, y) && !noisy[(y * width + x) as usize]
        };
        Mask::collect([0, 0, width, height], inside).or(Mask::rectangle([0, 0, 1, 1])).unwrap()
    }

    pub fn regions(&mut self, count: usize, width: u32, height: u32) -> Vec<Region> {
        (0..count).map(|_| Region::new(self.mask(width, height), Origin::Boxes)).collect()
    }

    pub fn picture(&mut self, width: u32, height: u32) -> RgbImage {
        let colours: [Rgb<u8>; 4] =
            std::array::from_fn(|_| Rgb(std::array::from_fn(|_| self.below(256) as u8)));
        RgbImage::from_fn(width, height, |x, y| colours[((x / 16 + y / 16) % 4) as usize])
    }
}

/// A file of `golden/marks`, committed or freshly made.
pub fn golden(name: &str) -> serde_json::Value {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden");
    let golden = std::env::var_os("QUINTET_GOLDEN").map_or(committed, PathBuf::from);
    let path = golden.join("marks").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
