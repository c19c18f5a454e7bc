//! What JSON files of regions have in common.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::named::Named;
use crate::{Error, Result};

/// Something read, or why it cannot be.
pub(super) type Parsed<T> = std::result::Result<T, String>;

/// What a file says of pictures.
pub(super) enum Pictures<T> {
    /// The same of all.
    OfAll(T),
    /// By their names.
    Named(Named<T>),
}

impl<T> Pictures<T> {
    /// What an object says under the names of pictures.
    pub fn named(pictures: Map<String, Value>, read: impl Fn(Value) -> Parsed<T>) -> Parsed<Self> {
        let read = |(name, value)| match read(value) {
            Ok(entry) => Ok((PathBuf::from(name), entry)),
            Err(reason) => Err(format!("{name}: {reason}")),
        };
        let entries = pictures.into_iter().map(read).collect::<Parsed<Vec<_>>>()?;
        Ok(Self::Named(Named::new(entries)))
    }

    /// What `file` says of a picture.
    pub fn find(&self, file: &Path, picture: &Path) -> Result<&T> {
        match self {
            Self::OfAll(entry) => Ok(entry),
            Self::Named(named) => named
                .find(picture)
                .map_err(|reason| Error::Regions { path: file.to_owned(), reason }),
        }
    }
}

/// Reads a file.
pub(super) fn load<T>(path: &Path, parse: impl FnOnce(Value) -> Parsed<T>) -> Result<T> {
    let text = std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    serde_json::from_slice(&text)
        .map_err(|error| format!("not JSON: {error}"))
        .and_then(parse)
        .map_err(|reason| Error::Regions { path: path.to_owned(), reason })
}

/// Reads a list; errors name the entry.
pub(super) fn each<T>(
    list: Vec<Value>,
    what: &str,
    read: impl Fn(Value) -> Parsed<T>,
) -> Parsed<Vec<T>> {
    let read = |(i, value)| read(value).map_err(|reason| format!("{what} {i}: {reason}"));
    list.into_iter().enumerate().map(read).collect()
}
