//! Files out of zip (wheel) and gzipped tar (sdist, npm) archives.
//!
//! An archive is outside data: names are checked before they become paths, links are refused, and
//! no stated size is believed.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::digest::{self, Hasher};
use crate::{Error, Result};

/// How much an archive may unpack to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of all files together.
    pub total: u64,
    /// Number of entries.
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 2 << 30, total: 4 << 30, entries: 200_000 }
    }
}

/// Extracts one file to `target` and gives its SHA-256.
///
/// # Errors
/// When the archive cannot be read, does not hold `member`, or exceeds `limits`. `target` may then
/// hold a part: pass a temporary name.
pub fn extract(archive: &Path, member: &str, target: &Path, limits: &Limits) -> Result<String> {
    let mut names = Names::default();
    let mut found = None;
    walk(archive, limits, &mut |entry| {
        if entry.kind == Kind::File {
            names.see(entry.name);
            if entry.name == member {
                found = Some(write(archive, entry, target, limits.file)?.0);
                return Ok(Next::Stop);
            }
        }
        Ok(Next::Go)
    })?;
    found.ok_or_else(|| Error::NoMember {
        archive: archive.into(),
        member: member.into(),
        count: names.count,
        example: names.example,
    })
}

/// Extracts every file below `dir`, an empty folder.
///
/// # Errors
/// When the archive cannot be read, holds a link or a name that leads outside `dir`, names a file
/// twice, or exceeds `limits`. `dir` may then hold a part: pass a temporary folder.
pub fn extract_all(archive: &Path, dir: &Path, limits: &Limits) -> Result<()> {
    let mut left = limits.total;
    walk(archive, limits, &mut |entry| {
        let refuse = |reason| Error::UnsafeMember {
            archive: archive.into(),
            member: entry.name.into(),
            reason,
        };
        let target = dir.join(relative(entry.name).map_err(refuse)?);
        match entry.kind {
            Kind::Link => return Err(refuse("it is a link or a device")),
            Kind::Dir => std::fs::create_dir_all(&target).map_err(Error::io(&target))?,
            Kind::File => {
                if target.exists() {
                    return Err(refuse("the name is there twice"));
                }
                let written = write(archive, entry, &target, limits.file.min(left))?.1;
                left = left.saturating_sub(written);
            }
        }
        Ok(Next::Go)
    })
}

/// The path an archive name stands for below a folder.
///
/// # Errors
/// The reason, when the name is empty, absolute, or climbs out with `..`.
pub fn relative(name: &str) -> std::result::Result<PathBuf, &'static str> {
    // A backslash or a drive letter is a plain character here and a path on Windows.
    if name.contains(['\\', ':', '\0']) {
        return Err("the name holds a backslash, a colon or a zero byte");
    }
    let mut path = PathBuf::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return Err("the name leads outside the folder"),
        }
    }
    if path.as_os_str().is_empty() { Err("the name is empty") } else { Ok(path) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Dir,
    Link,
}

enum Next {
    Go,
    Stop,
}

struct Entry<'a> {
    name: &'a str,
    kind: Kind,
    size: u64,
    body: &'a mut dyn Read,
}

#[derive(Default)]
struct Names {
    count: usize,
    example: String,
}

impl Names {
    fn see(&mut self, name: &str) {
        if self.count == 0 {
            self.example = name.into();
        }
        self.count += 1;
    }
}

type Visit<'v> = &'v mut dyn FnMut(&mut Entry) -> Result<Next>;

fn walk(archive: &Path, limits: &Limits, visit: Visit) -> Result<()> {
    let mut file = File::open(archive).map_err(Error::io(archive))?;
    let mut magic = [0; 4];
    let read = read_up_to(&mut file, &mut magic).map_err(Error::io(archive))?;
    let file = File::open(archive).map_err(Error::io(archive))?;
    match magic.get(..read) {
        Some(b"PK\x03\x04" | b"PK\x05\x06") => walk_zip(archive, file, limits, visit),
        Some([0x1f, 0x8b, ..]) => walk_tar(archive, file, limits, visit),
        _ => Err(broken(archive, "neither a zip nor a gzip file")),
    }
}

fn walk_zip(archive: &Path, file: File, limits: &Limits, visit: Visit) -> Result<()> {
    let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(|e| broken(archive, e))?;
    count(archive, zip.len() as u64, limits)?;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|e| broken(archive, e))?;
        let name = entry.name().map_err(|e| broken(archive, e))?.into_owned();
        let kind = match (entry.is_symlink(), entry.is_dir()) {
            (true, _) => Kind::Link,
            (_, true) => Kind::Dir,
            _ => Kind::File,
        };
        let size = entry.size();
        if let Next::Stop = visit(&mut Entry { name: &name, kind, size, body: &mut entry })? {
            break;
        }
    }
    Ok(())
}

fn walk_tar(archive: &Path, file: File, limits: &Limits, visit: Visit) -> Result<()> {
    let mut tar = tar::Archive::new(MultiGzDecoder::new(BufReader::new(file)));
    for (index, entry) in tar.entries().map_err(|e| broken(archive, e))?.enumerate() {
        count(archive, index as u64 + 1, limits)?;
        let mut entry = entry.map_err(|e| broken(archive, e))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = match entry.header().entry_type() {
            // Written by `git archive`: the commit, not a file.
            tar::EntryType::XGlobalHeader => continue,
            kind if kind.is_dir() => Kind::Dir,
            kind if kind.is_file() || kind.is_contiguous() => Kind::File,
            _ => Kind::Link,
        };
        let size = entry.size();
        if let Next::Stop = visit(&mut Entry { name: &name, kind, size, body: &mut entry })? {
            return Ok(());
        }
    }
    // The tar ends before the gzip stream does: its checksum comes last.
    let mut rest = tar.into_inner().take(limits.total);
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(|e| broken(archive, e))?;
    Ok(())
}

fn count(archive: &Path, entries: u64, limits: &Limits) -> Result<()> {
    if entries <= limits.entries {
        return Ok(());
    }
    Err(Error::TooLarge {
        archive: archive.into(),
        what: "the number of entries".into(),
        limit: limits.entries,
    })
}

fn write(archive: &Path, entry: &mut Entry, target: &Path, limit: u64) -> Result<(String, u64)> {
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    let mut file = File::create(target).map_err(Error::io(target))?;
    let mut hasher = Hasher::default();
    let inside = archive.join(entry.name);
    let mut body = entry.body.take(limit.saturating_add(1));
    let written = digest::copy(&mut body, &inside, &mut file, target, &mut hasher, |_| {})?;
    if written > limit {
        return Err(Error::TooLarge {
            archive: archive.into(),
            what: format!("{:?}", entry.name),
            limit,
        });
    }
    if written != entry.size {
        return Err(Error::Length {
            what: inside.display().to_string(),
            expected: entry.size,
            found: written,
        });
    }
    Ok((hasher.finish(), written))
}

fn read_up_to(from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut read = Vec::new();
    from.take(buffer.len() as u64).read_to_end(&mut read)?;
    for (to, from) in buffer.iter_mut().zip(&read) {
        *to = *from;
    }
    Ok(read.len())
}

fn broken(archive: &Path, reason: impl ToString) -> Error {
    Error::Archive { archive: archive.into(), reason: reason.to_string() }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;

    pub(crate) fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, body) in files {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(body).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    pub(crate) fn tgz_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(gz);
        for (name, body) in files {
            let mut header = tar::Header::new_ustar();
            // Written raw: the library's own setter refuses the hostile names tested here.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(body.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append(&header, *body).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    fn both(files: &[(&str, &[u8])]) -> [Vec<u8>; 2] {
        [zip_of(files), tgz_of(files)]
    }

    fn with(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("archive");
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    #[test]
    fn files_come_out_as_they_went_in() {
        let big = vec![7; 3_000_000];
        for bytes in both(&[("a/one", b"1"), ("a/b/two", &big), ("top", b"")]) {
            let (dir, path) = with(&bytes);
            let out = dir.path().join("out");
            extract_all(&path, &out, &Limits::default()).unwrap();
            assert_eq!(std::fs::read(out.join("a/one")).unwrap(), b"1");
            assert_eq!(std::fs::read(out.join("a/b/two")).unwrap(), big);
            assert_eq!(std::fs::read(out.join("top")).unwrap(), b"");
            let one = dir.path().join("single");
            let sha = extract(&path, "a/b/two", &one, &Limits::default()).unwrap();
            assert_eq!(sha, digest::of_file(&one).unwrap());
            assert_eq!(std::fs::read(one).unwrap(), big);
        }
    }

    #[test]
    fn a_missing_member_is_named() {
        for bytes in both(&[("a/one", b"1"), ("a/two", b"2")]) {
            let (dir, path) = with(&bytes);
            let text = extract(&path, "a/three", &dir.path().join("x"), &Limits::default())
                .unwrap_err()
                .to_string();
            assert!(text.contains(r#"no file "a/three" in it (2 files"#), "{text}");
        }
    }

    #[test]
    fn names_that_lead_outside_are_refused() {
        for name in ["../evil", "a/../../evil", "/evil", "..\\evil", "C:evil"] {
            for bytes in both(&[("fine", b"1"), (name, b"2")]) {
                let (dir, path) = with(&bytes);
                let out = dir.path().join("deep/out");
                let error = extract_all(&path, &out, &Limits::default()).unwrap_err();
                assert!(matches!(error, Error::UnsafeMember { .. }), "{name}: {error}");
                assert!(!dir.path().join("deep/evil").exists());
                assert!(!dir.path().join("evil").exists());
                assert!(!Path::new("/evil").exists());
            }
        }
        assert_eq!(relative("./a//b").unwrap(), Path::new("a/b"));
        assert!(relative("").is_err() && relative(".").is_err());
    }

    #[test]
    fn links_are_refused() {
        let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(gz);
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "door", "/").unwrap();
        let (dir, path) = with(&tar.into_inner().unwrap().finish().unwrap());
        let error = extract_all(&path, &dir.path().join("out"), &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("it is a link"), "{error}");
    }

    #[test]
    fn a_size_bomb_stops_at_the_limit() {
        let zeros = vec![0; 5_000_000];
        let limits = Limits { file: 1_000_000, total: 2_000_000, entries: 3 };
        for bytes in both(&[("bomb", &zeros)]) {
            assert!(bytes.len() < 100_000);
            let (dir, path) = with(&bytes);
            for error in [
                extract(&path, "bomb", &dir.path().join("x"), &limits).unwrap_err(),
                extract_all(&path, &dir.path().join("out"), &limits).unwrap_err(),
            ] {
                assert!(error.to_string().contains("limit of 1000000"), "{error}");
            }
            assert!(std::fs::metadata(dir.path().join("x")).unwrap().len() <= 1_000_001);
        }
        let part = &zeros[..900_000];
        for bytes in both(&[("a", part), ("b", part), ("c", part)]) {
            let (dir, path) = with(&bytes);
            let error = extract_all(&path, &dir.path().join("out"), &limits).unwrap_err();
            assert!(error.to_string().contains("limit of 200000"), "{error}");
        }
        for bytes in both(&[("a", b""), ("b", b""), ("c", b""), ("d", b"")]) {
            let (dir, path) = with(&bytes);
            let error = extract_all(&path, &dir.path().join("out"), &limits).unwrap_err();
            assert!(error.to_string().contains("number of entries"), "{error}");
        }
    }

    #[test]
    fn a_tar_cut_inside_a_whole_gzip_stream_is_an_error() {
        let mut tar = Vec::new();
        let whole = tgz_of(&[("a", &[7; 4000])]);
        MultiGzDecoder::new(&whole[..]).read_to_end(&mut tar).unwrap();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&tar[..2000]).unwrap();
        let (dir, path) = with(&gz.finish().unwrap());
        let target = dir.path().join("x");
        assert!(extract(&path, "a", &target, &Limits::default()).is_err());
        assert!(extract_all(&path, &dir.path().join("out"), &Limits::default()).is_err());
    }

    #[test]
    fn every_truncation_is_an_error() {
        let body: Vec<u8> = (0..4000u32).flat_map(|i| (i * i).to_le_bytes()).collect();
        for bytes in both(&[("a", &body), ("b", b"2")]) {
            for cut in [0, 1, 3, 10, bytes.len() / 2, bytes.len() - 9] {
                let (dir, path) = with(&bytes[..cut]);
                let out = dir.path().join("out");
                assert!(extract_all(&path, &out, &Limits::default()).is_err(), "cut at {cut}");
            }
        }
    }
}
