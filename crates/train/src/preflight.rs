//! Pre-flight: every row is looked at before the first step, so that no run dies of row 90,000.

use std::{
    fmt,
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

use indicatif::{ProgressBar, ProgressStyle};
use quintet_data::{formats::Dataset, sample::Sample};
use rayon::prelude::*;
use serde::Serialize;

use crate::progress::ProgressMode;

/// Failures that a report spells out; the others are only counted.
pub const SHOWN: usize = 20;

/// Rows per unit of parallel work.
const CHUNK: usize = 64;

/// What a row is after tokenizing and truncation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowFacts {
    /// Tokens the backbone reads.
    pub tokens: usize,
    /// Tokens whose loss counts.
    pub supervised: usize,
    /// Tokens that stand for media.
    pub placeholders: usize,
    /// Feature vectors that the projector gives for the media.
    pub features: usize,
}

/// Decodes the media of a row and tokenizes it as training would.
pub trait RowCheck: Sync {
    /// The facts of a row, or why it cannot be trained on.
    ///
    /// # Errors
    /// If a medium does not decode or the conversation cannot be encoded.
    fn check(&self, sample: &Sample) -> Result<RowFacts, String>;
}

impl<F: Fn(&Sample) -> Result<RowFacts, String> + Sync> RowCheck for F {
    fn check(&self, sample: &Sample) -> Result<RowFacts, String> {
        self(sample)
    }
}

/// A row that cannot be trained on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Failure {
    /// Row number, counted from 0.
    pub row: usize,
    /// File, row and reason in one line.
    pub message: String,
}

/// Smallest, largest and sum of a count over rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Smallest.
    pub min: usize,
    /// Largest.
    pub max: usize,
    /// Sum.
    pub sum: u64,
}

impl Default for Span {
    /// Of no rows.
    fn default() -> Self {
        Self { min: usize::MAX, max: 0, sum: 0 }
    }
}

impl Span {
    fn add(&mut self, value: usize) {
        self.merge(&Self { min: value, max: value, sum: value as u64 });
    }

    fn merge(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
    }
}

/// What was found in one dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The dataset.
    pub dataset: String,
    /// Rows that it has.
    pub rows: usize,
    /// Rows that can be trained on.
    pub good: usize,
    /// Rows that cannot.
    pub failed: usize,
    /// The first [`SHOWN`] of those.
    pub failures: Vec<Failure>,
    /// Tokens of the good rows.
    pub tokens: Span,
    /// Supervised tokens of the good rows.
    pub supervised: Span,
    /// Media tokens of the good rows.
    pub media_tokens: Span,
    /// Whether the check was stopped before the last row it was to look at.
    pub stopped: bool,
}

/// Checks every row, or the first `limit`, on all cores.
///
/// A row fails when it does not parse, when `check` refuses it, when placeholders and features
/// differ in number after truncation, or when nothing in it is supervised. `stop` (set by Ctrl-C)
/// ends the check early.
pub fn check(
    dataset: &dyn Dataset,
    check: &dyn RowCheck,
    limit: Option<usize>,
    progress: ProgressMode,
    stop: &AtomicBool,
) -> Report {
    let rows = dataset.len().min(limit.unwrap_or(usize::MAX));
    let bar = match progress {
        ProgressMode::Auto => ProgressBar::new(rows as u64),
        ProgressMode::Quiet => ProgressBar::hidden(),
    };
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} rows  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(format!("pre-flight {}", dataset.name()));
    let ranges: Vec<Range<usize>> =
        (0..rows).step_by(CHUNK).map(|start| start..rows.min(start + CHUNK)).collect();
    let mut report = ranges
        .into_par_iter()
        .map(|range| {
            let mut report = Report::default();
            for row in range {
                if stop.load(Ordering::Relaxed) {
                    report.stopped = true;
                    break;
                }
                report.add(row, check_row(dataset, check, row));
                bar.inc(1);
            }
            report
        })
        .reduce(Report::default, Report::merge);
    bar.finish_and_clear();
    report.dataset = dataset.name().to_owned();
    report.rows = dataset.len();
    report
}

fn check_row(dataset: &dyn Dataset, check: &dyn RowCheck, row: usize) -> Result<RowFacts, String> {
    // The dataset's own errors name file and row.
    let sample = dataset.get(row).map_err(|error| error.to_string())?;
    let fail =
        |reason: String| format!("{}, row {row} (id '{}'): {reason}", dataset.name(), sample.id);
    let facts = check.check(&sample).map_err(fail)?;
    if facts.placeholders != facts.features {
        return Err(fail(format!(
            "{} media placeholders are left after truncation for {} features; raise max_tokens \
             or shorten the text",
            facts.placeholders, facts.features
        )));
    }
    if facts.supervised == 0 {
        return Err(fail(format!(
            "none of its {} tokens is supervised: no answer, or it was truncated away",
            facts.tokens
        )));
    }
    Ok(facts)
}

impl Report {
    /// Whether no row failed and the check was not stopped.
    pub fn passed(&self) -> bool {
        self.failed == 0 && !self.stopped
    }

    fn add(&mut self, row: usize, facts: Result<RowFacts, String>) {
        match facts {
            Ok(facts) => {
                self.good += 1;
                self.tokens.add(facts.tokens);
                self.supervised.add(facts.supervised);
                self.media_tokens.add(facts.placeholders);
            }
            Err(message) => {
                self.failed += 1;
                if self.failures.len() < SHOWN {
                    self.failures.push(Failure { row, message });
                }
            }
        }
    }

    /// Joins the reports of two sets of rows.
    fn merge(mut self, other: Self) -> Self {
        self.good += other.good;
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.sort();
        self.failures.truncate(SHOWN);
        self.tokens.merge(&other.tokens);
        self.supervised.merge(&other.supervised);
        self.media_tokens.merge(&other.media_tokens);
        self.stopped |= other.stopped;
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} rows good, {} failed", self.dataset, self.good, self.failed)?;
        let looked_at = self.good + self.failed;
        match looked_at < self.rows && !self.stopped {
            true => writeln!(f, "; looked at the first {looked_at} of {}", self.rows)?,
            false => writeln!(f)?,
        }
        if self.good > 0 {
            for (name, span) in [
                ("tokens", &self.tokens),
                ("supervised", &self.supervised),
                ("media tokens", &self.media_tokens),
            ] {
                let mean = span.sum as f64 / self.good as f64;
                let (min, max) = (span.min, span.max);
                writeln!(f, "  {name:<14} min {min:>6}  mean {mean:>9.1}  max {max:>6}")?;
            }
        }
        for failure in &self.failures {
            writeln!(f, "  {}", failure.message)?;
        }
        if self.failed > self.failures.len() {
            writeln!(f, "  … and {} more", self.failed - self.failures.len())?;
        }
        if self.stopped {
            writeln!(f, "  stopped before the last row")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    struct Rows(usize);

    impl Dataset for Rows {
        fn len(&self) -> usize {
            self.0
        }

        fn get(&self, i: usize) -> quintet_data::Result<Sample> {
            if i == 70 {
                let reason = "no conversation".to_owned();
                return Err(quintet_data::Error::Row {
                    path: PathBuf::from("rows.json"),
                    row: i,
                    reason,
                });
            }
            Ok(Sample { id: i.to_string(), ..Sample::default() })
        }

        fn name(&self) -> &str {
            "rows.json"
        }
    }

    fn facts(sample: &Sample) -> Result<RowFacts, String> {
        let row: usize = sample.id.parse().map_err(|_| "bad id".to_owned())?;
        let mut facts = RowFacts { tokens: 10 + row, supervised: 3, placeholders: 4, features: 4 };
        match row {
            130 => return Err("cat.png: not a picture".to_owned()),
            131 => facts.supervised = 0,
            132 => facts.placeholders = 2,
            _ => {}
        }
        Ok(facts)
    }

    #[test]
    fn each_failure_names_file_and_row() {
        let go = AtomicBool::new(false);
        let report = check(&Rows(200), &facts, None, ProgressMode::Quiet, &go);
        assert_eq!((report.good, report.failed, report.passed()), (196, 4, false));
        let messages: Vec<&str> = report.failures.iter().map(|f| f.message.as_str()).collect();
        assert_eq!(messages[0], "rows.json, row 70: no conversation");
        assert_eq!(messages[1], "rows.json, row 130 (id '130'): cat.png: not a picture");
        assert!(messages[2].starts_with("rows.json, row 131 (id '131'): none of its 141 tokens"));
        assert!(messages[3].starts_with("rows.json, row 132 (id '132'): 2 media placeholders"));
        assert_eq!((report.tokens.min, report.tokens.max), (10, 209));
        assert_eq!(report.media_tokens, Span { min: 4, max: 4, sum: 196 * 4 });
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["failures"][0]["row"], 70);
    }

    #[test]
    fn many_failures_are_counted_and_the_first_shown() {
        let go = AtomicBool::new(false);
        let bad = |_: &Sample| Err::<RowFacts, _>("no".to_owned());
        let report = check(&Rows(1000), &bad, None, ProgressMode::Quiet, &go);
        assert_eq!((report.good, report.failed), (0, 1000));
        let rows: Vec<usize> = report.failures.iter().map(|f| f.row).collect();
        assert_eq!(rows, (0..SHOWN).collect::<Vec<_>>());
        assert!(report.to_string().ends_with("… and 980 more\n"));
    }

    #[test]
    fn a_stopped_check_does_not_pass() {
        let stop = AtomicBool::new(true);
        let report = check(&Rows(100), &facts, None, ProgressMode::Quiet, &stop);
        assert!(report.stopped && !report.passed());
    }

    #[test]
    fn a_limit_is_kept_and_told() {
        let go = AtomicBool::new(false);
        let report = check(&Rows(200), &facts, Some(70), ProgressMode::Quiet, &go);
        assert_eq!((report.good, report.rows, report.passed()), (70, 200, true));
        assert!(report.to_string().contains("looked at the first 70 of 200"), "{report}");
        let all = check(&Rows(50), &facts, Some(70), ProgressMode::Quiet, &go);
        assert_eq!(all.good, 50);
        assert!(!all.to_string().contains("looked at"), "{all}");
    }
}
