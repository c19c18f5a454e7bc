//! A reader over bytes that never reads past their end.

use std::fmt::Display;
use std::path::Path;

use crate::{Error, Result};

/// A position in a file. Every read is checked; a failed one names the file and what was read.
pub(crate) struct Cursor<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, bytes, at: 0 }
    }

    /// A cursor at offset `at`, which may lie anywhere: reading past the end fails.
    pub(crate) fn starting(path: &'a Path, bytes: &'a [u8], at: u64) -> Self {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        Self { path, bytes, at: at.min(bytes.len()) }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn take(&mut self, n: u64, what: impl Display) -> Result<&'a [u8]> {
        let taken = usize::try_from(n)
            .ok()
            .and_then(|n| self.at.checked_add(n))
            .and_then(|end| Some((end, self.bytes.get(self.at..end)?)));
        let Some((end, taken)) = taken else {
            return Err(Error::Truncated {
                path: self.path.into(),
                what: what.to_string(),
                at: self.at,
                needed: n,
                available: self.left(),
            });
        };
        self.at = end;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self, what: impl Display) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self, what: impl Display) -> Result<u8> {
        self.array(what).map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self, what: impl Display) -> Result<u16> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, what: impl Display) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: impl Display) -> Result<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// `n` bytes of UTF-8, at most `limit` of them.
    pub(crate) fn text(&mut self, n: u64, limit: u64, what: impl Display) -> Result<&'a str> {
        if n > limit {
            return Err(Error::Limit {
                path: self.path.into(),
                what: format!("length of {what}"),
                found: n,
                limit,
            });
        }
        let bytes = self.take(n, &what)?;
        std::str::from_utf8(bytes).map_err(|e| Error::Malformed {
            path: self.path.into(),
            what: what.to_string(),
            expected: "UTF-8 text".into(),
            found: e.to_string(),
        })
    }
}
