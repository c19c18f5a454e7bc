//! Files that appear whole or not at all.

use std::{
    io::{BufWriter, Write},
    path::Path,
};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::{Error, Result};

/// Writes through `fill` to a temporary file beside `path`, then renames it.
///
/// # Errors
/// If `fill` fails or the disk does; what was at `path` is then untouched.
pub fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut std::fs::File>) -> Result<()>,
) -> Result<()> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(io)?;
    let mut file = NamedTempFile::new_in(folder).map_err(io)?;
    let mut writer = BufWriter::new(file.as_file_mut());
    fill(&mut writer)?;
    writer.flush().map_err(io)?;
    drop(writer);
    publish(file, path)
}

/// Makes a finished temporary file durable and gives it its name.
pub(crate) fn publish(file: NamedTempFile, path: &Path) -> Result<()> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    make_readable(&file).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

/// Temporary files are private; datasets and tokenizers are not.
#[cfg(unix)]
fn make_readable(file: &NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &NamedTempFile) -> std::io::Result<()> {
    Ok(())
}

/// Writes bytes.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    write(path, |writer| writer.write_all(bytes).map_err(io))
}

/// Writes indented JSON.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write(path, |writer| {
        serde_json::to_writer_pretty(&mut *writer, value)
            .map_err(|e| Error::Io { path: path.to_owned(), source: e.into() })
    })
}
