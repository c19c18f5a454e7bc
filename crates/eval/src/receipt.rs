//! What was measured, on what, with what: enough to make the numbers again.

use std::{collections::BTreeMap, path::Path};

use chrono::{SecondsFormat, Utc};
use quintet_hub::digest;
use serde::Serialize;

use crate::{Error, Result};

/// Files of a model folder that decide what the model answers.
const COUNTED: [&str; 7] = ["json", "jinja", "safetensors", "gguf", "bin", "pt", "pth"];

/// A measurement and its circumstances: what was asked, `S`, and the numbers, `T`.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt<S, T> {
    /// The model, as it was named.
    pub model: String,
    /// SHA-256 of each of its files.
    pub files: BTreeMap<String, String>,
    /// The data in words.
    pub data: String,
    /// How the questions were made; holds their seed.
    pub settings: S,
    /// What it was measured with.
    pub environment: Environment,
    /// When, in UTC.
    pub date: String,
    /// How long it took.
    pub seconds: f64,
    /// The numbers.
    pub scores: T,
}

/// Program and machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// Version of this program.
    pub quintet: &'static str,
    /// The compiler it was built with.
    pub rustc: &'static str,
    /// Operating system and architecture.
    pub system: String,
    /// The processor.
    pub cpu: String,
    /// Threads it offers.
    pub threads: usize,
    /// Where the model ran.
    pub device: String,
}

impl<S, T> Receipt<S, T> {
    /// The receipt of `scores` of a model, with the [digests] of its files if it is on this machine;
    /// `data` says in words what it was asked about.
    pub fn new(
        model: &str,
        files: BTreeMap<String, String>,
        device: &str,
        data: String,
        settings: S,
        seconds: f64,
        scores: T,
    ) -> Self {
        Self {
            model: model.to_owned(),
            files,
            data,
            settings,
            environment: Environment::here(device),
            date: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            seconds,
            scores,
        }
    }
}

impl Environment {
    /// This program on this machine.
    pub fn here(device: &str) -> Self {
        Self {
            quintet: env!("CARGO_PKG_VERSION"),
            rustc: env!("QUINTET_RUSTC"),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cpu: cpu(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            device: device.to_owned(),
        }
    }
}

/// SHA-256 of each file that decides what the model at `path` answers, by name.
///
/// # Errors
/// If the folder cannot be listed or a file cannot be read.
pub fn digests(path: &Path) -> Result<BTreeMap<String, String>> {
    let name = |path: &Path| {
        path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    if path.is_file() {
        return Ok(BTreeMap::from([(name(path), digest::of_file(path)?)]));
    }
    let io = |source| Error::Io { path: path.to_owned(), source };
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        let file = entry.map_err(io)?.path();
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        // A receipt beside the model speaks of it and is no part of it.
        let counts = COUNTED.contains(&ending) && !name(&file).starts_with("receipt");
        if counts && file.is_file() {
            files.insert(name(&file), digest::of_file(&file)?);
        }
    }
    Ok(files)
}

/// The processor's name where the system tells it.
fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    line.and_then(|line| line.split_once(':'))
        .map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use quintet_data::scene::Style;

    use super::*;
    use crate::{Scores, Settings};

    #[test]
    fn a_receipt_names_files_data_and_program() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in
            [("config.json", "{}"), ("model.safetensors", "w"), ("receipt.json", "r"), ("a.md", "")]
        {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let settings = Settings::new(&[Style::Noto]);
        let (data, scores) = (settings.describe(), Scores::default());
        let receipt =
            Receipt::new("here", digests(dir.path()).unwrap(), "cpu", data, settings, 1.5, scores);
        let names: Vec<_> = receipt.files.keys().map(String::as_str).collect();
        assert_eq!(names, ["config.json", "model.safetensors"]);
        // The digest of "{}".
        let empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(receipt.files["config.json"], empty);
        let json = serde_json::to_value(&receipt).unwrap();
        assert_eq!(json["settings"]["spec"]["styles"][0], "noto");
        assert_eq!(json["settings"]["seed"], 2024);
        assert!(json["environment"]["rustc"].as_str().unwrap().starts_with("rustc 1."));
        assert_eq!(json["date"].as_str().unwrap().len(), "2024-01-01T00:00:00Z".len());

        let single = digests(&dir.path().join("model.safetensors")).unwrap();
        assert_eq!(single["model.safetensors"], receipt.files["model.safetensors"]);
        assert!(digests(&dir.path().join("nowhere")).is_err());
    }
}
