//! Trajectories as a picture: a panel for each component of the state, and one for errors.

mod errors;

use std::{io::Write, path::Path};

use anyhow::anyhow;
use plotters::{
    coord::Shift,
    prelude::{
        ChartBuilder, Circle, Color, DashedLineSeries, DrawingArea, IntoDrawingArea, LineSeries,
        PathElement, RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
    },
};
use quintet_data::formats::atomic::NewFile;

pub use self::errors::Of;

/// Trajectories that are drawn if nobody chooses.
pub const SHOWN: usize = 3;
/// Most components that are drawn.
pub const PANELS: usize = 6;
/// Width of a picture and height of a panel, in pixels.
const SIZE: (u32, u32) = (900, 260);
/// Okabe and Ito's colours, which colour-blind people tell apart.
pub const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// What the legend tells apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Legend {
    /// Trajectories, by their numbers.
    Members,
    /// Styles.
    Styles,
}

/// How a trajectory is drawn, and what the legend says of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// What was asked for.
    Line,
    /// The coarse solution.
    Dashes,
    /// The exact solution.
    Dots,
}

/// Some trajectories.
pub struct Picture<'a> {
    names: &'a [String],
    times: &'a [f64],
    legend: Legend,
    drawn: Vec<Drawn>,
    errors: Vec<errors::Errors>,
}

struct Drawn {
    style: Style,
    trajectory: usize,
    /// `[times, d]`
    states: Vec<f64>,
    /// Half widths, `[times, d]`.
    bands: Option<Vec<f64>>,
}

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl<'a> Picture<'a> {
    /// Of components of these names at these times.
    pub fn new(names: &'a [String], times: &'a [f64], legend: Legend) -> Self {
        Self { names, times, legend, drawn: Vec::new(), errors: Vec::new() }
    }

    /// Adds a trajectory: its first state, the states after it, and their bands.
    pub fn add(
        &mut self,
        style: Style,
        trajectory: usize,
        initial: &[f64],
        states: &[f64],
        bands: Option<&[f64]>,
    ) {
        let states = [initial, states].concat();
        let bands = bands.map(|bands| [&vec![0.0; initial.len()], bands].concat());
        self.drawn.push(Drawn { style, trajectory, states, bands });
    }

    /// Draws them into an SVG file.
    pub fn save(&self, path: &Path, title: &str) -> anyhow::Result<()> {
        let mut text = String::new();
        let states = self.names.len().min(PANELS);
        let panels = states + usize::from(!self.errors.is_empty());
        {
            let size = (SIZE.0, SIZE.1 * panels as u32);
            let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
            let failed = |error| anyhow!("{}: {error}", path.display());
            root.fill(&WHITE).map_err(|error| failed(error.to_string()))?;
            for (component, panel) in root.split_evenly((panels, 1)).iter().enumerate() {
                let title = if component == 0 { title } else { "" };
                match component < states {
                    true => self.panel(panel, component, title),
                    false => self.error_panel(panel),
                }
                .map_err(failed)?;
            }
            root.present().map_err(|error| failed(error.to_string()))?;
        }
        let mut file = NewFile::create(path)?;
        file.write_all(text.as_bytes())?;
        Ok(file.publish()?)
    }

    /// The colour of a trajectory: they are numbered as they were added.
    fn colour(&self, trajectory: usize) -> RGBColor {
        let mut seen = Vec::new();
        for drawn in &self.drawn {
            if !seen.contains(&drawn.trajectory) {
                seen.push(drawn.trajectory);
            }
        }
        let at = seen.iter().position(|seen| *seen == trajectory).unwrap_or_default();
        COLOURS[at % COLOURS.len()]
    }

    /// The values of one component of a trajectory, as far as they are finite.
    fn line<'b>(
        &'b self,
        all: &'b [f64],
        component: usize,
    ) -> impl Iterator<Item = (f64, f64)> + Clone + 'b {
        let values = all.iter().skip(component).step_by(self.names.len()).copied();
        self.times.iter().copied().zip(values).take_while(|(_, value)| value.is_finite())
    }

    fn panel(&self, panel: &Panel<'_>, component: usize, title: &str) -> Result<(), String> {
        let said = |error: &dyn std::error::Error| error.to_string();
        let values = || {
            self.drawn.iter().flat_map(|drawn| self.line(&drawn.states, component)).map(|(_, y)| y)
        };
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
        let room = if high > low { 0.08 * (high - low) } else { 1.0 };
        let (low, high) = if low <= high { (low - room, high + room) } else { (-1.0, 1.0) };
        let (Some(first), Some(last)) = (self.times.first(), self.times.last()) else {
            return Ok(());
        };
        let mut chart = ChartBuilder::on(panel)
            .caption(title, ("sans-serif", 18))
            .margin(10)
            .x_label_area_size(28)
            .y_label_area_size(70)
            .build_cartesian_2d(*first..*last, low..high)
            .map_err(|error| said(&error))?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc("t")
            .y_desc(&self.names[component])
            .draw()
            .map_err(|error| said(&error))?;
        let mut named = Vec::new();
        for drawn in &self.drawn {
            let colour = self.colour(drawn.trajectory);
            let line = self.line(&drawn.states, component);
            if let Some(bands) = &drawn.bands {
                let edge = |sign: f64| {
                    let of = self.line(&drawn.states, component).zip(self.line(bands, component));
                    of.map(move |((t, y), (_, band))| (t, (y + sign * band).clamp(low, high)))
                };
                let mut below: Vec<(f64, f64)> = edge(-1.0).collect();
                below.reverse();
                let outline: Vec<(f64, f64)> = edge(1.0).chain(below).collect();
                let area = plotters::element::Polygon::new(outline, colour.mix(0.2));
                chart.draw_series([area]).map_err(|error| said(&error))?;
            }
            let (word, series) = match drawn.style {
                Style::Line => {
                    let series = LineSeries::new(line, colour.stroke_width(2));
                    ("solution", chart.draw_series(series).map_err(|error| said(&error))?)
                }
                Style::Dashes => {
                    let series = DashedLineSeries::new(line, 6, 4, colour.stroke_width(1));
                    ("coarse", chart.draw_series(series).map_err(|error| said(&error))?)
                }
                Style::Dots => {
                    let dots = line.map(|at| Circle::new(at, 2, colour.filled()));
                    ("exact", chart.draw_series(dots).map_err(|error| said(&error))?)
                }
            };
            let word = match self.legend {
                Legend::Members => format!("trajectory {}", drawn.trajectory),
                Legend::Styles => word.to_owned(),
            };
            if !named.contains(&word) {
                named.push(word.clone());
                let style = drawn.style;
                series.label(word).legend(move |(x, y)| {
                    let width = if style == Style::Dots { 4 } else { 20 };
                    let thick = if style == Style::Dashes { 1 } else { 2 };
                    PathElement::new(vec![(x, y), (x + width, y)], colour.stroke_width(thick))
                });
            }
        }
        if component == 0 && !named.is_empty() {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.8))
                .draw()
                .map_err(|error| said(&error))?;
        }
        Ok(())
    }
}
