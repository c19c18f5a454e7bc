//! Marks: regions of a picture, each with a tag.
//!
//! Yang et al., *Set-of-Mark Prompting Unleashes Extraordinary Visual Grounding in GPT-4V* (2023),
//! whose implementation is microsoft/SoM; Yan et al., *List Items One by One* (2024), whose
//! implementation is zzxslp/SoM-LLaVA. Both are reproduced in order and anchors; by default labels
//! are placed such that all can be read.

mod colour;
mod distance;
mod label;
mod options;
mod order;
mod paint;
mod place;
mod record;
mod tag;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use image::RgbImage;
use quintet_data::{Mask, typeface::Typeface};
use rayon::prelude::*;

pub use colour::Colour;
pub use distance::{Inmost, inmost};
pub use options::{Layer, Options};
pub use order::Order;
pub use place::Placement;
pub use record::{Mark, Marks};
pub use tag::Labels;

use self::{label::Lettering, order::Part, place::Wanted};
use crate::{
    Error, Result,
    regions::{Region, Unit},
};

/// By how much labels shrink at a time when there is no room for all.
const SHRINK: f32 = 0.85;

/// Opacity of frames over 255; three quarters, as in microsoft/SoM.
const FRAME: u8 = 191;

/// Marks pictures. The same picture, regions and options give the same bytes.
pub struct Marker {
    options: Options,
    face: Typeface,
}

/// A marked picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    /// The picture with its marks.
    pub image: RgbImage,
    /// What was marked.
    pub marks: Marks,
    /// What was marked of each region, in the order of the marks.
    pub masks: Vec<Mask>,
}

impl Marker {
    /// # Errors
    /// If an option makes no sense, or the font cannot be read.
    pub fn new(options: Options) -> Result<Self> {
        options.check()?;
        let face = match &options.font {
            None => Typeface::bundled(),
            Some(path) => {
                let bytes = std::fs::read(path)
                    .map_err(|source| Error::Io { path: path.clone(), source })?;
                Typeface::parse(&path.display().to_string(), Arc::from(bytes))?
            }
        };
        Ok(Self { options, face })
    }

    /// Marks the regions of a picture.
    ///
    /// # Errors
    /// If a region does not lie in the picture, the font lacks a letter, or the picture is too
    /// small for the labels even at the smallest size.
    pub fn mark(&self, image: &RgbImage, regions: &[Region]) -> Result<Marked> {
        let (width, height) = image.dimensions();
        check(regions, width, height)?;
        let options = &self.options;
        let min_area = options.min_area.unwrap_or(options.order.min_area());
        let (parts, skipped) = order::arrange(regions, options.order, min_area);
        let inmost: Vec<Inmost> = parts.par_iter().map(|part| inmost(&part.mask)).collect();
        let tags: Vec<String> = (0..parts.len()).map(|i| options.labels.tag(i)).collect();
        let colours: Vec<Colour> = (0..parts.len()).map(|i| self.colour(i)).collect();

        let mut image = image.clone();
        if options.draws(Layer::Mask) {
            let opacity = (options.alpha * 255.0).round() as u8;
            for (part, colour) in parts.iter().zip(&colours) {
                paint::fill(&mut image, &part.mask, *colour, opacity);
            }
        }
        if options.draws(Layer::Box) {
            for (part, colour) in parts.iter().zip(&colours) {
                paint::frame(&mut image, part.mask.bbox(), options.box_width, *colour, FRAME);
            }
        }
        let mut size = options.size_on(width, height);
        let mut boxes = vec![None; parts.len()];
        if options.draws(Layer::Mark) {
            let lettering = Lettering::new(&self.face, &tags)?;
            let places;
            (size, places) = self.place(&lettering, &parts, &inmost, [width, height])?;
            for ((i, place), colour) in places.iter().enumerate().zip(&colours) {
                lettering.draw(&mut image, i, size, *place, *colour);
            }
            let visible = |[x1, y1, x2, y2]: [i64; 4]| {
                let edge = |value: i64, side: u32| value.clamp(0, side.into()) as u32;
                [edge(x1, width), edge(y1, height), edge(x2, width), edge(y2, height)]
            };
            boxes = places.into_iter().map(|place| Some(visible(place))).collect();
        }

        let rows = parts.iter().zip(tags).zip(inmost).zip(colours).zip(boxes);
        let mark = |((((part, tag), inmost), colour), label): ((((&Part, _), Inmost), _), _)| {
            let region = regions.get(part.region)?;
            Some(Mark {
                tag,
                name: region.name.clone(),
                score: region.score,
                source: region.origin,
                region: part.region,
                bbox: part.mask.bbox(),
                area: part.mask.area(),
                point: self.point(inmost),
                label,
                colour,
                mask: None,
            })
        };
        let marks = Marks {
            picture: None,
            width,
            height,
            unit: Unit::Pixels,
            size,
            options: options.clone(),
            marks: rows.filter_map(mark).collect(),
            skipped,
        };
        let masks = parts.into_iter().map(|part| part.mask.into_owned()).collect();
        Ok(Marked { image, marks, masks })
    }

    /// The size of the labels and their boxes.
    fn place(
        &self,
        lettering: &Lettering,
        parts: &[Part],
        inmost: &[Inmost],
        picture: [u32; 2],
    ) -> Result<(f32, Vec<[i64; 4]>)> {
        let [width, height] = picture;
        let mut size = self.options.size_on(width, height);
        loop {
            let sizes = lettering.sizes(size);
            let labels = parts.iter().zip(inmost).zip(sizes);
            let wanted: Vec<Wanted> = labels
                .map(|((part, inmost), size)| Wanted { mask: &part.mask, inmost: *inmost, size })
                .collect();
            let places = match self.options.placement {
                Placement::Som => Some(wanted.iter().map(place::som).collect()),
                Placement::Free => place::free(picture, &wanted),
            };
            match places {
                Some(places) => return Ok((size, places)),
                None if size <= options::SMALLEST => {
                    return Err(Error::Picture(format!(
                        "{} labels have no room in a picture of {width} × {height}, even {} px \
                         high; mark fewer regions (a larger min-area) or a larger picture",
                        parts.len(),
                        options::SMALLEST
                    )));
                }
                None => size = (size * SHRINK).max(options::SMALLEST),
            }
        }
    }

    /// The point that labels are placed by.
    fn point(&self, inmost: Inmost) -> [u32; 2] {
        match self.options.placement {
            Placement::Som => inmost.halfway,
            Placement::Free => inmost.middle,
        }
    }

    fn colour(&self, position: usize) -> Colour {
        let Options { colours, seed, .. } = &self.options;
        let given = colours.get(position % colours.len().max(1));
        given.copied().unwrap_or_else(|| Colour::of_palette(*seed, position))
    }
}

impl Marked {
    /// Writes the masks into the record.
    ///
    /// # Errors
    /// If the picture is too large for COCO's masks (2²⁸ pixels).
    pub fn record_masks(&mut self) -> Result<()> {
        self.marks.add_masks(self.masks.iter())
    }
}

fn check(regions: &[Region], width: u32, height: u32) -> Result<()> {
    let outside = regions.iter().position(|region| {
        let [_, _, right, bottom] = region.mask.bbox();
        right > width || bottom > height
    });
    match outside {
        None => Ok(()),
        Some(i) => Err(Error::Picture(format!(
            "region {i} leaves the picture, which is {width} × {height}; was it made for another?"
        ))),
    }
}
