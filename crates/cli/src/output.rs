//! What commands print on standard output.

use std::{
    io::{self, Write},
    path::Path,
};

use anyhow::Context;
use serde::Serialize;

/// Prints text as it is, at once.
pub fn text(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.context("cannot write to standard output")
}

/// Prints a line.
pub fn line(text: impl std::fmt::Display) -> anyhow::Result<()> {
    self::text(&format!("{text}\n"))
}

/// Prints a value as JSON on one line.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?)
}

/// Refuses a file name that cannot be written to, before the work is done. A file appears under
/// its name only when it is whole, so the name must not be that of a device or a pipe, whose place
/// it would take.
pub fn check_target(path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(!path.is_dir(), "{}: this is a folder; name a file", path.display());
    anyhow::ensure!(
        path.is_file() || !path.exists(),
        "{}: this is a device or a pipe; name a file",
        path.display()
    );
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{}: cannot make the folder", folder.display()))
}

/// Rows in columns as wide as their widest entry, two spaces apart.
pub fn table<R: AsRef<[String]>>(rows: &[R]) -> String {
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let entries = rows.iter().filter_map(|row| row.as_ref().get(column));
            entries.map(|entry| entry.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (entry, width) in row.as_ref().iter().zip(&widths) {
            line.push_str(&format!("{entry:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["a", "bb"], ["ccc", ""], ["é", "d"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "a    bb\nccc\né    d\n");
    }
}
