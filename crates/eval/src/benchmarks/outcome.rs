//! Scores of a benchmark, and what the two modes read differently.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{Benchmark, Item, Mode};

/// Disagreements and unreadable answers that are printed; all are in the data.
const SHOWN: usize = 10;

/// Characters of an answer that are printed.
const WIDTH: usize = 60;

/// How a model did in one mode.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The benchmark's name.
    pub benchmark: &'static str,
    /// Whose program was followed.
    pub mode: Mode,
    /// That program.
    pub rule: &'static str,
    /// Questions scored.
    pub n: usize,
    /// Every number under its name, as the mode's program reports it.
    pub scores: BTreeMap<String, f64>,
    /// Items whose answer (or whose judge's reply) this mode could not read. They are counted as
    /// the mode counts them, which need not be as wrong.
    pub unreadable: Vec<String>,
    /// What the modes do differently beside reading an answer.
    pub differences: &'static [&'static str],
    /// What the other mode would have read differently.
    pub disagreements: Vec<Disagreement>,
}

/// One text that the modes read differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// The item.
    pub id: String,
    /// What was read: the model's answer, or the judge's reply to it.
    pub text: String,
    /// What the official program reads in it.
    pub official: String,
    /// What the harness reads in it.
    pub harness: String,
    /// Why.
    pub reason: String,
}

impl Outcome {
    pub(super) fn new(benchmark: &dyn Benchmark, mode: Mode, n: usize) -> Self {
        Self {
            benchmark: benchmark.name(),
            mode,
            rule: benchmark.rule(mode),
            n,
            scores: BTreeMap::new(),
            unreadable: Vec::new(),
            differences: benchmark.differences(),
            disagreements: Vec::new(),
        }
    }

    pub(super) fn set(&mut self, name: impl Into<String>, value: f64) {
        self.scores.insert(name.into(), value);
    }

    /// Notes that the modes read `text` differently: `[official, harness]`.
    pub(super) fn disagree(
        &mut self,
        item: &Item,
        text: &str,
        [official, harness]: [String; 2],
        reason: impl Into<String>,
    ) {
        self.disagreements.push(Disagreement {
            id: item.id.clone(),
            text: text.to_owned(),
            official,
            harness,
            reason: reason.into(),
        });
    }
}

/// Ten of a list, and how many more there are.
fn more(f: &mut fmt::Formatter<'_>, total: usize) -> fmt::Result {
    match total.saturating_sub(SHOWN) {
        0 => Ok(()),
        more => writeln!(f, "  and {more} more"),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { benchmark, mode, rule, n, unreadable, disagreements, .. } = self;
        writeln!(f, "{benchmark}, {mode} ({rule}), {n} questions")?;
        for (name, value) in &self.scores {
            writeln!(f, "  {name:<32} {value:>9.3}")?;
        }
        if !unreadable.is_empty() {
            writeln!(f, "{} cannot be read:", unreadable.len())?;
            unreadable.iter().take(SHOWN).try_for_each(|id| writeln!(f, "  {id}"))?;
            more(f, unreadable.len())?;
        }
        writeln!(f, "the modes differ:")?;
        self.differences.iter().try_for_each(|difference| writeln!(f, "  {difference}"))?;
        if !disagreements.is_empty() {
            writeln!(f, "{} are read differently in the other mode:", disagreements.len())?;
            for Disagreement { id, text, official, harness, reason } in
                disagreements.iter().take(SHOWN)
            {
                let text: String = text.chars().take(WIDTH).collect();
                writeln!(f, "  {id} {text:?}: official {official}, harness {harness} ({reason})")?;
            }
            more(f, disagreements.len())?;
        }
        Ok(())
    }
}
