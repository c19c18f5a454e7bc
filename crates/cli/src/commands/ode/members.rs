//! Where first states and parameters come from.

use std::{fs::File, ops::Range, path::Path};

use anyhow::{Context, bail, ensure};
use quintet_ode::{Members, Ranges};

/// First states and parameters.
pub enum Source {
    /// Drawn from the ranges of the system.
    Drawn {
        /// Seed of the draws.
        seed: u64,
        /// How many.
        n: u64,
    },
    /// Read from a file.
    Given(Members, u64),
}

impl Source {
    /// Reads a CSV file with a column for each component of the state and each parameter, in any order.
    pub fn read(path: &Path, states: &[String], parameters: &[String]) -> anyhow::Result<Self> {
        let name = path.display();
        let file = File::open(path).with_context(|| format!("{name}: cannot be read"))?;
        let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let header = rows.headers().with_context(|| format!("{name}: no header"))?.clone();
        let column = |wanted: &String| {
            header.iter().position(|column| column == wanted).with_context(|| {
                let found = header.iter().collect::<Vec<_>>().join(", ");
                format!("{name}: no column {wanted}; it has {found}")
            })
        };
        let of = |names: &[String]| names.iter().map(column).collect::<anyhow::Result<Vec<_>>>();
        let (states, parameters) = (of(states)?, of(parameters)?);
        let mut members = Members::default();
        let mut count = 0;
        for (index, row) in rows.records().enumerate() {
            let line = index + 2;
            let row = row.with_context(|| format!("{name}: line {line}"))?;
            let number = |column: &usize| match row.get(*column).map(str::parse::<f64>) {
                Some(Ok(number)) if number.is_finite() => Ok(number),
                _ => {
                    let (column, found) = (&header[*column], row.get(*column).unwrap_or_default());
                    bail!("{name}: line {line}, {column}: {found:?}; expected a finite number")
                }
            };
            for column in &states {
                members.initial.push(number(column)?);
            }
            for column in &parameters {
                members.parameters.push(number(column)?);
            }
            count += 1;
        }
        ensure!(count > 0, "{name}: no rows after the header");
        Ok(Self::Given(members, count))
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        match self {
            Self::Drawn { n, .. } | Self::Given(_, n) => *n,
        }
    }

    /// Those of these numbers.
    pub fn take(&self, ranges: &Ranges, numbers: Range<u64>) -> Members {
        match self {
            Self::Drawn { seed, .. } => ranges.draw(*seed, numbers),
            Self::Given(members, _) => {
                let which: Vec<usize> = numbers.map(|number| number as usize).collect();
                members.select(&which, ranges.initial.len(), ranges.parameters.len())
            }
        }
    }
}
