//! Trajectories as files: a table with a row for each state, or a NumPy array.

use std::path::Path;

use anyhow::Context;
use quintet_data::formats::atomic::NewFile;

use super::{
    npy,
    table::{self, Column, Kind, Table},
};

/// Most rows of a group of Parquet, if a trajectory has no more.
const ROWS: usize = 1 << 18;

/// How trajectories are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A row for each time of each trajectory.
    Table(table::Format),
    /// An array `[n, times, d]`, the first states included.
    Npy,
}

impl Format {
    /// By the ending of a name.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        if path.extension().is_some_and(|ending| ending == "npy") {
            return Ok(Self::Npy);
        }
        table::Format::of(path).map(Self::Table).with_context(|| {
            format!("{}: the name should end in .csv, .parquet or .npy", path.display())
        })
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
pub struct Writer<'a> {
    out: Out,
    /// All times, the first included.
    times: &'a [f64],
    dimension: usize,
}

enum Out {
    Table(Table<NewFile>),
    Npy(NewFile),
}

impl<'a> Writer<'a> {
    /// Begins a file of `n` trajectories.
    pub fn new(
        path: &Path,
        (n, times, names): (u64, &'a [f64], &[String]),
        bands: bool,
    ) -> anyhow::Result<Self> {
        let mut file = NewFile::create(path)?;
        let out = match Format::of(path)? {
            Format::Table(format) => {
                let widths = names.iter().filter(|_| bands).map(|name| format!("{name}_band"));
                let numbers = ["time".into()].into_iter().chain(names.iter().cloned());
                let numbers = numbers.chain(widths).map(|name| (name, Kind::Number));
                let all = [("trajectory".into(), Kind::Count)].into_iter().chain(numbers);
                Out::Table(Table::new(file, format, &all.collect::<Vec<_>>())?)
            }
            Format::Npy => {
                npy::head(&mut file, &[n, times.len() as u64, names.len() as u64])?;
                Out::Npy(file)
            }
        };
        Ok(Self { out, times, dimension: names.len() })
    }

    /// Writes a batch.
    pub fn write(&mut self, batch: &Batch<'_>) -> anyhow::Result<()> {
        let d = self.dimension;
        let row = (self.times.len() - 1) * d;
        let n = batch.initial.len() / d;
        match &mut self.out {
            Out::Npy(file) => {
                for (initial, states) in batch.initial.chunks(d).zip(batch.states.chunks(row)) {
                    npy::numbers(file, initial)?;
                    npy::numbers(file, states)?;
                }
            }
            Out::Table(table) => {
                let size = (ROWS / self.times.len()).max(1);
                for first in (0..n).step_by(size) {
                    let some = first..n.min(first + size);
                    // One component at all times of these trajectories.
                    let along = |initial: &[f64], later: &[f64], component: usize| {
                        let of = some.clone().flat_map(|i| {
                            let later = later[i * row..][..row].iter().skip(component).step_by(d);
                            [initial[i * d + component]].into_iter().chain(later.copied())
                        });
                        Column::Number(of.collect())
                    };
                    let times =
                        || some.clone().flat_map(|i| self.times.iter().map(move |t| (i, t)));
                    let numbers = times().map(|(i, _)| batch.first + i as u64).collect();
                    let mut columns = vec![Column::Count(numbers)];
                    columns.push(Column::Number(times().map(|(_, time)| *time).collect()));
                    columns.extend((0..d).map(|c| along(batch.initial, batch.states, c)));
                    if let Some(bands) = batch.bands {
                        let none = vec![0.0; batch.initial.len()];
                        columns.extend((0..d).map(|c| along(&none, bands, c)));
                    }
                    table.write(&columns)?;
                }
            }
        }
        Ok(())
    }

    /// Gives the file its name.
    pub fn publish(self) -> anyhow::Result<()> {
        let file = match self.out {
            Out::Table(table) => table.finish()?,
            Out::Npy(file) => file,
        };
        Ok(file.publish()?)
    }
}
