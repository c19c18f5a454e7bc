//! SHA-256 of files and streams.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{Error, Result};

const CHUNK: usize = 1 << 20;

/// Digest of a stream, as it passes.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest in lower-case hexadecimal.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// SHA-256 of bytes in lower-case hexadecimal.
pub fn of_bytes(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// SHA-256 of a file in lower-case hexadecimal.
///
/// # Errors
/// When the file cannot be read.
pub fn of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut hasher = Hasher::default();
    pump(&mut file, path, |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Fails unless `found` is the pinned digest.
///
/// # Errors
/// [`Error::Sha256`] naming `what`.
pub fn check(what: impl Into<String>, expected: &str, found: &str) -> Result<()> {
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Error::Sha256 { what: what.into(), expected: expected.into(), found: found.into() })
}

/// Whether `text` is written like a SHA-256.
pub fn looks_like_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Copies `from` to `to`, hashing on the way and telling `tick` how many bytes passed.
///
/// # Errors
/// [`Error::Io`] naming `source` when reading fails and `target` when writing fails (a full disk,
/// for example).
pub fn copy(
    from: &mut dyn Read,
    source: &Path,
    to: &mut dyn Write,
    target: &Path,
    hasher: &mut Hasher,
    mut tick: impl FnMut(u64),
) -> Result<u64> {
    let mut total = 0;
    pump(from, source, |bytes| {
        to.write_all(bytes).map_err(Error::io(target))?;
        hasher.update(bytes);
        total += bytes.len() as u64;
        tick(bytes.len() as u64);
        Ok(())
    })?;
    to.flush().map_err(Error::io(target))?;
    Ok(total)
}

fn pump(
    from: &mut dyn Read,
    source: &Path,
    mut sink: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => sink(buffer.get(..n).unwrap_or_default())?,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io(source)(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn digest_of_the_standard_example() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(of_file(&path).unwrap(), ABC);
        check("abc", &ABC.to_uppercase(), ABC).unwrap();
        let text = check("abc", ABC, &ABC.replace('b', "c")).unwrap_err().to_string();
        assert!(text.starts_with("abc: sha256 is") && text.contains(ABC), "{text}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_names_the_file() {
        let full = Path::new("/dev/full");
        let mut out = std::fs::OpenOptions::new().write(true).open(full).unwrap();
        let mut from: &[u8] = b"abc";
        let mut hasher = Hasher::default();
        let text = copy(&mut from, Path::new("abc"), &mut out, full, &mut hasher, |_| {})
            .unwrap_err()
            .to_string();
        assert!(text.starts_with("/dev/full: No space left"), "{text}");
    }
}
