//! Writing parameters and the small files beside them, each whole or not at all.

use std::{collections::BTreeMap, path::Path};

use quintet_weights::{Lazy, SaveDType, save_safetensors, write_atomically};

use crate::{Error, Linear, Params, Result};

impl Params {
    /// Writes the parameters that the predicate picks by full name to a safetensors file, as
    /// `transformers` reads it. Adapters are written as if they were merged.
    ///
    /// # Errors
    /// If the file cannot be written; an older file then stays as it was.
    pub fn save(&self, path: &Path, dtype: SaveDType, pick: impl Fn(&str) -> bool) -> Result<()> {
        let picked = self.plain().filter(|(cell, _)| pick(cell.name()));
        let tensors = picked.map(|(cell, adapted)| {
            let values = move || adapted.map_or_else(|| cell.to_f32(), Linear::merged_f32);
            (cell.name(), cell.shape(), Lazy(values))
        });
        Ok(save_safetensors(path, tensors, dtype, &format_metadata())?)
    }
}

/// `transformers` refuses safetensors that do not say which framework's layout they have.
pub(crate) fn format_metadata() -> BTreeMap<String, String> {
    BTreeMap::from([("format".to_owned(), "pt".to_owned())])
}

/// Writes a small file, such as a configuration: under a temporary name, then renamed.
///
/// # Errors
/// If the directory cannot be written to; an older file then stays as it was.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |out| out.write_all(bytes)).map_err(|source| Error::Io {
        path: path.to_owned(),
        action: "write",
        source,
    })
}
