//! Which files a path stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::{Error, Result};

/// Larger than any index there is: one of a trillion-parameter model has about 10 MB.
const MAX_INDEX_BYTES: u64 = 64 << 20;

const CANDIDATES: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// The files to read, and for sharded weights the shard in which each tensor must be.
pub(crate) struct Found {
    pub files: Vec<PathBuf>,
    pub index: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

pub(crate) fn locate(path: &Path) -> Result<Found> {
    let file = if path.is_dir() { in_directory(path)? } else { path.to_path_buf() };
    if file.extension().is_some_and(|e| e == "json") {
        return shards(&file);
    }
    Ok(Found { files: vec![file], index: BTreeMap::new() })
}

fn in_directory(dir: &Path) -> Result<PathBuf> {
    for name in CANDIDATES {
        let file = dir.join(name);
        if file.exists() {
            return Ok(file);
        }
    }
    let fail = |source| Error::Io { path: dir.into(), action: "list", source };
    let mut found = Vec::new();
    for entry in dir.read_dir().map_err(fail)? {
        let file = entry.map_err(fail)?.path();
        if file.extension().is_some_and(|e| e == "gguf") {
            found.push(file);
        }
    }
    match found.as_slice() {
        [file] => Ok(file.clone()),
        [] => Err(Error::NoWeights {
            path: dir.into(),
            expected: format!("{}, or one *.gguf file", CANDIDATES.join(", ")),
        }),
        _ => {
            let name = |f: &PathBuf| f.file_name().map(|n| n.to_string_lossy().into_owned());
            let mut found: Vec<_> = found.iter().filter_map(name).collect();
            found.sort();
            Err(Error::SeveralGguf { path: dir.into(), found })
        }
    }
}

fn shards(path: &Path) -> Result<Found> {
    let fail = |source| Error::Io { path: path.into(), action: "read", source };
    let found = std::fs::metadata(path).map_err(fail)?.len();
    if found > MAX_INDEX_BYTES {
        let what = "size of the index".into();
        return Err(Error::Limit { path: path.into(), what, found, limit: MAX_INDEX_BYTES });
    }
    let text = std::fs::read(path).map_err(fail)?;
    let index: Index = serde_json::from_slice(&text).map_err(|e| Error::Malformed {
        path: path.into(),
        what: "index of shards".into(),
        expected: "JSON with a weight_map from tensor names to file names".into(),
        found: e.to_string(),
    })?;
    let mut files = Vec::new();
    for shard in index.weight_map.values().collect::<BTreeSet<_>>() {
        let mut parts = Path::new(shard).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(Error::Malformed {
                path: path.into(),
                what: "shard in the index".into(),
                expected: "the plain name of a file beside it".into(),
                found: format!("{shard:?}"),
            });
        }
        files.push(path.with_file_name(shard));
    }
    Ok(Found { files, index: index.weight_map })
}
