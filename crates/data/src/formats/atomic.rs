//! Files that appear whole or not at all.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::{Error, Result};

/// A file that gets its name when it is whole. Dropped before, it leaves nothing.
pub struct NewFile {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file, in a folder that is made if there is none.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn create(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let file = BufWriter::new(temporary(path).map_err(io)?);
        Ok(Self { file, path: path.to_owned() })
    }

    /// Gives it its name; what was there before is gone.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn publish(self) -> Result<()> {
        let Self { file, path } = self;
        let io = |source| Error::Io { path: path.clone(), source };
        publish(file.into_inner().map_err(|e| io(e.into_error()))?, &path)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes through `fill` to a temporary file beside `path`, then renames it.
///
/// # Errors
/// If `fill` fails or the disk does; what was at `path` is then untouched.
pub fn write(path: &Path, fill: impl FnOnce(&mut NewFile) -> Result<()>) -> Result<()> {
    let mut file = NewFile::create(path)?;
    fill(&mut file)?;
    file.publish()
}

/// A temporary file beside `path`, in a folder that is made if there is none.
pub(crate) fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // A temporary file is private by default; what it becomes should be readable as usual.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Makes a finished temporary file durable and gives it its name.
pub(crate) fn publish(file: NamedTempFile, path: &Path) -> Result<()> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
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
