//! Regions that Segment Anything finds.

use std::path::Path;

use image::RgbImage;
use quintet_sam::{Automatic, Segmenter};

use super::{Found, Origin, Region, Source};
use crate::Result;

/// All objects that a model finds by itself.
pub struct Segments {
    segmenter: Segmenter,
    options: Automatic,
}

impl Segments {
    /// Looks for objects with this model.
    pub fn new(segmenter: Segmenter, options: Automatic) -> Self {
        Self { segmenter, options }
    }

    /// How Set-of-Mark looks for objects (microsoft/SoM,
    /// `task_adapter/semantic_sam/tasks/inference_semsam_m2m_auto.py`): less stable ones than Segment
    /// Anything by itself too, without specks.
    pub fn set_of_mark() -> Automatic {
        Automatic { min_stability: 0.92, min_region: 10, ..Automatic::default() }
    }
}

impl Source for Segments {
    fn regions(&self, _: &Path, image: &RgbImage) -> Result<Found> {
        let segments = self.segmenter.segment_all(image, &self.options)?;
        let region = |segment: quintet_sam::Segment| Region {
            score: Some(segment.score),
            ..Region::new(segment.mask, Origin::Sam)
        };
        Ok(Found { regions: segments.into_iter().map(region).collect(), skipped: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use burn::Device;

    use super::*;

    #[test]
    fn segments_are_regions() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sam/plain");
        let open = || Segmenter::open(&model, &Device::flex()).unwrap();
        // The model is random: it is sure of nothing.
        let options = Automatic {
            points_per_side: 3,
            min_score: 0.0,
            min_stability: 0.0,
            ..Segments::set_of_mark()
        };
        let image = RgbImage::from_fn(50, 40, |x, y| image::Rgb([(x * 5) as u8, (y * 6) as u8, 9]));
        let segments = open().segment_all(&image, &options).unwrap();
        let found = Segments::new(open(), options).regions(Path::new("any"), &image).unwrap();
        assert!(!segments.is_empty() && found.regions.len() == segments.len());
        for (region, segment) in found.regions.iter().zip(segments) {
            assert_eq!((&region.mask, region.score), (&segment.mask, Some(segment.score)));
            assert_eq!((region.origin, &region.name), (Origin::Sam, &None));
        }
    }
}
