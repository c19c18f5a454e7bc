//! How marks look.

use std::path::PathBuf;

use quintet_som::marks::{Colour, Labels, Layer, Options, Order, Placement};
use serde::de::DeserializeOwned;

#[derive(clap::Args)]
pub struct OptionArgs {
    /// What the options below start from: quintet (labels apart), som (as microsoft/SoM marks), or
    /// som-llava (as SoM-LLaVA's data was marked)
    #[arg(long, value_enum, default_value_t)]
    preset: Preset,
    /// Which region is the first: area-descending, area-ascending (each without the pixels of those
    /// before it), or reading (line by line) [default: area-descending]
    #[arg(long, value_parser = named::<Order>)]
    order: Option<Order>,
    /// Smallest area in pixels that gets a mark [default: 110 with area-ascending, else 1]
    #[arg(long, value_name = "PIXELS")]
    min_area: Option<u32>,
    /// Tags: number (1, 2, …) or letter (a, b, …, z, aa, …) [default: number]
    #[arg(long, value_parser = named::<Labels>)]
    labels: Option<Labels>,
    /// What is drawn of each region, separated by commas: mask, box, mark (its label)
    /// [default: mask,mark]
    #[arg(long, value_delimiter = ',', value_parser = named::<Layer>)]
    draw: Vec<Layer>,
    /// Where labels go: free (none covers another or leaves the picture; they shrink if they must)
    /// or som (at the inmost point, whatever is there) [default: free]
    #[arg(long, value_parser = named::<Placement>)]
    placement: Option<Placement>,
    /// Opacity of the tint of masks, 0 to 1 [default: 0.1]
    #[arg(long)]
    alpha: Option<f32>,
    /// Width of the frames of boxes [default: 2]
    #[arg(long, value_name = "PIXELS")]
    box_width: Option<u32>,
    /// Height of the labels' letters (their em) [default: 25 for a picture whose shorter side is
    /// 640, in proportion for others, at least 12]
    #[arg(long, value_name = "PIXELS")]
    size: Option<f32>,
    /// A TrueType font for the labels [default: Lato Bold, which quintet carries with it]
    #[arg(long, value_name = "FILE")]
    font: Option<PathBuf>,
    /// Colours of the marks in turn, like '#ff0000,#00ff00' [default: a palette]
    #[arg(long, value_name = "COLOURS", value_delimiter = ',')]
    colours: Vec<Colour>,
    /// Which palette [default: 0]
    #[arg(long, value_name = "N")]
    palette: Option<u64>,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Preset {
    #[default]
    Quintet,
    Som,
    SomLlava,
}

impl OptionArgs {
    /// The preset with what was asked for besides.
    pub fn options(&self) -> Options {
        let preset = match self.preset {
            Preset::Quintet => Options::default(),
            Preset::Som => Options::som(),
            Preset::SomLlava => Options::som_llava(),
        };
        Options {
            order: self.order.unwrap_or(preset.order),
            min_area: self.min_area.or(preset.min_area),
            labels: self.labels.unwrap_or(preset.labels),
            draw: if self.draw.is_empty() { preset.draw } else { self.draw.clone() },
            placement: self.placement.unwrap_or(preset.placement),
            alpha: self.alpha.unwrap_or(preset.alpha),
            box_width: self.box_width.unwrap_or(preset.box_width),
            size: self.size.or(preset.size),
            font: self.font.clone().or(preset.font),
            colours: self.colours.clone(),
            seed: self.palette.unwrap_or(preset.seed),
        }
    }
}

/// A value by the name that it has in files; the error tells the names.
pub fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}
