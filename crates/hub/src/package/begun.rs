//! Downloads that ended early: their bytes are kept, and the rest is fetched from where they came.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Package, Registry};
use crate::http::Client;
use crate::{Error, Progress, Result, digest};

/// What a client had of an archive, in a folder of the package's entry in the cache.
pub(super) struct Begun {
    dir: PathBuf,
}

impl Begun {
    pub(super) fn of(entry: &Path) -> Result<Self> {
        let dir = entry.join("begun");
        fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        Ok(Self { dir })
    }

    /// Where pip writes what it does, which includes the addresses it found.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// The bytes that are kept, under the client's name for them.
    fn bytes(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(&self.dir).ok()?.flatten();
        entries.map(|entry| entry.path()).find(|path| *path != self.log())
    }

    /// Keeps what a client is writing to this file, also after it removed it, as clients do when they
    /// are interrupted. On disks without links nothing is kept.
    pub(super) fn keep(&self, file: &Path) {
        let Some(name) = file.file_name() else { return };
        let kept = self.dir.join(name);
        if !kept.exists() && self.drop_bytes().is_ok() {
            // The client may have removed it just now.
            let _ = fs::hard_link(file, kept);
        }
    }

    fn drop_bytes(&self) -> Result<()> {
        match self.bytes() {
            Some(path) => fs::remove_file(&path).map_err(Error::io(path)),
            None => Ok(()),
        }
    }

    /// Removes everything, once the archive is there.
    pub(super) fn end(self) -> Result<()> {
        fs::remove_dir_all(&self.dir).map_err(Error::io(self.dir))
    }

    /// Fetches the rest of what an earlier run began. `None` where there is nothing, or it leads
    /// nowhere: then the client begins anew.
    ///
    /// # Errors
    /// If more bytes came, but not all: the next run goes on from there.
    pub(super) fn finish(
        &self,
        package: &Package,
        client: Command,
        progress: Progress,
    ) -> Result<Option<PathBuf>> {
        let (Some(part), Some(size)) = (self.bytes(), package.size) else { return Ok(None) };
        let address = match package.registry {
            Registry::PyPi => self.address(&part),
            Registry::Npm => published(client, package),
        };
        let Some(address) = address else { return Ok(None) };
        let length = || fs::metadata(&part).map_or(0, |found| found.len());
        let before = length();
        let bar = progress.start(&package.to_string(), Some(size));
        // Where the client gets through and we do not, it is not kept waiting.
        let mut ours = Client::new(None);
        ours.tries = 2;
        let done = ours.download(&address, &package.to_string(), &part, size, &bar);
        bar.finish_and_clear();
        match done {
            Ok(()) if digest::of_file(&part)?.eq_ignore_ascii_case(&package.sha256) => {
                Ok(Some(part))
            }
            Err(error) if length() > before => Err(error),
            Ok(()) | Err(_) => self.drop_bytes().map(|()| None),
        }
    }

    /// The address in pip's log that ends in the name of the file.
    fn address(&self, part: &Path) -> Option<String> {
        let end = format!("/{}", part.file_name()?.to_str()?);
        let log = fs::read_to_string(self.log()).ok()?;
        let mut words = log.split_whitespace().filter(|word| word.starts_with("http"));
        words.find(|word| word.ends_with(&end)).map(str::to_owned)
    }
}

/// The address of an archive of npm.
fn published(mut npm: Command, package: &Package) -> Option<String> {
    let asked = format!("{}@{}", package.name, package.version);
    let answer = npm.args(["view", &asked, "dist.tarball"]).stdin(Stdio::null()).output().ok()?;
    let address = String::from_utf8(answer.stdout).ok()?.trim().to_owned();
    (answer.status.success() && address.starts_with("http")).then_some(address)
}
