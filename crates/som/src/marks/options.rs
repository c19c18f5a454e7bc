//! How a picture is marked.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{colour::Colour, order::Order, place::Placement, tag::Labels};
use crate::{Error, Result};

/// What is drawn of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Its pixels, tinted, and their edge.
    Mask,
    /// The frame of its box.
    Box,
    /// Its label.
    Mark,
}

/// All that decides how a picture with given regions is marked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// In which order tags are given.
    pub order: Order,
    /// Area in pixels below which a region gets no mark; [`Order::min_area`] when not given.
    pub min_area: Option<u32>,
    /// Numbers or letters.
    pub labels: Labels,
    /// What is drawn.
    pub draw: Vec<Layer>,
    /// Where labels go.
    pub placement: Placement,
    /// Opacity of the tint of masks, 0 to 1.
    pub alpha: f32,
    /// Width in pixels of the frames of boxes.
    pub box_width: u32,
    /// Em size of labels in pixels; when not given, 25 for a picture whose shorter side is 640, in
    /// proportion for others, and 12 at the least.
    pub size: Option<f32>,
    /// A TrueType font; Lato Bold when not given.
    pub font: Option<PathBuf>,
    /// Colours of the first, second, … mark, from the start again when they run out; when there
    /// are none, a palette of well-spread hues.
    pub colours: Vec<Colour>,
    /// Which palette.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            order: Order::default(),
            min_area: None,
            labels: Labels::default(),
            draw: vec![Layer::Mask, Layer::Mark],
            placement: Placement::default(),
            alpha: 0.1,
            box_width: 2,
            size: None,
            font: None,
            colours: Vec::new(),
            seed: 0,
        }
    }
}

/// Smallest em size at which digits can still be told apart.
pub(super) const SMALLEST: f32 = 6.0;

/// Largest em size of a label; no picture that can be decoded is larger than that is wide.
const LARGEST: f32 = 1000.0;

impl Options {
    /// As microsoft/SoM marks (`task_adapter/utils/visualizer.py`): the largest region first, labels
    /// of 18 points at 100 dots per inch at the inmost points, masks at an opacity of 0.1. It resizes
    /// pictures to a shorter side of 640 first; here labels keep that proportion instead.
    pub fn som() -> Self {
        Self { placement: Placement::Som, ..Self::default() }
    }

    /// As SoM-LLaVA's data was marked (`SoM/annotate_coco.py`): the smallest region first and apart
    /// from the others, labels only.
    pub fn som_llava() -> Self {
        Self { order: Order::AreaAscending, draw: vec![Layer::Mark], ..Self::som() }
    }

    /// Whether a layer is drawn.
    pub fn draws(&self, layer: Layer) -> bool {
        self.draw.contains(&layer)
    }

    /// Em size of labels on a picture.
    pub(super) fn size_on(&self, width: u32, height: u32) -> f32 {
        let shorter = width.min(height) as f32;
        self.size.unwrap_or((shorter * 25.0 / 640.0).clamp(12.0, LARGEST))
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |option, reason: String| Err(Error::Option { option, reason });
        if !(0.0..=1.0).contains(&self.alpha) {
            return refuse("alpha", format!("{} is no opacity; expected 0 to 1", self.alpha));
        }
        match self.size {
            Some(size) if !(SMALLEST..=LARGEST).contains(&size) => refuse(
                "size",
                format!("{size} px is no size of letters; expected {SMALLEST} to {LARGEST}"),
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_make_no_sense_are_named() {
        let with = |alpha, size| Options { alpha, size, ..Options::default() }.check();
        assert!(with(0.0, None).is_ok() && with(1.0, Some(6.0)).is_ok());
        let said =
            [with(1.5, None), with(f32::NAN, None), with(0.1, Some(0.0)), with(0.1, Some(1e9))]
                .map(|checked| checked.unwrap_err().to_string());
        assert!(said[..2].iter().all(|said| said.starts_with("alpha: ")), "{said:?}");
        assert!(said[2..].iter().all(|said| said.starts_with("size: ")), "{said:?}");
        assert!(with(0.1, Some(f32::INFINITY)).is_err());
    }

    #[test]
    fn labels_grow_with_the_picture() {
        let size = |w, h| Options::default().size_on(w, h);
        assert_eq!(
            [size(640, 900), size(1280, 1280), size(100, 50), size(1, 1)],
            [25.0, 50.0, 12.0, 12.0]
        );
    }

    #[test]
    fn options_read_back_and_what_is_left_out_is_the_default() {
        let options = Options {
            colours: vec![Colour([1, 2, 3])],
            draw: vec![Layer::Box],
            size: Some(17.5),
            ..Options::som_llava()
        };
        let text = serde_json::to_string(&options).unwrap();
        assert!(text.contains("\"#010203\"") && text.contains("\"area-ascending\""), "{text}");
        assert_eq!(serde_json::from_str::<Options>(&text).unwrap(), options);
        assert_eq!(serde_json::from_str::<Options>("{}").unwrap(), Options::default());
        assert!(serde_json::from_str::<Options>("{\"colors\": []}").is_err());
    }
}
