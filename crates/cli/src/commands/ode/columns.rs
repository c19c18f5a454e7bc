//! Trajectories as files: CSV with a row for each state, or a NumPy array.

use std::{io::Write, path::Path};

use anyhow::bail;

use super::npy;

/// How trajectories are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A row for each time of each trajectory.
    Csv,
    /// An array `[n, times, d]`, the first states included.
    Npy,
}

impl Format {
    /// By the ending of a name.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("npy") => Ok(Self::Npy),
            _ => bail!("{}: the name should end in .csv or .npy", path.display()),
        }
    }
}

/// Some trajectories.
pub struct Batch<'a> {
    /// The number of the first.
    pub first: u64,
    /// First states, `[n, d]`.
    pub initial: &'a [f64],
    /// States after it, `[n, times, d]`.
    pub states: &'a [f64],
    /// Half widths of bands, `[n, times, d]`, if there are some.
    pub bands: Option<&'a [f64]>,
}

/// Writes trajectories one batch after the other.
pub struct Writer<'a, W> {
    out: W,
    format: Format,
    /// All times, the first included.
    times: &'a [f64],
    dimension: usize,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Begins a file of `n` trajectories.
    pub fn new(
        mut out: W,
        format: Format,
        (n, times, names): (u64, &'a [f64], &[String]),
        bands: bool,
    ) -> anyhow::Result<Self> {
        match format {
            Format::Csv => {
                let widths = names.iter().filter(|_| bands).map(|name| format!("{name}_band"));
                let names: Vec<String> = names.iter().cloned().chain(widths).collect();
                writeln!(out, "trajectory,time,{}", names.join(","))?;
            }
            Format::Npy => npy::head(&mut out, &[n, times.len() as u64, names.len() as u64])?,
        }
        Ok(Self { out, format, times, dimension: names.len() })
    }

    /// Writes a batch.
    pub fn write(&mut self, batch: &Batch<'_>) -> anyhow::Result<()> {
        let d = self.dimension;
        let row = (self.times.len() - 1) * d;
        for (i, (initial, states)) in
            batch.initial.chunks(d).zip(batch.states.chunks(row)).enumerate()
        {
            match self.format {
                Format::Npy => {
                    npy::numbers(&mut self.out, initial)?;
                    npy::numbers(&mut self.out, states)?;
                }
                Format::Csv => {
                    let bands = batch.bands.map(|bands| &bands[i * row..][..row]);
                    let number = batch.first + i as u64;
                    let none = vec![0.0; d];
                    for (j, time) in self.times.iter().enumerate() {
                        write!(self.out, "{number},{time}")?;
                        let at = |all: &'_ [f64]| -> Vec<f64> { all[(j - 1) * d..][..d].to_vec() };
                        let state = if j == 0 { initial.to_vec() } else { at(states) };
                        let band = bands.map(|bands| if j == 0 { none.clone() } else { at(bands) });
                        for value in state.iter().chain(band.iter().flatten()) {
                            write!(self.out, ",{value}")?;
                        }
                        writeln!(self.out)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What it wrote to.
    pub fn finish(self) -> W {
        self.out
    }
}
