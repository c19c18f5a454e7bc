//! How all objects are looked for.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// More than any use has: the work grows with the square of the points and with 4 to the layers.
const MOST_POINTS: usize = 256;
const MOST_LAYERS: usize = 4;
const MOST_TOGETHER: usize = 1024;

/// Options of [`Segmenter::segment_all`](crate::Segmenter::segment_all); the defaults are those of
/// `SamAutomaticMaskGenerator`, whose names are given where they differ, but for
/// `points_per_batch`, of which it has 64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Automatic {
    /// Points along each side of the grid.
    pub points_per_side: usize,
    /// Points that are decoded together; changes memory, and hardly speed.
    pub points_per_batch: usize,
    /// Masks must be predicted a greater IoU than this (`pred_iou_thresh`); 0 keeps all.
    pub min_score: f32,
    /// Masks must be at least this stable (`stability_score_thresh`); 0 keeps all.
    pub min_stability: f32,
    /// How far the bound on the logits moves to measure stability (`stability_score_offset`).
    pub stability_offset: f32,
    /// Of two boxes with a greater IoU than this, the one with the lower score goes
    /// (`box_nms_thresh`).
    pub box_nms: f32,
    /// How often the picture is looked at again in crops of half the side (`crop_n_layers`).
    pub crop_layers: usize,
    /// As `box_nms`, between crops, of which the smaller goes first (`crop_nms_thresh`).
    pub crop_nms: f32,
    /// The part of the picture's shorter side by which crops of the first layer overlap
    /// (`crop_overlap_ratio`).
    pub crop_overlap: f64,
    /// The grid of each layer has this many times fewer points along a side than that of the layer
    /// before, at least one (`crop_n_points_downscale_factor`).
    pub crop_downscale: usize,
    /// Holes and islands of fewer pixels are removed (`min_mask_region_area`); 0 keeps all.
    pub min_region: u64,
}

impl Default for Automatic {
    fn default() -> Self {
        Self {
            points_per_side: 32,
            points_per_batch: 8,
            min_score: 0.88,
            min_stability: 0.95,
            stability_offset: 1.0,
            box_nms: 0.7,
            crop_layers: 0,
            crop_nms: 0.7,
            crop_overlap: 512.0 / 1500.0,
            crop_downscale: 1,
            min_region: 0,
        }
    }
}

impl Automatic {
    /// Refuses options that make no sense.
    pub(super) fn check(&self) -> Result<()> {
        let fail = |name: &str, found: String, expected: String| {
            Err(Error::Request(format!("{name} is {found}: expected {expected}")))
        };
        for (name, found, least, most) in [
            ("points_per_side", self.points_per_side, 1, MOST_POINTS),
            ("points_per_batch", self.points_per_batch, 1, MOST_TOGETHER),
            ("crop_layers", self.crop_layers, 0, MOST_LAYERS),
            ("crop_downscale", self.crop_downscale, 1, MOST_POINTS),
        ] {
            if !(least..=most).contains(&found) {
                return fail(name, found.to_string(), format!("{least} to {most}"));
            }
        }
        for (name, found) in [
            ("min_score", self.min_score),
            ("min_stability", self.min_stability),
            ("box_nms", self.box_nms),
            ("crop_nms", self.crop_nms),
            ("crop_overlap", self.crop_overlap as f32),
        ] {
            if !(0.0..=1.0).contains(&found) {
                return fail(name, found.to_string(), "0 to 1".into());
            }
        }
        if !(self.stability_offset >= 0.0 && self.stability_offset.is_finite()) {
            let found = self.stability_offset.to_string();
            return fail("stability_offset", found, "a number from 0 on".into());
        }
        Ok(())
    }

    /// The points that are asked about in a crop of this layer and size, row by row.
    pub(super) fn grid(&self, layer: usize, [width, height]: [u32; 2]) -> Vec<[f64; 2]> {
        let fewer = self.crop_downscale.saturating_pow(layer as u32);
        let count = (self.points_per_side / fewer).max(1);
        let place = |i: usize, size: u32| (i as f64 + 0.5) / count as f64 * f64::from(size);
        (0..count * count).map(|i| [place(i % count, width), place(i / count, height)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_centred_and_grows_sparser() {
        let options = Automatic { points_per_side: 4, crop_downscale: 2, ..Automatic::default() };
        let grid = options.grid(0, [80, 40]);
        assert_eq!(grid.len(), 16);
        assert_eq!([grid[0], grid[3], grid[4]], [[10.0, 5.0], [70.0, 5.0], [10.0, 15.0]]);
        assert_eq!(options.grid(1, [80, 40]).len(), 4);
        assert_eq!(options.grid(5, [80, 40]), [[40.0, 20.0]]);
    }

    #[test]
    fn options_without_sense_are_refused_by_name() {
        let text = |change: fn(&mut Automatic)| {
            let mut options = Automatic::default();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        for (message, name) in [
            (text(|o| o.points_per_side = 0), "points_per_side"),
            (text(|o| o.points_per_batch = 0), "points_per_batch"),
            (text(|o| o.crop_layers = 9), "crop_layers"),
            (text(|o| o.crop_downscale = 0), "crop_downscale"),
            (text(|o| o.min_score = f32::NAN), "min_score"),
            (text(|o| o.box_nms = 1.5), "box_nms"),
            (text(|o| o.crop_overlap = -0.1), "crop_overlap"),
            (text(|o| o.stability_offset = f32::INFINITY), "stability_offset"),
        ] {
            assert!(message.starts_with(name), "{message}");
        }
        let options: Automatic = serde_json::from_str(r#"{"min_stability": 0.92}"#).unwrap();
        assert_eq!(options, Automatic { min_stability: 0.92, ..Automatic::default() });
    }
}
