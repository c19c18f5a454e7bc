//! The panel of errors: how wrong coarse and corrected solutions are, and what is promised.

use plotters::prelude::{
    ChartBuilder, Color, DashedLineSeries, IntoLogRange, LineSeries, PathElement,
    SeriesLabelPosition, WHITE,
};

use super::{Panel, Picture};

/// Errors that 64-bit numbers cannot tell from none.
const LEAST: f64 = 1e-16;
/// The axis reaches so many times further than the greatest error: room for the legend.
const ROOM: f64 = 50.0;

/// Errors along one trajectory.
pub(super) struct Errors {
    of: Of,
    trajectory: usize,
    /// At each time after the first, in spreads.
    values: Vec<f64>,
}

/// What is wrong by so much.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Coarse,
    Corrected,
    /// The band that the corrected solution is promised to stay in.
    Promise,
}

impl Picture<'_> {
    /// Adds the errors of a trajectory at each time after the first, in spreads.
    pub fn add_errors(&mut self, of: Of, trajectory: usize, values: Vec<f64>) {
        self.errors.push(Errors { of, trajectory, values });
    }

    /// Draws errors on a logarithmic axis.
    pub(super) fn error_panel(&self, panel: &Panel<'_>) -> Result<(), String> {
        let said = |error: &dyn std::error::Error| error.to_string();
        let values = || self.errors.iter().flat_map(|errors| &errors.values).copied();
        let finite = || values().filter(|value| value.is_finite() && *value > LEAST);
        let (low, high) = (finite().fold(1.0, f64::min), finite().fold(LEAST, f64::max));
        let (Some(first), Some(last)) = (self.times.first(), self.times.last()) else {
            return Ok(());
        };
        let mut chart = ChartBuilder::on(panel)
            .margin(10)
            .x_label_area_size(28)
            .y_label_area_size(70)
            .build_cartesian_2d(*first..*last, (0.5 * low..ROOM * high).log_scale())
            .map_err(|error| said(&error))?;
        chart
            .configure_mesh()
            .max_light_lines(0)
            .x_desc("t")
            .y_desc("error, in spreads")
            .y_label_formatter(&|value| format!("{value:.0e}"))
            .draw()
            .map_err(|error| said(&error))?;
        let mut named = Vec::new();
        for Errors { of, trajectory, values } in &self.errors {
            let colour = self.colour(*trajectory);
            let line = self.times[1..].iter().copied().zip(values.iter().copied());
            let line = line.take_while(|(_, value)| value.is_finite());
            let line: Vec<_> = line.map(|(t, value)| (t, value.max(0.5 * low))).collect();
            let (word, style) = match of {
                Of::Coarse => ("coarse", colour.stroke_width(1)),
                Of::Corrected => ("solution", colour.stroke_width(2)),
                Of::Promise => ("promised", colour.mix(0.3).stroke_width(5)),
            };
            let series = match of {
                Of::Coarse => chart.draw_series(DashedLineSeries::new(line, 6, 4, style)),
                Of::Corrected | Of::Promise => chart.draw_series(LineSeries::new(line, style)),
            };
            let series = series.map_err(|error| said(&error))?;
            if !named.contains(of) {
                named.push(*of);
                series
                    .label(word)
                    .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 20, y)], style));
            }
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .draw()
            .map_err(|error| said(&error))
    }
}
