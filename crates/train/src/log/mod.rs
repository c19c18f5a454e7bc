//! Metrics on disk: one JSON object per line, and TensorBoard event files.

mod crc32c;
mod events;
mod jsonl;

use std::{collections::BTreeMap, path::Path};

use crate::Result;

/// The metrics of one step, by name.
pub type Metrics = BTreeMap<String, f64>;

/// What a line of the log is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Training, averaged since the line before.
    Train,
    /// An evaluation after the step.
    Eval,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Eval => "eval",
        }
    }
}

/// Both logs of a run: `metrics.jsonl` and `events.out.tfevents.*`.
pub struct MetricLog {
    lines: jsonl::Jsonl,
    events: events::EventFile,
}

impl MetricLog {
    /// Opens the logs of a run that stands after `step`; what older sittings logged beyond it is
    /// dropped.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn open(dir: &Path, step: u64) -> Result<Self> {
        let lines = jsonl::Jsonl::open(&dir.join("metrics.jsonl"), step)?;
        Ok(Self { lines, events: events::EventFile::create(dir, step)? })
    }

    /// Appends the metrics of `step`.
    ///
    /// # Errors
    /// If writing fails.
    pub fn write(&mut self, kind: Kind, step: u64, metrics: &Metrics) -> Result<()> {
        self.lines.write(kind, step, metrics)?;
        self.events.write(kind, step, metrics)
    }

    /// Flushes to the disk, before a checkpoint that counts on these lines.
    ///
    /// # Errors
    /// If flushing fails.
    pub fn sync(&mut self) -> Result<()> {
        self.lines.sync()?;
        self.events.sync()
    }
}
