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

use std::{borrow::Cow, sync::Arc};

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

/// A mark in the making.
struct Item<'a> {
    /// Position of the region.
    region: usize,
    mask: Cow<'a, Mask>,
    inmost: Inmost,
    tag: String,
    colour: Colour,
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
        let Options { order, min_area, .. } = self.options;
        let (parts, skipped) = order::arrange(regions, order, min_area.unwrap_or(order.min_area()));
        let items: Vec<Item> =
            parts.into_par_iter().enumerate().map(|(i, part)| self.item(i, part)).collect();
        let mut image = image.clone();
        self.draw_regions(&mut image, &items);
        let (size, labels) = self.draw_labels(&mut image, &items)?;
        let mark = |(i, item): (usize, &Item)| {
            let region = regions.get(item.region)?;
            Some(Mark {
                tag: item.tag.clone(),
                name: region.name.clone(),
                score: region.score,
                source: region.origin,
                region: item.region,
                bbox: item.mask.bbox(),
                area: item.mask.area(),
                point: match self.options.placement {
                    Placement::Som => item.inmost.halfway,
                    Placement::Free => item.inmost.middle,
                },
                label: labels.get(i).copied(),
                colour: item.colour,
                mask: None,
            })
        };
        let marks = Marks {
            picture: None,
            width,
            height,
            unit: Unit::Pixels,
            size,
            options: self.options.clone(),
            marks: items.iter().enumerate().filter_map(mark).collect(),
            skipped,
        };
        let masks = items.into_iter().map(|item| item.mask.into_owned()).collect();
        Ok(Marked { image, marks, masks })
    }

    fn item<'a>(&self, position: usize, Part { region, mask }: Part<'a>) -> Item<'a> {
        let Options { labels, colours, seed, .. } = &self.options;
        let given = colours.get(position % colours.len().max(1));
        Item {
            region,
            inmost: inmost(&mask),
            mask,
            tag: labels.tag(position),
            colour: given.copied().unwrap_or_else(|| Colour::of_palette(*seed, position)),
        }
    }

    fn draw_regions(&self, image: &mut RgbImage, items: &[Item]) {
        if self.options.draws(Layer::Mask) {
            let opacity = (self.options.alpha * 255.0).round() as u8;
            for Item { mask, colour, .. } in items {
                paint::fill(image, mask, *colour, opacity);
            }
        }
        if self.options.draws(Layer::Box) {
            for Item { mask, colour, .. } in items {
                paint::frame(image, mask.bbox(), self.options.box_width, *colour, FRAME);
            }
        }
    }

    /// Gives the size of the labels, and what can be seen of their boxes; no boxes where labels are
    /// not drawn.
    fn draw_labels(&self, image: &mut RgbImage, items: &[Item]) -> Result<(f32, Vec<[u32; 4]>)> {
        let (width, height) = image.dimensions();
        if !self.options.draws(Layer::Mark) {
            return Ok((self.options.size_on(width, height), Vec::new()));
        }
        let lettering = Lettering::new(&self.face, items.iter().map(|item| item.tag.as_str()))?;
        let (size, places) = self.place(&lettering, items, [width, height])?;
        for ((i, place), item) in places.iter().enumerate().zip(items) {
            lettering.draw(image, i, size, *place, item.colour);
        }
        let edge = |value: i64, side: u32| value.clamp(0, side.into()) as u32;
        let visible = |[x1, y1, x2, y2]: [i64; 4]| {
            [edge(x1, width), edge(y1, height), edge(x2, width), edge(y2, height)]
        };
        Ok((size, places.into_iter().map(visible).collect()))
    }

    /// The size of the labels and their boxes.
    fn place(
        &self,
        lettering: &Lettering,
        items: &[Item],
        picture: [u32; 2],
    ) -> Result<(f32, Vec<[i64; 4]>)> {
        let [width, height] = picture;
        let mut size = self.options.size_on(width, height);
        loop {
            let sizes = lettering.sizes(size);
            let labels = items.iter().zip(sizes);
            let wanted: Vec<Wanted> = labels
                .map(|(item, size)| Wanted { mask: &item.mask, inmost: item.inmost, size })
                .collect();
            let places = match self.options.placement {
                Placement::Som => {
                    Some(wanted.iter().map(|label| place::som(label, size)).collect())
                }
                Placement::Free => place::free(picture, &wanted),
            };
            match places {
                Some(places) => return Ok((size, places)),
                None if size <= options::SMALLEST => {
                    return Err(Error::Picture(format!(
                        "{} labels have no room in a picture of {width} × {height}, even {} px \
                         high; mark fewer regions (a larger min-area) or a larger picture",
                        items.len(),
                        options::SMALLEST
                    )));
                }
                None => size = (size * SHRINK).max(options::SMALLEST),
            }
        }
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
