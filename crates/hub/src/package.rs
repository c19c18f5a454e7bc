//! Pinned archives of package registries, fetched by the user's own client.
//!
//! The client (`pip` or `npm`) brings its own mirror, proxy and credentials; the pinned SHA-256
//! makes it irrelevant where the bytes came from.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::archive::{self, Limits};
use crate::cache::{self, Held};
use crate::{Cache, Error, Progress, Result, digest};

mod begun;
pub(crate) mod client;

use begun::Begun;
use client::Clients;

/// Who publishes a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Registry {
    /// The Python package index, through `pip`.
    #[serde(rename = "pypi")]
    PyPi,
    /// The npm registry, through `npm`.
    #[serde(rename = "npm")]
    Npm,
}

impl Registry {
    /// The registry as people write it.
    pub fn title(self) -> &'static str {
        match self {
            Self::PyPi => "PyPI",
            Self::Npm => "npm",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::PyPi => "pypi",
            Self::Npm => "npm",
        }
    }
}

/// One archive of one version of a package.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Who publishes it.
    pub registry: Registry,
    /// Its name, with the scope for npm (`@scope/name`).
    pub name: String,
    /// Its exact version.
    pub version: String,
    /// SHA-256 of the archive as the registry serves it (wheel, sdist or npm `.tgz`), in
    /// hexadecimal. With several archives in one version it also says which one is meant.
    pub sha256: String,
    /// Length of the archive in bytes, when known: gives progress an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl Package {
    /// A package of PyPI.
    pub fn pypi(name: &str, version: &str, sha256: &str) -> Self {
        Self::new(Registry::PyPi, name, version, sha256)
    }

    /// A package of npm.
    pub fn npm(name: &str, version: &str, sha256: &str) -> Self {
        Self::new(Registry::Npm, name, version, sha256)
    }

    fn new(registry: Registry, name: &str, version: &str, sha256: &str) -> Self {
        Self {
            registry,
            name: name.into(),
            version: version.into(),
            sha256: sha256.into(),
            size: None,
        }
    }

    /// The archive in the cache, downloaded when it is not there yet.
    ///
    /// # Errors
    /// When the client is missing or fails, or the archive has another SHA-256; nothing is kept
    /// then.
    pub fn archive(&self, progress: Progress) -> Result<PathBuf> {
        self.archive_in(&Cache::from_env()?, progress)
    }

    /// Every file of the archive, below a folder of the cache that has the archive's own layout
    /// (`package/…` for npm, `name-version/…` for an sdist).
    ///
    /// # Errors
    /// As [`archive`](Self::archive), and when the archive is unsafe to unpack or too large
    /// ([`Limits::default`]).
    pub fn unpack(&self) -> Result<PathBuf> {
        self.unpack_in(&Cache::from_env()?, Progress::auto())
    }

    /// One file of the archive, by its name in it (`package/icons.json`, `dir/model.gguf`).
    ///
    /// # Errors
    /// As [`archive`](Self::archive), and when the archive does not hold the file.
    pub fn file(&self, member: &str) -> Result<PathBuf> {
        self.file_in(&Cache::from_env()?, member, Progress::auto())
    }

    /// [`archive`](Self::archive) in a chosen cache.
    ///
    /// # Errors
    /// As [`archive`](Self::archive).
    pub fn archive_in(&self, cache: &Cache, progress: Progress) -> Result<PathBuf> {
        self.archive_by(cache, &Clients::default(), progress)
    }

    /// [`unpack`](Self::unpack) in a chosen cache.
    ///
    /// # Errors
    /// As [`unpack`](Self::unpack).
    pub fn unpack_in(&self, cache: &Cache, progress: Progress) -> Result<PathBuf> {
        let target = cache.root().join(self.entry()?).join("unpacked");
        if target.is_dir() {
            return Ok(target);
        }
        let archive = self.archive_in(cache, progress)?;
        let held = cache.hold(&self.entry()?)?;
        if !target.is_dir() {
            let scratch = held.scratch()?;
            let files = scratch.path().join("files");
            std::fs::create_dir(&files).map_err(Error::io(&files))?;
            archive::extract_all(&archive, &files, &Limits::default())?;
            cache::publish(&files, &target)?;
        }
        Ok(target)
    }

    /// [`file`](Self::file) in a chosen cache.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub fn file_in(&self, cache: &Cache, member: &str, progress: Progress) -> Result<PathBuf> {
        let entry = cache.root().join(self.entry()?);
        let below = archive::relative(member).map_err(|reason| Error::UnsafeMember {
            archive: entry.clone(),
            member: member.into(),
            reason,
        })?;
        let target = entry.join("files").join(&below);
        if target.is_file() {
            return Ok(target);
        }
        let archive = self.archive_in(cache, progress)?;
        let held = cache.hold(&self.entry()?)?;
        if !target.is_file() {
            let scratch = held.scratch()?;
            let part = scratch.path().join("file");
            archive::extract(&archive, member, &part, &Limits::default())?;
            cache::publish(&part, &target)?;
        }
        Ok(target)
    }

    /// Removes the archive from the cache, once what was needed is extracted.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn discard_archive(&self, cache: &Cache) -> Result<()> {
        let path = cache.root().join(self.entry()?).join("archive");
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(e)),
            _ => Ok(()),
        }
    }

    pub(crate) fn archive_by(
        &self,
        cache: &Cache,
        clients: &Clients,
        progress: Progress,
    ) -> Result<PathBuf> {
        let target = cache.root().join(self.entry()?).join("archive");
        if target.is_file() {
            return Ok(target);
        }
        let held = cache.hold(&self.entry()?)?;
        if !target.is_file() {
            self.download(&held, clients, &target, progress)?;
        }
        Ok(target)
    }

    fn download(
        &self,
        held: &Held,
        clients: &Clients,
        target: &Path,
        progress: Progress,
    ) -> Result<()> {
        let (scratch, begun) = (held.scratch()?, Begun::of(held.dir())?);
        let arrived = client::fetch(self, clients, &begun, scratch.path(), progress)?;
        let found = digest::of_file(&arrived)?;
        digest::check(self.to_string(), &self.sha256, &found)?;
        cache::publish(&arrived, target)?;
        begun.end()
    }

    /// The entry's folder below the cache. The digest is part of it, so that a changed pin never
    /// meets the files of the old one.
    fn entry(&self) -> Result<PathBuf> {
        self.check_names()?;
        let pin: String = self.sha256.to_ascii_lowercase().chars().take(12).collect();
        let name = self.name.replace('/', "+");
        Ok(Path::new("packages")
            .join(self.registry.folder())
            .join(name)
            .join(format!("{}-{pin}", self.version)))
    }

    /// The name and version become command-line words and folder names.
    fn check_names(&self) -> Result<()> {
        let bad = |what, value: &str| Error::BadName {
            what,
            value: value.into(),
            registry: self.registry.title(),
        };
        let word = |text: &str, more: &[char]| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(&c))
        };
        let named = match (self.registry, self.name.split_once('/')) {
            (Registry::Npm, Some((scope, name))) => {
                scope.strip_prefix('@').is_some_and(|s| word(s, &['.', '_', '-', '~']))
                    && word(name, &['.', '_', '-', '~'])
            }
            _ => word(&self.name, &['.', '_', '-']),
        };
        if !named {
            return Err(bad("package name", &self.name));
        }
        if !word(&self.version, &['.', '_', '-', '+', '!']) {
            return Err(bad("version", &self.version));
        }
        if !digest::looks_like_sha256(&self.sha256) {
            return Err(bad("sha256", &self.sha256));
        }
        Ok(())
    }
}

impl std::fmt::Display for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} {} ({})", self.name, self.version, self.registry.title())
    }
}

#[cfg(test)]
mod tests;
