//! What came of an ensemble: counts, and a file with a row for each trajectory.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use quintet_data::formats::atomic::NewFile;
use quintet_ode::{Members, Solution, Status, correct::Source};
use serde::Serialize;

use super::columns::{Batch, Format, Writer};
use crate::output;

/// Trajectories solved at a time.
pub const BATCH: u64 = 4096;

#[derive(clap::Args)]
pub struct OutputArgs {
    /// Write all states: a row for each in a .csv, or one array [n, times, d] in a .npy
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write a row for each trajectory: how it ended, where it comes from, its promise (CSV)
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
    states: Option<(Writer<'a, NewFile>, PathBuf)>,
    rows: Option<(NewFile, PathBuf)>,
    names: (&'a [String], &'a [String]),
    /// Counts.
    pub tally: Tally,
}

impl OutputArgs {
    /// Refuses what cannot be written before the work is done.
    pub fn check(&self) -> anyhow::Result<()> {
        if let Some(path) = &self.out {
            Format::of(path)?;
        }
        let mut paths = self.out.iter().chain(&self.summary).chain(&self.plot);
        paths.try_for_each(|path| output::check_target(path))
    }

    /// Begins the files.
    pub fn begin<'a>(
        &self,
        (n, times): (u64, &'a [f64]),
        (states, parameters): (&'a [String], &'a [String]),
        corrected: bool,
    ) -> anyhow::Result<Files<'a>> {
        let writer = |path: &Path| -> anyhow::Result<_> {
            let of = (n, times, states);
            let writer = Writer::new(NewFile::create(path)?, Format::of(path)?, of, corrected)?;
            Ok((writer, path.to_owned()))
        };
        let rows = |path: &Path| -> anyhow::Result<_> {
            let mut file = NewFile::create(path)?;
            let starts = states.iter().map(|name| format!("{name}_0"));
            let names: Vec<String> = starts.chain(parameters.iter().cloned()).collect();
            let more = if corrected { ",source,promise,unusual" } else { "" };
            writeln!(file, "trajectory,{},status,end,evaluations{more}", names.join(","))?;
            Ok((file, path.to_owned()))
        };
        Ok(Files {
            states: self.out.as_deref().map(writer).transpose()?,
            rows: self.summary.as_deref().map(rows).transpose()?,
            names: (states, parameters),
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
        if let Some((file, _)) = &mut self.rows {
            let (d, p) = (self.names.0.len(), self.names.1.len());
            for (i, status) in solution.status.iter().enumerate() {
                write!(file, "{}", first + i as u64)?;
                let numbers = members.initial[i * d..][..d].iter();
                for number in numbers.chain(&members.parameters[i * p..][..p]) {
                    write!(file, ",{number}")?;
                }
                let evaluations = solution.evaluations[i];
                write!(file, ",{},{},{evaluations}", name(*status), solution.end[i])?;
                if let Some(corrected) = corrected {
                    let source = match corrected.sources[i] {
                        Source::Corrected => "corrected",
                        Source::Solver => "solver",
                    };
                    let (promise, unusual) = (corrected.promises[i], corrected.unusual[i]);
                    write!(file, ",{source},{promise},{unusual}")?;
                }
                writeln!(file)?;
            }
        }
        Ok(())
    }

    /// Gives the files their names, and returns those with the counts.
    pub fn finish(self) -> anyhow::Result<(Vec<PathBuf>, Tally)> {
        let mut written = Vec::new();
        if let Some((writer, path)) = self.states {
            writer.finish().publish()?;
            written.push(path);
        }
        if let Some((file, path)) = self.rows {
            file.publish()?;
            written.push(path);
        }
        Ok((written, self.tally))
    }
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
