//! The pictures of `quintet ode bench`.

use std::{io::Write, path::Path};

use anyhow::anyhow;
use plotters::{
    coord::Shift,
    prelude::{
        ChartBuilder, Circle, Color, DrawingArea, IntoDrawingArea, IntoLogRange, LineSeries,
        PathElement, RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
    },
};
use quintet_data::formats::atomic::NewFile;

use super::{
    cost::{Cell, Sweep},
    precision::{Precision, Scored},
};
use crate::commands::ode::picture::COLOURS;

/// Size of a panel, in pixels.
const SIZE: (u32, u32) = (480, 340);

/// A panel with two logarithmic axes.
struct Panel {
    title: String,
    x: &'static str,
    y: &'static str,
    curves: Vec<Curve>,
    /// Where no curve is.
    legend: SeriesLabelPosition,
}

struct Curve {
    name: String,
    /// Points, and whether each was measured.
    points: Vec<([f64; 2], bool)>,
}

/// Draws error by evaluations and by time, and time by cost for each size of an ensemble.
pub fn save(path: &Path, name: &str, precision: &Precision, sweep: &Sweep) -> anyhow::Result<()> {
    let mut panels = vec![
        work(precision, &format!("{name}: evaluations"), "evaluations for a trajectory", |of| {
            of.evaluations
        }),
        work(precision, "time, demos excluded", "seconds for a trajectory", |of| of.seconds),
    ];
    let mut sizes: Vec<u64> = sweep.cells.iter().map(|cell| cell.n).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for n in sizes {
        let curve = |method: &String| Curve {
            name: method.clone(),
            points: sweep
                .cells
                .iter()
                .filter(|cell| cell.n == n && cell.method == *method)
                .map(|Cell { cost, seconds, computed, .. }| ([*cost, *seconds], !computed))
                .collect(),
        };
        panels.push(Panel {
            title: format!("{n} trajectories, demos included"),
            x: "seconds of an evaluation",
            y: "seconds",
            curves: sweep.costs.iter().map(|of| curve(&of.scored.method)).collect(),
            legend: SeriesLabelPosition::LowerRight,
        });
    }
    let mut text = String::new();
    {
        let rows = panels.len().div_ceil(2);
        let size = (2 * SIZE.0, rows as u32 * SIZE.1);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let failed = |error: String| anyhow!("{}: {error}", path.display());
        root.fill(&WHITE).map_err(|error| failed(error.to_string()))?;
        for (panel, area) in panels.iter().zip(root.split_evenly((rows, 2))) {
            draw(panel, &area).map_err(failed)?;
        }
        root.present().map_err(|error| failed(error.to_string()))?;
    }
    let mut file = NewFile::create(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.publish()?)
}

/// Errors of all ways; those of one kind are a curve.
fn work(precision: &Precision, title: &str, x: &'static str, of: fn(&Scored) -> f64) -> Panel {
    let mut curves: Vec<Curve> = Vec::new();
    for scored in &precision.scored {
        let name = kind(&scored.method).to_owned();
        let point = ([of(scored), scored.rms], true);
        match curves.iter_mut().find(|curve| curve.name == name) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve { name, points: vec![point] }),
        }
    }
    let legend = SeriesLabelPosition::LowerLeft;
    Panel { title: title.into(), x, y: "error, in spreads", curves, legend }
}

/// A method without its setting.
fn kind(method: &str) -> &str {
    method.split([':', ' ']).next().unwrap_or(method)
}

/// Every kind has a colour.
fn colour(method: &str) -> RGBColor {
    let kinds = ["compiled", "tsit5", "dop853", "rk4", "fmint"];
    let at = kinds.iter().position(|other| *other == kind(method));
    COLOURS[at.unwrap_or(kinds.len())]
}

fn draw(panel: &Panel, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), String> {
    let said = |error: &dyn std::error::Error| error.to_string();
    let fits = |point: &[f64; 2]| point.iter().all(|x| *x > 0.0 && x.is_finite());
    let range = |axis: usize| {
        let points = panel.curves.iter().flat_map(|curve| &curve.points);
        let values = points.filter(|(point, _)| fits(point)).map(|(point, _)| point[axis]);
        let ends = values.fold([f64::MAX, 0.0], |[low, high]: [f64; 2], value| {
            [low.min(value), high.max(value)]
        });
        if ends[0] <= ends[1] { 0.6 * ends[0]..1.6 * ends[1] } else { 0.1..1.0 }
    };
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(range(0).log_scale(), range(1).log_scale())
        .map_err(|error| said(&error))?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc(panel.x)
        .y_desc(panel.y)
        .x_label_formatter(&|value| format!("{value:.0e}"))
        .y_label_formatter(&|value| format!("{value:.0e}"))
        .draw()
        .map_err(|error| said(&error))?;
    for Curve { name, points } in &panel.curves {
        let colour = colour(name);
        let points = || points.iter().filter(|(point, _)| fits(point));
        let line = LineSeries::new(points().map(|([x, y], _)| (*x, *y)), &colour);
        chart.draw_series(line).map_err(|error| said(&error))?.label(name).legend(move |(x, y)| {
            PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2))
        });
        let dots = points().map(|([x, y], measured)| {
            let style = if *measured { colour.filled() } else { colour.stroke_width(1) };
            Circle::new((*x, *y), 3, style)
        });
        chart.draw_series(dots).map_err(|error| said(&error))?;
    }
    chart
        .configure_series_labels()
        .position(panel.legend.clone())
        .background_style(WHITE.mix(0.8))
        .label_font(("sans-serif", 11))
        .draw()
        .map_err(|error| said(&error))
}
