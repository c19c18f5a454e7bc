//! Which regions are marked.

use std::{path::PathBuf, str::FromStr, thread};

use anyhow::Context;
use quintet_sam::{Automatic, Segmenter};
use quintet_som::regions::{BoxFile, CocoFile, PageFile, Segments, Source, Unit};

use super::options::named;
use crate::device::DeviceArg;

#[derive(clap::Args)]
pub struct SourceArgs {
    /// Where regions come from: sam, all objects that Segment Anything finds; coco:FILE,
    /// annotations in COCO's format (masks, polygons, boxes); boxes:FILE, JSON like {"unit":
    /// "pixels", "boxes": [[x1, y1, x2, y2]]} or {"unit": "shares", "pictures": {"a.png": [{"box":
    /// [x1, y1, x2, y2], "name": "cat"}]}}; page:FILE, elements of a web page as Playwright tells
    /// them, JSON like {"device_pixel_ratio": 2, "elements": [{"role": "button", "name": "Sign in",
    /// "box": [x, y, width, height]}]}
    #[arg(long, value_name = "SOURCE", default_value = "sam")]
    source: Kind,
    /// What the numbers of boxes:FILE count, if it does not say: pixels, or shares (0 to 1) of the
    /// picture's width and height
    #[arg(long, value_parser = named::<Unit>)]
    unit: Option<Unit>,
    /// Mark the crowds of coco:FILE too
    #[arg(long)]
    crowds: bool,
    /// The model of sam: a key of `quintet models`, a path, or a hub name (owner/name)
    #[arg(long, short, default_value = "mobile-sam")]
    model: String,
    /// Where sam computes
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// Points along each side of the grid at which sam looks for objects: fewer are faster and find
    /// fewer small ones
    #[arg(long, value_name = "N", default_value_t = 32)]
    points: usize,
    /// How sure sam must be of an object, 0 to 1 [default: 0.88]
    #[arg(long, value_name = "SCORE")]
    min_score: Option<f32>,
    /// How stable an object's outline must be, 0 to 1 [default: 0.92]
    #[arg(long, value_name = "SCORE")]
    min_stability: Option<f32>,
    /// How often sam looks again in crops of half the side, for small objects: each time takes four
    /// times as long as the one before
    #[arg(long, value_name = "LAYERS", default_value_t = 0)]
    crops: usize,
    /// Holes and islands of fewer pixels are removed from what sam finds [default: 10]
    #[arg(long, value_name = "PIXELS")]
    min_region: Option<u64>,
}

#[derive(Clone)]
enum Kind {
    Sam,
    Coco(PathBuf),
    Boxes(PathBuf),
    Page(PathBuf),
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.split_once(':')) {
            ("sam", _) => Ok(Self::Sam),
            (_, Some(("coco", file))) => Ok(Self::Coco(file.into())),
            (_, Some(("boxes", file))) => Ok(Self::Boxes(file.into())),
            (_, Some(("page", file))) => Ok(Self::Page(file.into())),
            _ => Err("expected sam, coco:FILE, boxes:FILE or page:FILE".into()),
        }
    }
}

impl SourceArgs {
    /// Reads what must be read once.
    pub fn open(&self) -> anyhow::Result<Box<dyn Source>> {
        Ok(match &self.source {
            Kind::Sam => Box::new(self.segments()?),
            Kind::Coco(file) => Box::new(CocoFile::load(file, self.crowds)?),
            Kind::Boxes(file) => Box::new(BoxFile::load(file, self.unit)?),
            Kind::Page(file) => Box::new(PageFile::load(file)?),
        })
    }

    /// How many pictures are worth marking at a time: Segment Anything keeps all of the processor
    /// busy with one.
    pub fn threads(&self) -> usize {
        match &self.source {
            Kind::Sam => 1,
            Kind::Coco(_) | Kind::Boxes(_) | Kind::Page(_) => {
                thread::available_parallelism().map_or(1, usize::from)
            }
        }
    }

    fn segments(&self) -> anyhow::Result<Segments> {
        let default = Segments::set_of_mark();
        let options = Automatic {
            points_per_side: self.points,
            min_score: self.min_score.unwrap_or(default.min_score),
            min_stability: self.min_stability.unwrap_or(default.min_stability),
            crop_layers: self.crops,
            min_region: self.min_region.unwrap_or(default.min_region),
            ..default
        };
        let chosen = self.device.open()?;
        let path = quintet_hub::resolve(&self.model, &quintet_hub::Options::default())?.path;
        let segmenter = Segmenter::open(&path, &chosen.device)
            .with_context(|| format!("cannot load model {}", self.model))?;
        Ok(Segments::new(segmenter, options))
    }
}
