//! Repositories of a model hub, kept in the cache layout that other programs share.
//!
//! Sources: the Hub's HTTP API (`/api/models/{repo}/revision/{revision}?blobs=true` and
//! `/{repo}/resolve/{commit}/{file}`) and its documented local cache (`blobs`, `refs`,
//! `snapshots`). Honours `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`, `HF_HUB_CACHE`,
//! `HF_HUB_OFFLINE`, `SSL_CERT_FILE` and the usual proxy variables.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::{self, Held};
use crate::http::{self, Client};
use crate::{Error, Progress, Result, archive, digest};

mod listing;

use listing::{Listing, RemoteFile};

/// The branch taken when no revision is asked for.
pub const MAIN: &str = "main";

/// Which files of a repository are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// A model: its configuration, tokenizer and processor files, and its weights once
    /// (safetensors, else `pytorch_model`, else the only GGUF).
    Model,
    /// Exactly these files.
    Files(Vec<String>),
}

/// A model hub and its local cache.
pub struct Hub {
    client: Client,
    endpoint: String,
    cache: PathBuf,
    offline: bool,
}

impl Hub {
    /// The hub that the environment describes.
    ///
    /// # Errors
    /// [`Error::NoCache`] when there is no folder for its cache.
    pub fn from_env() -> Result<Self> {
        let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let home = std::env::home_dir();
        let hf_home = var("HF_HOME")
            .map(PathBuf::from)
            .or_else(|| var("XDG_CACHE_HOME").map(|d| Path::new(&d).join("huggingface")))
            .or_else(|| home.map(|d| d.join(".cache").join("huggingface")));
        let cache = var("HF_HUB_CACHE")
            .map(PathBuf::from)
            .or_else(|| hf_home.as_ref().map(|d| d.join("hub")))
            .ok_or(Error::NoCache)?;
        let token_file =
            var("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| hf_home.map(|d| d.join("token")));
        let token = var("HF_TOKEN")
            .or_else(|| token_file.and_then(|p| fs::read_to_string(p).ok()))
            .map(|t| t.trim().to_owned())
            .filter(|t| !t.is_empty());
        let endpoint = var("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        let offline = var("HF_HUB_OFFLINE").is_some_and(|v| v != "0");
        Ok(Self { offline, ..Self::new(&endpoint, token, cache) })
    }

    /// A hub at `endpoint`, whose files are kept in `cache`.
    pub fn new(endpoint: &str, token: Option<String>, cache: impl Into<PathBuf>) -> Self {
        Self {
            client: Client::new(token),
            endpoint: endpoint.trim_end_matches('/').into(),
            cache: cache.into(),
            offline: false,
        }
    }

    /// The repository's files on this machine, when they are all there: a folder, or the file when
    /// only one is needed.
    ///
    /// # Errors
    /// When `repo` or `revision` cannot be a name.
    pub fn cached(&self, repo: &str, revision: &str, pick: &Pick) -> Result<Option<PathBuf>> {
        check_repo(repo)?;
        check_revision(repo, revision)?;
        let dir = self.repo_dir(repo);
        let snapshots = dir.join("snapshots");
        let named = fs::read_to_string(dir.join("refs").join(revision)).ok();
        let commit = named.map(|c| c.trim().to_owned()).unwrap_or_else(|| revision.to_owned());
        if archive::relative(&commit).is_err() {
            return Ok(None);
        }
        let at_commit = snapshots.join(commit);
        let snapshot = match at_commit.is_dir() {
            true => Some(at_commit),
            false if revision == MAIN => newest(&snapshots),
            false => None,
        };
        let Some(snapshot) = snapshot else { return Ok(None) };
        let names: Vec<String> = match pick {
            Pick::Files(names) => {
                names.iter().filter(|n| snapshot.join(n).is_file()).cloned().collect()
            }
            Pick::Model => file_names(&snapshot),
        };
        Ok(listing::choose(&names, pick)
            .ok()
            .filter(|chosen| listing::whole(chosen))
            .map(|chosen| point(&snapshot, &chosen)))
    }

    /// The repository's files, downloaded where they are not on this machine yet. With `refresh`
    /// the hub is asked even when they are: a newer commit is fetched, a missing file is added.
    ///
    /// # Errors
    /// When the hub cannot be reached, refuses, does not hold such files, or sends something with
    /// another length or SHA-256.
    pub fn fetch(
        &self,
        repo: &str,
        revision: &str,
        pick: &Pick,
        refresh: bool,
        progress: Progress,
    ) -> Result<PathBuf> {
        let cached = self.cached(repo, revision, pick)?;
        if let Some(path) = cached.filter(|_| !refresh || self.offline) {
            return Ok(path);
        }
        if self.offline {
            return Err(Error::Offline { what: repo.into() });
        }
        let _held = Held::take(self.cache.join(".locks").join(folder(repo)))?;
        let listing = self.list(repo, revision)?;
        let names: Vec<String> = listing.files.iter().map(|f| f.name.clone()).collect();
        let chosen = listing::choose(&names, pick)
            .map_err(|reason| Error::Repo { repo: repo.into(), reason })?;
        let files: Vec<&RemoteFile> =
            chosen.iter().filter_map(|n| listing.files.iter().find(|f| f.name == *n)).collect();
        for file in &files {
            self.blob(repo, &listing.commit, file, progress)?;
        }
        let dir = self.repo_dir(repo);
        let snapshot = dir.join("snapshots").join(&listing.commit);
        for file in &files {
            link(&dir.join("blobs").join(&file.blob), &snapshot, &file.name)?;
        }
        write_ref(&dir.join("refs").join(revision), &listing.commit)?;
        Ok(point(&snapshot, &chosen))
    }

    fn list(&self, repo: &str, revision: &str) -> Result<Listing> {
        let revision = http::escape(revision).replace('/', "%2F");
        let url = format!("{}/api/models/{repo}/revision/{revision}?blobs=true", self.endpoint);
        let text = self.client.text(&url, repo)?;
        Listing::parse(&text).map_err(|reason| Error::Repo { repo: repo.into(), reason })
    }

    fn blob(&self, repo: &str, commit: &str, file: &RemoteFile, progress: Progress) -> Result<()> {
        let blobs = self.repo_dir(repo).join("blobs");
        let target = blobs.join(&file.blob);
        if target.is_file() {
            return Ok(());
        }
        fs::create_dir_all(&blobs).map_err(Error::io(&blobs))?;
        let part = blobs.join(format!("{}.incomplete", file.blob));
        let url = format!("{}/{repo}/resolve/{commit}/{}", self.endpoint, http::escape(&file.name));
        let bar = progress.start(&file.name, Some(file.size));
        let done = self.client.download(&url, repo, &part, file.size, &bar);
        bar.finish_and_clear();
        done?;
        if let Some(expected) = &file.sha256 {
            let checked = digest::check(&url, expected, &digest::of_file(&part)?);
            if checked.is_err() {
                fs::remove_file(&part).map_err(Error::io(&part))?;
            }
            checked?;
        }
        cache::publish(&part, &target)
    }

    fn repo_dir(&self, repo: &str) -> PathBuf {
        self.cache.join(folder(repo))
    }
}

/// Whether a text has the form of a hub name, `owner/name`.
pub fn is_repo(text: &str) -> bool {
    check_repo(text).is_ok()
}

fn check_repo(repo: &str) -> Result<()> {
    let word = |w: &str| {
        w.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && w.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && !w.contains("--")
            && !w.contains("..")
    };
    match repo.split_once('/') {
        Some((owner, name)) if word(owner) && word(name) => Ok(()),
        _ => Err(Error::Repo { repo: repo.into(), reason: "a hub name is owner/name".into() }),
    }
}

fn check_revision(repo: &str, revision: &str) -> Result<()> {
    let plain = revision.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    if plain && archive::relative(revision).is_ok() {
        return Ok(());
    }
    let reason = format!("{revision:?} is not a branch, tag or commit");
    Err(Error::Repo { repo: repo.into(), reason })
}

fn folder(repo: &str) -> String {
    format!("models--{}", repo.replace('/', "--"))
}

fn point(snapshot: &Path, chosen: &[String]) -> PathBuf {
    match chosen {
        [only] => snapshot.join(only),
        _ => snapshot.to_path_buf(),
    }
}

fn file_names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .flatten()
        // `is_file` follows links: one that leads to a removed blob does not count.
        .filter(|e| e.path().is_file())
        .filter_map(|e| e.file_name().into_string().ok())
        .collect()
}

fn newest(snapshots: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(snapshots).ok()?.flatten();
    let dated = entries.filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path())));
    dated.filter(|(_, path)| path.is_dir()).max().map(|(_, path)| path)
}

fn link(blob: &Path, snapshot: &Path, name: &str) -> Result<()> {
    let path = snapshot.join(name);
    if path.is_file() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(snapshot);
    fs::create_dir_all(parent).map_err(Error::io(parent))?;
    if path.symlink_metadata().is_ok() {
        fs::remove_file(&path).map_err(Error::io(&path))?;
    }
    point_to(blob, &path, name).map_err(Error::io(&path))
}

/// Relative, as the layout asks, so that the cache can be moved.
#[cfg(unix)]
fn point_to(blob: &Path, path: &Path, name: &str) -> std::io::Result<()> {
    let up = "../".repeat(2 + name.matches('/').count());
    let id = blob.file_name().unwrap_or_default();
    std::os::unix::fs::symlink(Path::new(&up).join("blobs").join(id), path)
}

#[cfg(not(unix))]
fn point_to(blob: &Path, path: &Path, _: &str) -> std::io::Result<()> {
    fs::hard_link(blob, path)
}

fn write_ref(path: &Path, commit: &str) -> Result<()> {
    let dir = path.parent().unwrap_or(path);
    fs::create_dir_all(dir).map_err(Error::io(dir))?;
    let part = tempfile::NamedTempFile::new_in(dir).map_err(Error::io(dir))?;
    fs::write(part.path(), commit).map_err(Error::io(part.path()))?;
    part.persist(path).map_err(|e| Error::io(path)(e.error))?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
