//! Benchmark files: bounded, read row by row, with errors that name the place.

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read,
    path::{Component, Path, PathBuf},
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// Larger files are not of a benchmark: SEED-Bench's questions take 10 MB.
const MAX_BYTES: u64 = 1 << 28;

/// A JSON object.
pub(super) type Row = Map<String, Value>;

/// The text of a file of at most 2²⁸ bytes.
pub(super) fn text(path: &Path) -> Result<String> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(malformed(path, format!("more than {MAX_BYTES} bytes; expected a benchmark")));
    }
    let text = String::from_utf8(bytes).map_err(|e| malformed(path, format!("not UTF-8: {e}")))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// One JSON value.
pub(super) fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_str(&text(path)?).map_err(|e| malformed(path, format!("malformed JSON: {e}")))
}

/// What `parse` makes of each line that is not empty; rows count from 0.
pub(super) fn lines<T>(
    path: &Path,
    text: &str,
    mut parse: impl FnMut(&str) -> std::result::Result<T, String>,
) -> Result<Vec<T>> {
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).enumerate();
    let parsed = lines.filter(|(_, line)| !line.trim().is_empty()).map(|(row, line)| {
        parse(line).map_err(|reason| Error::Row { path: path.to_owned(), row, reason })
    });
    parsed.collect()
}

/// What `parse` makes of each of a file's JSON lines.
pub(super) fn json_lines<T>(
    path: &Path,
    mut parse: impl FnMut(&Row) -> std::result::Result<T, String>,
) -> Result<Vec<T>> {
    lines(path, &text(path)?, |line| parse(&row(line)?))
}

/// A line's object.
pub(super) fn row(line: &str) -> std::result::Result<Row, String> {
    serde_json::from_str(line).map_err(|e| format!("malformed JSON object: {e}"))
}

/// The text of the first of `names` that a row has; whole numbers are texts, too.
pub(super) fn field(row: &Row, names: &[&str]) -> std::result::Result<String, String> {
    let value = names.iter().find_map(|name| row.get(*name));
    match value {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) if !number.is_f64() => Ok(number.to_string()),
        Some(other) => Err(format!("{:?} is {other}; expected a text", names[0])),
        None => Err(format!("no \"{}\"", names.join("\" or \""))),
    }
}

/// Checks that no id comes twice in a file.
pub(super) fn distinct<'a>(path: &Path, ids: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut seen = BTreeSet::new();
    match ids.into_iter().find(|id| !seen.insert(*id)) {
        Some(id) => Err(malformed(path, format!("two rows of {id:?}; expected one of each"))),
        None => Ok(()),
    }
}

/// `name` below `root`; names that lead elsewhere are refused.
pub(super) fn below(root: &Path, name: &str) -> std::result::Result<PathBuf, String> {
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !plain {
        return Err(format!("{name:?} is no name of a file below {}", root.display()));
    }
    Ok(root.join(name))
}

/// The names in a folder, sorted.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let io = |source| Error::Io { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        names.extend(entry.map_err(io)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// A file that is not what its benchmark publishes.
pub(super) fn malformed(path: &Path, reason: impl Into<String>) -> Error {
    Error::File { path: path.to_owned(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_their_root() {
        let root = Path::new("images");
        assert_eq!(below(root, "a/b.png"), Ok(PathBuf::from("images/a/b.png")));
        for name in ["", "../a.png", "/etc/passwd", "a/../../b"] {
            assert!(below(root, name).unwrap_err().contains("below images"), "{name}");
        }
    }

    #[test]
    fn errors_name_file_and_row() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.jsonl");
        std::fs::write(&path, "\u{feff}{\"id\": 7}\r\n\n{\"id\": 1.5}\n").unwrap();
        let error = json_lines(&path, |row| field(row, &["id"])).unwrap_err().to_string();
        assert!(error.ends_with("rows.jsonl, row 2: \"id\" is 1.5; expected a text"), "{error}");
        std::fs::write(&path, [0xff]).unwrap();
        assert!(text(&path).unwrap_err().to_string().contains("rows.jsonl: not UTF-8"));
        assert!(text(dir.path().join("none").as_path()).unwrap_err().to_string().contains("none"));
    }
}
