//! Running `pip download` and `npm pack`.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::begun::Begun;
use super::{Package, Registry};
use crate::{Error, Progress, Result};

/// One way to start a client: the program and the words before its own arguments.
pub(crate) type Way = &'static [&'static str];

const PIP: &[Way] = &[&["pip"], &["pip3"], &["python3", "-m", "pip"], &["python", "-m", "pip"]];
// npm is a script on Windows, which is not found by its bare name.
const NPM: &[Way] = if cfg!(windows) { &[&["npm.cmd"]] } else { &[&["npm"]] };

/// How much of what a failed client printed is shown.
const TAIL: u64 = 1500;

/// How each registry's client is started, in order of preference.
#[derive(Clone, Copy)]
pub(crate) struct Clients {
    pub(crate) pip: &'static [Way],
    pub(crate) npm: &'static [Way],
}

impl Default for Clients {
    fn default() -> Self {
        Self { pip: PIP, npm: NPM }
    }
}

/// Downloads into `scratch` and gives the archive, not checked yet, or finishes what an earlier run
/// began.
pub(super) fn fetch(
    package: &Package,
    clients: &Clients,
    begun: &Begun,
    scratch: &Path,
    progress: Progress,
) -> Result<PathBuf> {
    let ways = match package.registry {
        Registry::PyPi => clients.pip,
        Registry::Npm => clients.npm,
    };
    let way = find(ways).ok_or_else(|| missing(package))?;
    if let Some(archive) = begun.finish(package, start(way), progress)? {
        return Ok(archive);
    }
    let mut command = start(way);
    let [out, arriving] = ["out", "arriving"].map(|name| scratch.join(name));
    for dir in [&out, &arriving] {
        fs::create_dir(dir).map_err(Error::io(dir))?;
    }
    match package.registry {
        Registry::PyPi => {
            pip(&mut command, package, &out, scratch)?;
            // pip downloads to its temporary folder first.
            for name in ["TMPDIR", "TEMP", "TMP"] {
                command.env(name, &arriving);
            }
            command.arg("--log").arg(begun.log());
        }
        Registry::Npm => {
            npm(&mut command, package, &out);
            // npm downloads to its cache first.
            command.arg("--cache").arg(&arriving);
        }
    }
    run(command, package, begun, scratch, progress)?;
    only_file(&out, package)
}

fn pip(command: &mut Command, package: &Package, out: &Path, scratch: &Path) -> Result<()> {
    // The hash makes pip choose, among a version's wheels and sdist, the very archive that is
    // pinned, and check it before it looks inside (an sdist's build script runs for its metadata).
    let wanted = scratch.join("requirements.txt");
    let line = format!("{}=={} --hash=sha256:{}\n", package.name, package.version, package.sha256);
    fs::write(&wanted, line).map_err(Error::io(&wanted))?;
    command
        .args(["download", "--no-deps", "--require-hashes", "--ignore-requires-python"])
        .args(["--no-input", "--disable-pip-version-check", "--progress-bar", "off"])
        .arg("--dest")
        .arg(out)
        .arg("--requirement")
        .arg(&wanted);
    Ok(())
}

fn npm(command: &mut Command, package: &Package, out: &Path) {
    command
        .args(["pack", "--ignore-scripts", "--no-progress", "--loglevel", "error"])
        .arg("--pack-destination")
        .arg(out)
        .arg(format!("{}@{}", package.name, package.version));
}

/// The first client that answers. A shim of a version manager can be on the path and lead nowhere,
/// so it is asked, not looked up.
fn find(ways: &[Way]) -> Option<Way> {
    ways.iter().copied().find(|way| {
        let answer = start(way)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        answer.is_ok_and(|s| s.success())
    })
}

fn start(way: Way) -> Command {
    let (program, first) = way.split_first().unwrap_or((&"", &[]));
    let mut command = Command::new(program);
    command.args(first);
    command
}

fn missing(package: &Package) -> Error {
    let (client, install) = match package.registry {
        Registry::PyPi => {
            ("pip", "install Python 3 with pip (python.org, or your system's python3-pip)")
        }
        Registry::Npm => ("npm", "install Node.js with npm (nodejs.org, or your system's npm)"),
    };
    Error::NoClient {
        package: package.to_string(),
        registry: package.registry.title(),
        client,
        install,
    }
}

fn run(
    mut command: Command,
    package: &Package,
    begun: &Begun,
    scratch: &Path,
    progress: Progress,
) -> Result<()> {
    let path = scratch.join("printed.txt");
    let log = File::create(&path).map_err(Error::io(&path))?;
    let shown = format!("{} {}", words(&command), package);
    command.stdin(Stdio::null()).stderr(log.try_clone().map_err(Error::io(&path))?).stdout(log);
    let mut child = command.spawn().map_err(Error::io(command.get_program()))?;
    let bar = progress.start(&package.to_string(), package.size);
    // An archive arrives in a folder of pip's own, or in `_cacache/tmp`.
    let folders = match package.registry {
        Registry::PyPi => 1,
        Registry::Npm => 2,
    };
    let status = loop {
        match child.try_wait().map_err(Error::io(command.get_program()))? {
            Some(status) => break status,
            None => {
                if let Some((length, file)) = largest(&scratch.join("arriving"), folders) {
                    bar.set_position(length);
                    begun.keep(&file);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    };
    bar.finish_and_clear();
    if status.success() {
        return Ok(());
    }
    Err(Error::Client {
        package: package.to_string(),
        command: shown,
        status: status.to_string(),
        tail: tail(&path)?,
    })
}

/// "pip download", "python3 -m pip download", "npm pack": enough to recognise and repeat it.
fn words(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let args = command.get_args().map(|a| a.to_string_lossy().into_owned());
    let mut shown = vec![program];
    for arg in args {
        let last = arg == "download" || arg == "pack";
        shown.push(arg);
        if last {
            break;
        }
    }
    shown.join(" ")
}

/// The largest file so many folders down, and its length; unreadable folders count as empty, for the
/// client is making and removing them meanwhile.
fn largest(dir: &Path, folders: usize) -> Option<(u64, PathBuf)> {
    let entries = fs::read_dir(dir).ok()?.flatten();
    let files = entries.filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        match (meta.is_dir(), folders) {
            (true, 1..) => largest(&entry.path(), folders - 1),
            (false, 0) => Some((meta.len(), entry.path())),
            _ => None,
        }
    });
    files.max()
}

fn tail(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let length = file.metadata().map_err(Error::io(path))?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(Error::io(path))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).map_err(Error::io(path))?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn only_file(out: &Path, package: &Package) -> Result<PathBuf> {
    let mut files = fs::read_dir(out).map_err(Error::io(out))?.flatten().map(|e| e.path());
    match (files.next(), files.next()) {
        (Some(file), None) if file.is_file() => Ok(file),
        _ => Err(Error::Archive {
            archive: out.into(),
            reason: format!("the client was to leave one archive of {package} here, and did not"),
        }),
    }
}
