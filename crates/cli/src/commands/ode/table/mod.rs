//! Tables of named columns, as CSV or Parquet.

mod parquet;
mod read;
mod write;

use std::path::Path;

pub use self::{
    read::{Numbers, names, read},
    write::{Column, Kind, Table},
};

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    Parquet,
}

impl Format {
    /// By the ending of a name, if it is one of these.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Some(Self::Csv),
            Some("parquet") => Some(Self::Parquet),
            _ => None,
        }
    }
}
