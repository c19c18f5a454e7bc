//! The folder downloads are kept in, and the lock that makes one process at a time fill an entry.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Names of unfinished work start with this, so that a later run can tell and remove it.
const UNFINISHED: &str = ".unfinished-";

/// The folder downloads are kept in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// A cache in this folder, which is made when first needed.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// `$QUINTET_CACHE`, else `$XDG_CACHE_HOME/quintet`, else `~/.cache/quintet`.
    ///
    /// # Errors
    /// [`Error::NoCache`] when none of the three can be told.
    pub fn from_env() -> Result<Self> {
        Self::choose(|name| std::env::var_os(name).map(PathBuf::from), std::env::home_dir())
    }

    fn choose(var: impl Fn(&str) -> Option<PathBuf>, home: Option<PathBuf>) -> Result<Self> {
        let set = |name: &str| var(name).filter(|v| !v.as_os_str().is_empty());
        let root = set("QUINTET_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|d| d.join("quintet")))
            .or_else(|| home.map(|d| d.join(".cache").join("quintet")))
            .ok_or(Error::NoCache)?;
        // Clients run with the cache on their command line; an absolute path means one thing only.
        let root = std::path::absolute(&root).map_err(Error::io(&root))?;
        Ok(Self { root })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Takes an entry (a folder below the root) for this process alone, waiting for any other
    /// holder, and removes what a killed run left unfinished in it.
    ///
    /// # Errors
    /// When the folder cannot be made or locked.
    pub fn hold(&self, entry: &Path) -> Result<Held> {
        Held::take(self.root.join(entry))
    }
}

/// An entry of the cache while this process fills it. The lock ends with the value, or with the
/// process, however it ends.
#[derive(Debug)]
pub struct Held {
    dir: PathBuf,
    _lock: File,
}

impl Held {
    pub(crate) fn take(dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        let path = dir.join(".lock");
        let lock =
            File::options().create(true).append(true).open(&path).map_err(Error::io(&path))?;
        lock.lock().map_err(Error::io(&path))?;
        let held = Self { dir, _lock: lock };
        held.sweep()?;
        Ok(held)
    }

    /// The entry's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A new temporary folder inside the entry, so that a rename out of it stays on one disk.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn scratch(&self) -> Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.dir)
            .map_err(Error::io(&self.dir))
    }

    fn sweep(&self) -> Result<()> {
        for entry in fs::read_dir(&self.dir).map_err(Error::io(&self.dir))? {
            let entry = entry.map_err(Error::io(&self.dir))?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let path = entry.path();
                fs::remove_dir_all(&path).map_err(Error::io(&path))?;
            }
        }
        Ok(())
    }
}

/// Makes a finished file or folder appear under its final name, whole or not at all.
pub(crate) fn publish(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    if from.is_file() {
        sync(from)?;
    }
    fs::rename(from, to).map_err(Error::io(to))
}

/// Waits until a file's bytes are on the disk: without it a power cut after a rename can leave a
/// name with no bytes behind it.
pub(crate) fn sync(path: &Path) -> Result<()> {
    let file = File::options().append(true).open(path).map_err(Error::io(path))?;
    file.sync_all().map_err(Error::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_chosen_in_order() {
        let home = || Some(PathBuf::from("/home/a"));
        let pick = |vars: &[(&str, &str)], home| {
            Cache::choose(
                |n| vars.iter().find(|(k, _)| *k == n).map(|(_, v)| PathBuf::from(v)),
                home,
            )
            .map(|c| c.root().to_path_buf())
        };
        let both = [("QUINTET_CACHE", "/q"), ("XDG_CACHE_HOME", "/x")];
        assert_eq!(pick(&both, home()).unwrap(), Path::new("/q"));
        assert_eq!(pick(&both[1..], home()).unwrap(), Path::new("/x/quintet"));
        assert_eq!(pick(&[], home()).unwrap(), Path::new("/home/a/.cache/quintet"));
        let empty = [("QUINTET_CACHE", "")];
        assert_eq!(pick(&empty, home()).unwrap(), Path::new("/home/a/.cache/quintet"));
        assert!(matches!(pick(&[], None), Err(Error::NoCache)));
        assert!(pick(&[("QUINTET_CACHE", "near")], None).unwrap().is_absolute());
    }

    #[test]
    fn what_a_killed_run_left_is_removed_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let held = cache.hold(Path::new("e")).unwrap();
        let left = held.scratch().unwrap().keep();
        fs::write(left.join("half"), "half").unwrap();
        fs::write(held.dir().join("archive"), "whole").unwrap();
        drop(held);
        let held = cache.hold(Path::new("e")).unwrap();
        assert!(!left.exists());
        assert!(held.dir().join("archive").exists());
    }

    #[test]
    fn an_entry_has_one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let held = cache.hold(Path::new("e")).unwrap();
        let (send, seen) = std::sync::mpsc::channel();
        let second = std::thread::spawn({
            let cache = cache.clone();
            move || {
                let held = cache.hold(Path::new("e")).unwrap();
                send.send(()).unwrap();
                drop(held);
            }
        });
        let wait = std::time::Duration::from_millis(100);
        assert!(seen.recv_timeout(wait).is_err(), "two holders at once");
        drop(held);
        second.join().unwrap();
        seen.recv().unwrap();
    }
}
