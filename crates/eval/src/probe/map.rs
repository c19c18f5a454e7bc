//! Attention spread over a picture's patches.

use quintet_data::{Mask, image_processor::Placement};

/// How much of a token's attention goes to each patch of the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionMap {
    grid: [usize; 2],
    weights: Vec<f32>,
    total: f32,
}

/// Places looked at along each side of a patch, to tell how much of it a mask covers.
const SAMPLES: usize = 8;

impl AttentionMap {
    pub(super) fn new(grid: [usize; 2], weights: Vec<f32>) -> Self {
        let total = weights.iter().sum();
        Self { grid, weights, total }
    }

    /// Patches down and across.
    pub fn grid(&self) -> [usize; 2] {
        self.grid
    }

    /// Each patch's weight, row by row.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The share of all attention that goes to the picture; the rest goes to text.
    pub fn to_picture(&self) -> f32 {
        self.total
    }

    /// The `k` patches with the greatest weights, greatest first; the earlier of equals first.
    pub fn top(&self, k: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.weights.len()).collect();
        order.sort_by(|a, b| self.weights[*b].total_cmp(&self.weights[*a]));
        order.truncate(k);
        order
    }

    /// Of the attention to the picture, the share inside a mask (in the picture's own pixels).
    ///
    /// A patch half covered counts half. Attention that knows nothing gives
    /// [`area`](Self::area).
    pub fn inside(&self, mask: &Mask, placement: &Placement) -> f64 {
        let covered = self.coverage(mask, placement);
        let inside: f64 = covered.zip(&self.weights).map(|(c, w)| c * f64::from(*w)).sum();
        if self.total > 0.0 { inside / f64::from(self.total) } else { 0.0 }
    }

    /// The share of the picture that a mask covers, as the encoder sees both.
    pub fn area(&self, mask: &Mask, placement: &Placement) -> f64 {
        self.coverage(mask, placement).sum::<f64>() / self.weights.len().max(1) as f64
    }

    /// The share of each patch that a mask covers.
    fn coverage<'a>(
        &'a self,
        mask: &'a Mask,
        placement: &'a Placement,
    ) -> impl Iterator<Item = f64> + 'a {
        let [rows, columns] = self.grid;
        let patch = |size: u32, count: usize| f64::from(size) / count.max(1) as f64;
        let (wide, high) = (patch(placement.size[0], columns), patch(placement.size[1], rows));
        let within = |i: usize| (i as f64 + 0.5) / SAMPLES as f64;
        let places = (0..rows).flat_map(move |y| (0..columns).map(move |x| (x as f64, y as f64)));
        places.map(move |(x, y)| {
            let samples =
                (0..SAMPLES).flat_map(|i| (0..SAMPLES).map(move |j| (within(i), within(j))));
            let hits = samples.filter(|(i, j)| {
                let [x, y] = placement.source([(x + i) * wide, (y + j) * high]);
                x >= 0.0 && y >= 0.0 && mask.contains(x as u32, y as u32)
            });
            hits.count() as f64 / (SAMPLES * SAMPLES) as f64
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME: Placement = Placement { size: [40, 20], scale: [1.0; 2], offset: [0.0; 2] };

    #[test]
    fn mass_is_counted_by_covered_share() {
        let map = AttentionMap::new([2, 4], vec![0.1, 0.2, 0.0, 0.1, 0.0, 0.0, 0.0, 0.1]);
        assert!((map.to_picture() - 0.5).abs() < 1e-6);
        // The whole of the first patch and the left half of the second.
        let mask = Mask::collect([0, 0, 40, 20], |x, y| x < 15 && y < 10).unwrap();
        assert!((map.inside(&mask, &SAME) - 0.4).abs() < 1e-6);
        assert!((map.area(&mask, &SAME) - 1.5 / 8.0).abs() < 1e-9);
        let whole = Mask::collect([0, 0, 40, 20], |_, _| true).unwrap();
        assert!((map.inside(&whole, &SAME) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn even_attention_finds_the_area() {
        let map = AttentionMap::new([5, 5], vec![0.02; 25]);
        let placement = Placement { size: [100, 100], scale: [2.0, 4.0], offset: [0.0, 10.0] };
        let mask = Mask::collect([0, 0, 50, 20], |x, y| (x + y) % 7 < 3 || x > 30).unwrap();
        let (inside, area) = (map.inside(&mask, &placement), map.area(&mask, &placement));
        assert!((inside - area).abs() < 1e-6 && area > 0.3, "{inside} {area}");
    }

    #[test]
    fn the_greatest_come_first() {
        let map = AttentionMap::new([2, 2], vec![0.1, 0.3, 0.3, 0.2]);
        assert_eq!(map.top(3), [1, 2, 3]);
        assert_eq!(map.top(9).len(), 4);
    }
}
