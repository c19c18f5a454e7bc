//! Conversation JSON: LLaVA's `conversations` and ShareGPT-like `messages`, as an array or lines.

mod index;

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::Mutex,
};

use serde_json::{Map, Value, json};

use super::{Dataset, OpenOptions, atomic, file_name, rows};
use crate::{
    Error, Result,
    chat::to_placeholder_text,
    sample::{Media, Role, Sample},
};

/// Rows of a JSON array or of JSON lines, parsed one at a time.
///
/// Opening reads the file once to find where each row starts (16 bytes per row are kept).
#[derive(Debug)]
pub struct JsonDataset {
    path: PathBuf,
    name: String,
    root: PathBuf,
    options: OpenOptions,
    rows: Vec<Range<u64>>,
    file: Mutex<File>,
}

impl JsonDataset {
    /// Opens a file and finds its rows.
    ///
    /// # Errors
    /// The file cannot be read, or its brackets do not match; the error names the row.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let io = |source| Error::Io { path: path.clone(), source };
        let mut file = File::open(&path).map_err(io)?;
        let rows = index::find_rows(&mut file, &path)?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self {
            name: file_name(&path),
            root: options.media_root.clone().unwrap_or(folder),
            file: Mutex::new(file),
            path,
            options,
            rows,
        })
    }

    fn read(&self, range: &Range<u64>) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        file.seek(SeekFrom::Start(range.start))?;
        (&mut *file).take(range.end - range.start).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Dataset for JsonDataset {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn get(&self, i: usize) -> Result<Sample> {
        let fail = |reason: String| Error::Row { path: self.path.clone(), row: i, reason };
        let range = self
            .rows
            .get(i)
            .ok_or_else(|| fail(format!("no such row: there are {}", self.rows.len())))?;
        let bytes =
            self.read(range).map_err(|source| Error::Io { path: self.path.clone(), source })?;
        let row: Map<String, Value> =
            serde_json::from_slice(&bytes).map_err(|e| fail(format!("malformed JSON: {e}")))?;
        rows::from_json(&row, i, &self.root, &self.options).map_err(fail)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Writes a JSON array in LLaVA's layout; media must be files. Paths under `media_root` are
/// written relative to it.
///
/// # Errors
/// A medium is not a file, or the file cannot be written.
pub fn write<'a>(
    path: impl AsRef<Path>,
    samples: impl IntoIterator<Item = &'a Sample>,
    media_root: &Path,
) -> Result<()> {
    let path = path.as_ref();
    let io = |source| Error::Io { path: path.to_owned(), source };
    atomic::write(path, |out| {
        out.write_all(b"[").map_err(io)?;
        for (i, sample) in samples.into_iter().enumerate() {
            let row = to_row(sample, media_root).map_err(|reason| Error::Row {
                path: path.to_owned(),
                row: i,
                reason,
            })?;
            out.write_all(if i == 0 { b"\n" } else { b",\n" }).map_err(io)?;
            serde_json::to_writer(&mut *out, &row).map_err(|e| io(e.into()))?;
        }
        out.write_all(b"\n]\n").map_err(io)
    })
}

fn to_row(sample: &Sample, root: &Path) -> std::result::Result<Value, String> {
    let mut paths = Vec::with_capacity(sample.media.len());
    for medium in &sample.media {
        let Media::File(file) = medium else {
            return Err("LLaVA JSON holds paths: save the picture first, or write Parquet".into());
        };
        paths.push(json!(file.strip_prefix(root).unwrap_or(file)));
    }
    let mut row = Map::from_iter([("id".to_owned(), json!(sample.id))]);
    match paths.len() {
        0 => None,
        1 => row.insert("image".into(), paths.remove(0)),
        _ => row.insert("image".into(), paths.into()),
    };
    row.insert("conversations".into(), conversations(sample));
    Ok(row.into())
}

/// The turns as `[{"from", "value"}]`.
fn conversations(sample: &Sample) -> Value {
    turns(sample).map(|(from, value)| json!({"from": from, "value": value})).collect()
}

/// Speaker and text of every turn, in LLaVA's names.
pub(super) fn turns(sample: &Sample) -> impl Iterator<Item = (&'static str, String)> {
    sample.messages.iter().map(|message| {
        let from = match message.role {
            Role::System => "system",
            Role::User => "human",
            Role::Assistant => "gpt",
        };
        (from, to_placeholder_text(&message.content, "<image>", "<video>"))
    })
}
