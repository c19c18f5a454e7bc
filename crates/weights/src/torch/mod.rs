//! The zip files of `torch.save` (torch 1.6 and later): a pickle, `data.pkl`, that describes the
//! objects, and one uncompressed entry `data/<key>` per storage.

mod pickle;
mod tensors;
mod zip;

use std::path::Path;

use crate::parsed::Parsed;
use crate::{Error, Result};

const PICKLE: &str = "data.pkl";

pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Parsed> {
    let entries = zip::read(path, bytes)?;
    // torch puts everything under one directory, named after the file.
    let mut pickles = entries.keys().filter_map(|name| {
        let root = name.strip_suffix(PICKLE)?;
        (root.is_empty() || root.ends_with('/')).then_some(root)
    });
    let (Some(root), None) = (pickles.next(), pickles.next()) else {
        return Err(Error::Malformed {
            path: path.into(),
            what: "zip file".into(),
            expected: format!("exactly one {PICKLE}, as torch.save writes"),
            found: format!("{} entries", entries.len()),
        });
    };
    let entry = |name: &str| entries.get(format!("{root}{name}").as_str()).cloned();
    let read = |name: &str| entry(name).and_then(|range| bytes.get(range));
    if let Some(order) = read("byteorder")
        && order != b"little"
    {
        return Err(Error::Malformed {
            path: path.into(),
            what: "byte order".into(),
            expected: "little".into(),
            found: String::from_utf8_lossy(order.get(..16).unwrap_or(order)).into_owned(),
        });
    }
    let objects = pickle::read(path, read(PICKLE).unwrap_or_default())?;
    tensors::collect(path, &objects, |key| entry(&format!("data/{key}")))
}
