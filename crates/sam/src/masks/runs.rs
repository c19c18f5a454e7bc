//! Masks as rows of pixels.

use quintet_data::Mask;

/// Pixels `x1` up to `x2` of row `y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The row.
    pub y: u32,
    /// The first column.
    pub x1: u32,
    /// The first column beyond.
    pub x2: u32,
}

/// A mask as runs, row by row and from left to right, none touching the next: for the masks of
/// things, a thousand times smaller than a bitmap of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs(Vec<Run>);

impl Runs {
    /// Joins runs that touch; they come in order.
    pub fn new(runs: impl IntoIterator<Item = Run>) -> Self {
        let mut joined = Self::default();
        runs.into_iter().for_each(|run| joined.push(run));
        joined
    }

    /// Adds a run that comes after all others.
    pub fn push(&mut self, run: Run) {
        match self.0.last_mut() {
            Some(last) if last.y == run.y && last.x2 == run.x1 => last.x2 = run.x2,
            _ => self.0.push(run),
        }
    }

    /// The runs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Run> + '_ {
        self.0.iter().copied()
    }

    /// Left, top, and the first column and row beyond; `None` without pixels.
    pub fn bbox(&self) -> Option<[u32; 4]> {
        let (first, last) = (self.0.first()?, self.0.last()?);
        let x1 = self.0.iter().map(|run| run.x1).min()?;
        let x2 = self.0.iter().map(|run| run.x2).max()?;
        Some([x1, first.y, x2, last.y + 1])
    }

    /// Moved right and down.
    pub fn shifted(mut self, [right, down]: [u32; 2]) -> Self {
        for run in &mut self.0 {
            *run = Run { y: run.y + down, x1: run.x1 + right, x2: run.x2 + right };
        }
        self
    }

    /// All other pixels of a picture.
    pub fn complement(&self, [width, height]: [u32; 2]) -> Self {
        let mut rest = Self::default();
        let mut runs = self.0.iter().peekable();
        for y in 0..height {
            let mut x1 = 0;
            while let Some(run) = runs.next_if(|run| run.y == y) {
                if x1 < run.x1 {
                    rest.push(Run { y, x1, x2: run.x1 });
                }
                x1 = run.x2;
            }
            if x1 < width {
                rest.push(Run { y, x1, x2: width });
            }
        }
        rest
    }

    /// As a bitmap; `None` without pixels.
    pub fn mask(&self) -> Option<Mask> {
        let bbox = self.bbox()?;
        let [left, top, right, bottom] = bbox;
        let width = (right - left) as usize;
        let mut bits = vec![false; width * (bottom - top) as usize];
        for run in &self.0 {
            let row = (run.y - top) as usize * width;
            let columns = row + (run.x1 - left) as usize..row + (run.x2 - left) as usize;
            bits.get_mut(columns).unwrap_or_default().fill(true);
        }
        let at = |x: u32, y: u32| (y - top) as usize * width + (x - left) as usize;
        Mask::collect(bbox, |x, y| bits.get(at(x, y)).copied().unwrap_or(false))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Bitmaps of `width` × `height`, each pixel set with this chance.
    pub fn bitmap(seed: u64, [width, height]: [u32; 2], chance: f64) -> Vec<bool> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..width * height).map(|_| rng.random_bool(chance)).collect()
    }

    pub fn from_bitmap(bits: &[bool], width: u32) -> Runs {
        let set = (0..).zip(bits).filter(|(_, bit)| **bit);
        Runs::new(set.map(|(i, _)| Run { y: i / width, x1: i % width, x2: i % width + 1 }))
    }

    pub fn to_bitmap(runs: &Runs, [width, height]: [u32; 2]) -> Vec<bool> {
        let mut bits = vec![false; (width * height) as usize];
        for run in runs.iter() {
            bits[(run.y * width + run.x1) as usize..(run.y * width + run.x2) as usize].fill(true);
        }
        bits
    }

    pub fn area(runs: &Runs) -> u32 {
        runs.iter().map(|run| run.x2 - run.x1).sum()
    }

    #[test]
    fn runs_are_their_bitmap() {
        let size = [13, 9];
        for seed in 0..20 {
            let bits = bitmap(seed, size, 0.5);
            let runs = from_bitmap(&bits, size[0]);
            assert_eq!(to_bitmap(&runs, size), bits);
            let touching =
                runs.0.windows(2).any(|two| two[0].y == two[1].y && two[0].x2 >= two[1].x1);
            assert!(!touching);
            let mask = Mask::from_bitmap(size[0], &bits).unwrap();
            assert_eq!(runs.mask().as_ref(), Some(&mask));
            assert_eq!(runs.bbox(), Some(mask.bbox()));
            assert_eq!(area(&runs), mask.area());
            let rest = to_bitmap(&runs.complement(size), size);
            assert!(rest.iter().zip(&bits).all(|(rest, bit)| rest != bit));
            let [x1, y1, x2, y2] = mask.bbox();
            assert_eq!(runs.shifted([3, 5]).bbox(), Some([x1 + 3, y1 + 5, x2 + 3, y2 + 5]));
        }
        assert_eq!(Runs::default().mask(), None);
        assert_eq!(area(&Runs::default().complement([4, 2])), 8);
    }
}
