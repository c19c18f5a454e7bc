use std::path::PathBuf;

/// What every fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong when fetching.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// No folder to keep downloads in.
    #[error("no cache folder: set QUINTET_CACHE to a folder that can be written")]
    NoCache,
    /// A package name or version that no registry would accept.
    #[error("{what} {value:?} is not a {what} of {registry}")]
    BadName {
        /// "package name", "version" or "sha256".
        what: &'static str,
        /// What was given.
        value: String,
        /// The registry asked.
        registry: &'static str,
    },
    /// The registry's client is not installed.
    #[error("{package} comes from {registry} and needs {client}, which was not found: {install}")]
    NoClient {
        /// The package asked for.
        package: String,
        /// "PyPI" or "npm".
        registry: &'static str,
        /// "pip" or "npm".
        client: &'static str,
        /// What to install.
        install: &'static str,
    },
    /// The registry's client ran and failed.
    #[error("{package}: `{command}` failed ({status}): {tail}")]
    Client {
        /// The package asked for.
        package: String,
        /// The command line.
        command: String,
        /// Its exit status.
        status: String,
        /// The end of what it printed.
        tail: String,
    },
    /// What arrived is not what was pinned.
    #[error("{what}: sha256 is {found}, expected {expected}; it was not kept")]
    Sha256 {
        /// The file or package.
        what: String,
        /// The pinned digest.
        expected: String,
        /// The digest of what arrived.
        found: String,
    },
    /// What arrived has another length than was announced.
    #[error("{what}: {found} bytes, expected {expected}; it was not kept")]
    Length {
        /// The file.
        what: String,
        /// The announced length.
        expected: u64,
        /// The length of what arrived.
        found: u64,
    },
    /// An archive that cannot be read.
    #[error("{archive}: {reason}")]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// Why.
        reason: String,
    },
    /// A member that the archive does not hold.
    #[error("{archive}: no file {member:?} in it ({count} files, such as {example:?})")]
    NoMember {
        /// The archive.
        archive: PathBuf,
        /// The member asked for.
        member: String,
        /// How many files the archive holds.
        count: usize,
        /// One of them.
        example: String,
    },
    /// A member that would be written outside its folder.
    #[error("{archive}: refused to extract {member:?}: {reason}")]
    UnsafeMember {
        /// The archive.
        archive: PathBuf,
        /// The member.
        member: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An archive that unpacks to more than is allowed.
    #[error("{archive}: {what} exceeds the limit of {limit}")]
    TooLarge {
        /// The archive.
        archive: PathBuf,
        /// What is too large.
        what: String,
        /// The limit, in bytes or files.
        limit: u64,
    },
    /// The hub refused.
    #[error("{url}: HTTP {status}: {advice}")]
    Http {
        /// What was asked for.
        url: String,
        /// The status code.
        status: u16,
        /// What to do.
        advice: String,
    },
    /// The hub could not be reached, or the connection kept breaking.
    #[error("{url}: {reason}; what arrived is kept, run it again to go on")]
    Network {
        /// What was asked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// A repository of the hub that does not hold a model in a known layout.
    #[error("{repo}: {reason}")]
    Repo {
        /// The repository.
        repo: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something is not on this machine and fetching is switched off.
    #[error("{what} is not on this machine, and fetching is switched off (offline)")]
    Offline {
        /// The model.
        what: String,
    },
    /// A bundled model whose files are not where they are looked for.
    #[error(
        "the bundled model {name:?} was not found in {looked}: run inside the repository, or set \
         QUINTET_CHECKPOINTS to its checkpoints folder"
    )]
    NotBundled {
        /// Its name.
        name: String,
        /// The folders looked in.
        looked: String,
    },
    /// A text that names no model.
    #[error(
        "no model {model:?}: not a path that exists, not one of {keys}, and not a hub name \
         (owner/name)"
    )]
    UnknownModel {
        /// What was given.
        model: String,
        /// The keys there are.
        keys: String,
    },
    /// Both sources of a model failed.
    #[error("{model} from its package: {package}\n{model} from the hub: {hub}")]
    BothSources {
        /// The model's key.
        model: String,
        /// How the package failed.
        package: Box<Error>,
        /// How the hub failed.
        hub: Box<Error>,
    },
}

impl Error {
    /// Attaches the file name to an operating-system error.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
