//! Reading columns of numbers, row by row.

use std::{fs::File, path::Path};

use anyhow::{Context, bail};

use super::{Format, parquet};

/// Which numbers are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// None but finite ones.
    Finite,
    /// NaN and infinity too.
    All,
}

impl Numbers {
    /// Whether a number is expected.
    pub(super) fn allow(self, number: f64) -> bool {
        self == Self::All || number.is_finite()
    }

    /// What is expected.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Finite => "a finite number",
            Self::All => "a number",
        }
    }
}

/// The names of all columns.
///
/// # Errors
/// If the file cannot be read, or has none.
pub fn names(path: &Path) -> anyhow::Result<Vec<String>> {
    if Format::of(path) == Some(Format::Parquet) {
        return parquet::names(path);
    }
    let header = csv(path)?.headers().with_context(|| no_header(path))?.clone();
    Ok(header.iter().map(str::to_owned).collect())
}

/// Reads the columns of these names, whatever their order in the file: Parquet by its ending, CSV
/// otherwise. `each` is given the numbers of a row.
///
/// # Errors
/// If a column is missing, or a number; the message names the row. Those of `each`.
pub fn read(
    path: &Path,
    wanted: &[String],
    numbers: Numbers,
    mut each: impl FnMut(&[f64]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if Format::of(path) == Some(Format::Parquet) {
        return parquet::read(path, wanted, numbers, &mut each);
    }
    let name = path.display();
    let mut rows = csv(path)?;
    let header = rows.headers().with_context(|| no_header(path))?.clone();
    let header: Vec<&str> = header.iter().collect();
    let columns = positions(path, &header, wanted)?;
    let mut values = Vec::new();
    for (index, row) in rows.records().enumerate() {
        let line = index + 2;
        let row = row.with_context(|| format!("{name}: line {line}"))?;
        values.clear();
        for column in &columns {
            match row.get(*column).map(str::parse::<f64>) {
                Some(Ok(number)) if numbers.allow(number) => values.push(number),
                _ => {
                    let (column, found) = (header[*column], row.get(*column).unwrap_or_default());
                    let expected = numbers.words();
                    bail!("{name}: line {line}, {column}: {found:?}; expected {expected}")
                }
            }
        }
        each(&values)?;
    }
    Ok(())
}

/// Where columns of these names are.
pub(super) fn positions(
    path: &Path,
    header: &[&str],
    wanted: &[String],
) -> anyhow::Result<Vec<usize>> {
    let column = |wanted: &String| {
        header.iter().position(|column| column == wanted).with_context(|| {
            format!("{}: no column {wanted}; it has {}", path.display(), header.join(", "))
        })
    };
    wanted.iter().map(column).collect()
}

fn csv(path: &Path) -> anyhow::Result<csv::Reader<File>> {
    let file = File::open(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    Ok(csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file))
}

fn no_header(path: &Path) -> String {
    format!("{}: no header", path.display())
}
