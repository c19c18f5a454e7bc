//! The bytes of a file: mapped into memory, or owned.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use crate::{Error, Result};

pub(crate) enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Bytes {
    pub(crate) fn map(path: &Path) -> Result<Self> {
        let fail = |action| move |source| Error::Io { path: path.into(), action, source };
        let file = File::open(path).map_err(fail("open"))?;
        // SAFETY: the map is private to this value and read-only. A file that another process
        // rewrites in place while it is mapped can still change underneath; weight files are
        // replaced by rename (as `save_safetensors` does), which leaves the mapped one intact.
        let map = unsafe { Mmap::map(&file) }.map_err(fail("map"))?;
        Ok(Bytes::Mapped(map))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}
