//! Where first states and parameters come from.

use std::{ops::Range, path::Path};

use anyhow::{bail, ensure};
use quintet_ode::{Members, Ranges};

use super::{
    npy::Array,
    table::{self, Numbers},
};

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
    /// Reads a file: by its ending a NumPy array, or a table with a column for each component of the
    /// state and each parameter, in any order.
    pub fn read(
        path: &Path,
        (states, parameters): (&[String], &[String]),
        (ranges, seed): (&Ranges, u64),
    ) -> anyhow::Result<Self> {
        let is_array = path.extension().is_some_and(|ending| ending == "npy");
        let (members, count) = match is_array {
            true => array(path, (states, parameters), (ranges, seed))?,
            false => rows(path, (states, parameters))?,
        };
        ensure!(count > 0, "{}: no rows; at least one trajectory is needed", path.display());
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

/// Of a table.
fn rows(
    path: &Path,
    (states, parameters): (&[String], &[String]),
) -> anyhow::Result<(Members, u64)> {
    let mut members = Members::default();
    let mut count = 0;
    table::read(path, &[states, parameters].concat(), Numbers::Finite, |row| {
        let (initial, parameters) = row.split_at(states.len());
        members.initial.extend(initial);
        members.parameters.extend(parameters);
        count += 1;
        Ok(())
    })?;
    Ok((members, count))
}

/// Of an array `[n, d]`, to which parameters are drawn, or `[n, d + p]`: states in the order of the
/// system, then parameters in theirs.
fn array(
    path: &Path,
    (states, parameters): (&[String], &[String]),
    (ranges, seed): (&Ranges, u64),
) -> anyhow::Result<(Members, u64)> {
    let name = path.display();
    let (d, p) = (states.len(), parameters.len());
    let mut array = Array::open(path)?;
    let [n, width] = array.shape[..] else {
        bail!("{name}: an array of shape {:?}; expected [n, {d}] or [n, {}]", array.shape, d + p)
    };
    let names = [states, parameters].concat();
    ensure!(
        width == d || width == d + p,
        "{name}: {width} numbers in each row; expected {d} ({}) or {} ({})",
        states.join(", "),
        d + p,
        names.join(", ")
    );
    let values = array.values(0, n * width)?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let (row, column) = (at / width, at % width);
        bail!("{name}: row {row}, {}: {}; expected a finite number", names[column], values[at]);
    }
    let column = |from: usize, to: usize| -> Vec<f64> {
        values.chunks(width).flat_map(|row| &row[from..to]).copied().collect()
    };
    let parameters = match width == d {
        true => ranges.draw(seed, 0..n as u64).parameters,
        false => column(d, d + p),
    };
    Ok((Members { initial: column(0, d), parameters }, n as u64))
}
