//! Boxes.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::share;

/// Overlap from which a box counts as found.
const FOUND: f64 = 0.5;

/// Area of the intersection over area of the union of two boxes `[x1, y1, x2, y2]`. A box whose
/// second corner does not lie beyond its first has no area.
pub fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let side = |low: f64, high: f64| (high - low).max(0.0);
    let area = |[x1, y1, x2, y2]: [f64; 4]| side(x1, x2) * side(y1, y2);
    let common = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    share(common, area(a) + area(b) - common)
}

/// Overlaps with the right boxes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BoxScore {
    /// Answers.
    pub total: usize,
    /// Answers without a box; they overlap with nothing.
    pub missing: usize,
    /// Answers that overlap by half or more.
    pub found: usize,
    sum: f64,
}

impl BoxScore {
    /// Counts one answer.
    pub fn add(&mut self, truth: [u32; 4], said: Option<[u32; 4]>) {
        self.total += 1;
        let Some(said) = said else {
            self.missing += 1;
            return;
        };
        let overlap = iou(truth.map(f64::from), said.map(f64::from));
        self.sum += overlap;
        self.found += usize::from(overlap >= FOUND);
    }

    /// Mean intersection over union.
    pub fn mean_iou(&self) -> f64 {
        share(self.sum, self.total as f64)
    }

    /// The share of answers that overlap by half or more.
    pub fn found_share(&self) -> f64 {
        share(self.found as f64, self.total as f64)
    }
}

impl Serialize for BoxScore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("BoxScore", 4)?;
        object.serialize_field("n", &self.total)?;
        object.serialize_field("mean_iou", &self.mean_iou())?;
        object.serialize_field("iou_50", &self.found_share())?;
        object.serialize_field("missing", &self.missing)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_worked_out_by_hand() {
        let square = [0.0, 0.0, 10.0, 10.0];
        assert_eq!(iou(square, square), 1.0);
        assert_eq!(iou(square, [5.0, 0.0, 15.0, 10.0]), 50.0 / 150.0);
        assert_eq!(iou(square, [2.0, 2.0, 6.0, 7.0]), 0.2);
        assert_eq!(iou(square, [10.0, 0.0, 20.0, 10.0]), 0.0);
        assert_eq!(iou(square, [6.0, 6.0, 2.0, 2.0]), 0.0);
        assert_eq!(iou([3.0; 4], [3.0; 4]), 0.0);
    }

    #[test]
    fn missing_boxes_lower_the_mean() {
        let mut score = BoxScore::default();
        score.add([0, 0, 10, 10], Some([0, 0, 10, 5]));
        score.add([0, 0, 10, 10], Some([5, 0, 15, 10]));
        score.add([0, 0, 10, 10], None);
        assert!((score.mean_iou() - (0.5 + 1.0 / 3.0) / 3.0).abs() < 1e-12);
        assert_eq!(score.found_share(), 1.0 / 3.0);
        assert_eq!(score.missing, 1);
    }
}
