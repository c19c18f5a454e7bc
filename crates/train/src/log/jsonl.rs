//! `metrics.jsonl`: one object per line, such as `{"step":10,"kind":"train","loss":2.5}`.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{Kind, Metrics};
use crate::{Result, error::io};

pub(super) struct Jsonl {
    path: PathBuf,
    file: File,
}

impl Jsonl {
    /// Opens to append after the lines of steps up to `step`; later lines, and a last line that a
    /// killed process cut short, are removed.
    pub(super) fn open(path: &Path, step: u64) -> Result<Self> {
        if path.exists() {
            let bytes = std::fs::read(path).map_err(io(path, "read"))?;
            let kept: Vec<u8> = bytes
                .split_inclusive(|&byte| byte == b'\n')
                .filter(|line| step_of(line).is_some_and(|found| found <= step))
                .flatten()
                .copied()
                .collect();
            if kept.len() < bytes.len() {
                let part = path.with_extension("jsonl.part");
                std::fs::write(&part, kept).map_err(io(&part, "write"))?;
                std::fs::rename(&part, path).map_err(io(path, "replace"))?;
            }
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(io(path, "open to append"))?;
        Ok(Self { path: path.to_owned(), file })
    }

    pub(super) fn write(&mut self, kind: Kind, step: u64, metrics: &Metrics) -> Result<()> {
        let mut object = Map::new();
        object.insert("step".into(), step.into());
        object.insert("kind".into(), kind.name().into());
        object.extend(metrics.iter().map(|(name, value)| (name.clone(), json!(value))));
        let line = format!("{}\n", Value::Object(object));
        self.file.write_all(line.as_bytes()).map_err(io(&self.path, "write"))
    }

    pub(super) fn sync(&mut self) -> Result<()> {
        self.file.sync_all().map_err(io(&self.path, "flush"))
    }
}

/// The step of a whole line.
fn step_of(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\n")?;
    serde_json::from_slice::<Value>(line).ok()?.get("step")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resuming_drops_later_and_broken_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let metrics = |loss| Metrics::from([("loss".to_owned(), loss)]);
        let mut log = Jsonl::open(&path, 0).unwrap();
        for step in 1..=4 {
            log.write(Kind::Train, step, &metrics(step as f64 / 2.0)).unwrap();
        }
        log.file.write_all(b"{\"step\":2,\"lo").unwrap();
        let mut log = Jsonl::open(&path, 2).unwrap();
        log.write(Kind::Eval, 3, &metrics(f64::NAN)).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"step\":1,\"kind\":\"train\",\"loss\":0.5}\n\
             {\"step\":2,\"kind\":\"train\",\"loss\":1.0}\n\
             {\"step\":3,\"kind\":\"eval\",\"loss\":null}\n"
        );
    }
}
