//! Writing parameters and the small files beside them, each whole or not at all.

use std::{collections::BTreeMap, io::Write, path::Path};

use quintet_weights::{SaveDType, save_safetensors};

use crate::{Error, Params, Result};

impl Params {
    /// Writes the parameters that the predicate picks by full name to a safetensors file, as
    /// `transformers` reads it.
    ///
    /// # Errors
    /// If the file cannot be written; an older file then stays as it was.
    pub fn save(&self, path: &Path, dtype: SaveDType, pick: impl Fn(&str) -> bool) -> Result<()> {
        let picked = self.iter().filter(|cell| pick(cell.name()));
        let tensors = picked.map(|cell| (cell.name(), cell.shape(), cell.to_f32()));
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
    let fail = |source| Error::Io { path: path.to_owned(), action: "write", source };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".quintet-").suffix(".part");
    #[cfg(unix)]
    {
        // A temporary file is private by default; what it becomes should be readable as usual.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(dir).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    Ok(())
}
