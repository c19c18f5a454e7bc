//! All objects of a picture; reference: `automatic_mask_generator.py` of `segment-anything`.

mod crops;
mod nms;
mod options;

use image::{RgbImage, imageops};
use quintet_data::Mask;
use quintet_kernels::on_workers;
use rayon::prelude::*;

pub use self::options::Automatic;
use self::{
    crops::{Crop, crops},
    nms::keep,
};
use crate::{
    Error, Result, Segmenter,
    masks::{Cut, Runs, fill_holes, remove_islands},
    network::{Masks, PointKind},
    segmenter::Embedded,
};

/// Boxes that end this near the edge of their crop, in pixels, may be of objects cut in two.
const EDGE: f32 = 20.0;

/// An object of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its pixels.
    pub mask: Mask,
    /// The IoU with the object that the model predicts for this mask.
    pub score: f32,
    /// The share of the mask that stays when the bound on its logits moves.
    pub stability: f32,
    /// The place in the picture that the model was asked about.
    pub point: [f32; 2],
    /// The part of the picture that the model saw, `[x1, y1, x2, y2)`.
    pub crop: [u32; 4],
}

/// A segment on its way.
struct Candidate {
    runs: Runs,
    /// Tight, of the first and last pixels, as the reference has boxes.
    bbox: [f32; 4],
    score: f32,
    stability: f32,
    point: [f32; 2],
    crop: [u32; 4],
}

impl Segmenter {
    /// Finds all objects, best first: asks about a grid of points, and keeps the masks that the
    /// model is sure of, that are stable, and that are not the same as a better one.
    ///
    /// # Errors
    /// If an option makes no sense, or the picture has no pixels or too many.
    pub fn segment_all(&self, image: &RgbImage, options: &Automatic) -> Result<Vec<Segment>> {
        options.check()?;
        let size = [image.width(), image.height()];
        let crops = crops(size, options.crop_layers, options.crop_overlap);
        let mut found = Vec::new();
        for crop in &crops {
            found.extend(self.in_crop(image, crop, options)?);
        }
        if crops.len() > 1 {
            // Masks of smaller crops are finer.
            let area = |[x1, y1, x2, y2]: [u32; 4]| f64::from(x2 - x1) * f64::from(y2 - y1);
            let preference: Vec<_> =
                found.iter().map(|candidate| (1.0 / area(candidate.crop)) as f32).collect();
            found = best(found, &preference, options.crop_nms);
        }
        if options.min_region > 0 {
            found = tidied(found, size, options);
        }
        Ok(found.into_par_iter().filter_map(Candidate::finish).collect())
    }

    fn in_crop(
        &self,
        image: &RgbImage,
        crop: &Crop,
        options: &Automatic,
    ) -> Result<Vec<Candidate>> {
        let [x1, y1, x2, y2] = crop.bbox;
        let whole = [0, 0, image.width(), image.height()];
        let part = imageops::crop_imm(image, x1, y1, x2 - x1, y2 - y1);
        let embedded = self.set_image(&part.to_image())?;
        let mut found = Vec::new();
        on_workers(|| {
            for points in options.grid(crop.layer, embedded.size()).chunks(options.points_per_batch)
            {
                found.extend(about(&embedded, points, crop.bbox, whole, options)?);
            }
            Ok::<_, Error>(())
        })?;
        let scores: Vec<_> = found.iter().map(|candidate: &Candidate| candidate.score).collect();
        let mut found = best(found, &scores, options.box_nms);
        found.iter_mut().for_each(|candidate| candidate.leave(crop.bbox));
        Ok(found)
    }
}

/// The masks at some points of a crop that are good enough.
fn about(
    embedded: &Embedded<'_>,
    points: &[[f64; 2]],
    crop: [u32; 4],
    whole: [u32; 4],
    options: &Automatic,
) -> Result<Vec<Candidate>> {
    let prompt = |point: &[f64; 2]| {
        let place = embedded.frame().place(*point);
        vec![(place, PointKind::Foreground), ([0.0; 2], PointKind::Padding)]
    };
    let prompts: Vec<_> = points.iter().map(prompt).collect();
    let least = if options.min_score == 0.0 { f32::NEG_INFINITY } else { options.min_score };
    let (sure, decoded) = embedded.decode_sure(&prompts, Masks::Several, least)?;
    let masks = (decoded.scores.len() / sure.len().max(1)).max(1);
    let size = decoded.logits.len() / decoded.scores.len().max(1);
    let candidate = |(i, (logits, score)): (usize, (&[f32], &f32))| {
        let sure_of_mask = *score > least;
        if !sure_of_mask {
            return None;
        }
        let Cut { runs, stability } = embedded.upsampler().cut(logits, options.stability_offset);
        let stable = options.min_stability == 0.0 || stability >= options.min_stability;
        if !stable {
            return None;
        }
        let bbox = inclusive(runs.bbox()?);
        let point = points.get(*sure.get(i / masks)?)?.map(|place| place as f32);
        let candidate = Candidate { runs, bbox, score: *score, stability, point, crop };
        (!candidate.is_cut(whole)).then_some(candidate)
    };
    let all = decoded.logits.par_chunks_exact(size.max(1)).zip(&decoded.scores).enumerate();
    Ok(all.filter_map(candidate).collect())
}

/// The candidates that overlap none that is preferred, in the order of preference.
fn best(found: Vec<Candidate>, preference: &[f32], most: f32) -> Vec<Candidate> {
    let boxes: Vec<_> = found.iter().map(|candidate| candidate.bbox).collect();
    let mut found: Vec<_> = found.into_iter().map(Some).collect();
    let kept = keep(&boxes, preference, most).into_iter();
    kept.filter_map(|i| found.get_mut(i)?.take()).collect()
}

/// Without small holes and islands, and without masks that have thereby become the same as another,
/// of which an untouched one is preferred.
fn tidied(found: Vec<Candidate>, picture: [u32; 2], options: &Automatic) -> Vec<Candidate> {
    let tidy = |mut candidate: Candidate| {
        let (runs, filled) = fill_holes(&candidate.runs, picture, options.min_region);
        let (runs, removed) = remove_islands(&runs, options.min_region);
        candidate.bbox = runs.bbox().map_or(candidate.bbox, inclusive);
        candidate.runs = runs;
        (candidate, if filled || removed { 0.0 } else { 1.0 })
    };
    let (found, preference): (Vec<_>, Vec<_>) = found.into_par_iter().map(tidy).unzip();
    best(found, &preference, options.box_nms.max(options.crop_nms))
}

/// A box by its first and last pixels.
fn inclusive([x1, y1, x2, y2]: [u32; 4]) -> [f32; 4] {
    [x1, y1, x2 - 1, y2 - 1].map(|place| place as f32)
}

impl Candidate {
    /// Whether the box, still within the crop, ends near an edge of the crop that is not one of the
    /// picture.
    fn is_cut(&self, whole: [u32; 4]) -> bool {
        let near = |place: f32, edge: u32| (place - edge as f32).abs() <= EDGE;
        (0..4).any(|side| {
            let place = self.bbox[side] + self.crop[side % 2] as f32;
            near(place, self.crop[side]) && !near(place, whole[side])
        })
    }

    /// From the crop's pixels to the picture's.
    fn leave(&mut self, [left, top, ..]: [u32; 4]) {
        self.runs = std::mem::take(&mut self.runs).shifted([left, top]);
        let [x, y] = [left as f32, top as f32];
        let [x1, y1, x2, y2] = self.bbox;
        self.bbox = [x1 + x, y1 + y, x2 + x, y2 + y];
        self.point = [self.point[0] + x, self.point[1] + y];
    }

    fn finish(self) -> Option<Segment> {
        let Self { runs, score, stability, point, crop, .. } = self;
        Some(Segment { mask: runs.mask()?, score, stability, point, crop })
    }
}
