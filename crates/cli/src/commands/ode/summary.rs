//! What came of an ensemble: counts, and a file with a row for each trajectory.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context;
use quintet_data::formats::atomic::NewFile;
use quintet_ode::{Members, Solution, Status, correct::Source};
use serde::Serialize;

use super::{
    columns::{Batch, Format, Writer},
    problem::Problem,
    table::{self, Column, Kind, Table},
};
use crate::output;

/// Trajectories solved at a time.
pub const BATCH: u64 = 4096;

#[derive(clap::Args)]
pub struct OutputArgs {
    /// Write all states: a row for each in a .csv or .parquet, or one array [n, times, d] in a .npy
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write a row for each trajectory, as .csv or .parquet: how it ended, where it comes from, its
    /// promise
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Draw some trajectories (SVG)
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What is known of a batch of trajectories.
pub struct Solved<'a> {
    /// The number of the first.
    pub first: u64,
    /// First states and parameters.
    pub members: &'a Members,
    /// The trajectories.
    pub solution: &'a Solution,
    /// If they were corrected: half widths of bands `[n, times, d]`, and for each trajectory its
    /// promise, its source and whether it is unusual.
    pub corrected: Option<Corrected<'a>>,
}

/// See [`Solved`].
#[derive(Clone, Copy)]
pub struct Corrected<'a> {
    pub bands: &'a [f64],
    pub promises: &'a [f64],
    pub sources: &'a [Source],
    pub unusual: &'a [bool],
}

/// Counts over all trajectories.
#[derive(Default, Serialize)]
pub struct Tally {
    /// Trajectories by how they ended.
    pub ended: BTreeMap<&'static str, u64>,
    /// Evaluations of the right-hand side, all together.
    pub evaluations: u64,
}

/// The files that were asked for.
pub struct Files<'a> {
    states: Option<(Writer<'a>, PathBuf)>,
    rows: Option<(Table<NewFile>, PathBuf)>,
    problem: &'a Problem,
    /// Counts.
    pub tally: Tally,
}

impl OutputArgs {
    /// Refuses what cannot be written before the work is done.
    pub fn check(&self) -> anyhow::Result<()> {
        if let Some(path) = &self.out {
            Format::of(path)?;
        }
        self.summary.as_deref().map(rows_format).transpose()?;
        let mut paths = self.out.iter().chain(&self.summary).chain(&self.plot);
        paths.try_for_each(|path| output::check_target(path))
    }

    /// Begins the files.
    pub fn begin<'a>(
        &self,
        problem: &'a Problem,
        (n, times): (u64, &'a [f64]),
        corrected: bool,
    ) -> anyhow::Result<Files<'a>> {
        let Problem { states, parameters, events, .. } = problem;
        let writer = |path: &Path| -> anyhow::Result<_> {
            Ok((Writer::new(path, (n, times, states), corrected)?, path.to_owned()))
        };
        let rows = |path: &Path| -> anyhow::Result<_> {
            let starts = states.iter().map(|name| format!("{name}_0"));
            let numbers = starts.chain(parameters.iter().cloned());
            let numbers = numbers.map(|name| (name, Kind::Number));
            let mut all = vec![("trajectory".into(), Kind::Count)];
            all.extend(numbers);
            let ends =
                [("status", Kind::Word), ("end", Kind::Number), ("evaluations", Kind::Count)];
            all.extend(ends.map(named));
            if !events.is_empty() {
                all.push(named(("event", Kind::Word)));
                all.extend(events.iter().map(|name| (format!("{name}_at"), Kind::Number)));
            }
            if corrected {
                let more =
                    [("source", Kind::Word), ("promise", Kind::Number), ("unusual", Kind::Flag)];
                all.extend(more.map(named));
            }
            let table = Table::new(NewFile::create(path)?, rows_format(path)?, &all)?;
            Ok((table, path.to_owned()))
        };
        Ok(Files {
            states: self.out.as_deref().map(writer).transpose()?,
            rows: self.summary.as_deref().map(rows).transpose()?,
            problem,
            tally: Tally::default(),
        })
    }
}

impl Files<'_> {
    /// Adds a batch.
    pub fn add(&mut self, solved: &Solved<'_>) -> anyhow::Result<()> {
        let Solved { first, members, solution, corrected } = *solved;
        self.tally.evaluations += solution.evaluations.iter().sum::<u64>();
        for status in &solution.status {
            *self.tally.ended.entry(name(*status)).or_default() += 1;
        }
        if let Some((writer, _)) = &mut self.states {
            let bands = corrected.map(|corrected| corrected.bands);
            let (initial, states) = (&members.initial[..], &solution.states[..]);
            writer.write(&Batch { first, initial, states, bands })?;
        }
        if let Some((table, _)) = &mut self.rows {
            let Problem { states, parameters, events, .. } = self.problem;
            let (d, p) = (states.len(), parameters.len());
            let n = solution.status.len() as u64;
            let column = |values: &[f64], i: usize, width: usize| {
                Column::Number(values.iter().skip(i).step_by(width).copied().collect())
            };
            let mut columns = vec![Column::Count((first..first + n).collect())];
            columns.extend((0..d).map(|i| column(&members.initial, i, d)));
            columns.extend((0..p).map(|i| column(&members.parameters, i, p)));
            columns.push(Column::Word(solution.status.iter().copied().map(name).collect()));
            columns.push(Column::Number(solution.end.clone()));
            columns.push(Column::Count(solution.evaluations.clone()));
            if !events.is_empty() {
                let event = |status: &Status| match status {
                    Status::Event(event) => events.get(*event).map_or("", String::as_str),
                    _ => "",
                };
                columns.push(Column::Word(solution.status.iter().map(event).collect()));
                let count = events.len();
                columns.extend((0..count).map(|i| column(&solution.crossings, i, count)));
            }
            if let Some(corrected) = corrected {
                let source = |source: &Source| match source {
                    Source::Corrected => "corrected",
                    Source::Solver => "solver",
                };
                columns.push(Column::Word(corrected.sources.iter().map(source).collect()));
                columns.push(Column::Number(corrected.promises.to_vec()));
                columns.push(Column::Flag(corrected.unusual.to_vec()));
            }
            table.write(&columns)?;
        }
        Ok(())
    }

    /// Gives the files their names, and returns those with the counts.
    pub fn finish(self) -> anyhow::Result<(Vec<PathBuf>, Tally)> {
        let mut written = Vec::new();
        if let Some((writer, path)) = self.states {
            writer.publish()?;
            written.push(path);
        }
        if let Some((table, path)) = self.rows {
            table.finish()?.publish()?;
            written.push(path);
        }
        Ok((written, self.tally))
    }
}

/// How rows are written.
fn rows_format(path: &Path) -> anyhow::Result<table::Format> {
    table::Format::of(path)
        .with_context(|| format!("{}: the name should end in .csv or .parquet", path.display()))
}

/// A column of the rows.
fn named((name, kind): (&str, Kind)) -> (String, Kind) {
    (name.to_owned(), kind)
}

/// How a trajectory ended, in a word.
fn name(status: Status) -> &'static str {
    match status {
        Status::Finished => "finished",
        Status::Diverged => "diverged",
        Status::Event(_) => "event",
        Status::MaxSteps => "max-steps",
        Status::TooSmallSteps => "too-small-steps",
    }
}
