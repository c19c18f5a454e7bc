//! What a model wrote, kept as it comes.

use std::{
    collections::HashMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use quintet_data::formats::atomic;
use quintet_hub::digest::of_bytes;
use serde_json::{Map, Value};

use super::files;
use crate::{Error, Result};

/// Texts in a file of JSON lines `{"id", "attempt", "prompt", …}`, so that asking goes on where it
/// stopped.
///
/// `prompt` is the [`digest`] of what was asked: a text counts only for that very prompt. A line
/// without it counts for any prompt of its item and attempt. Without `attempt` it is the first.
pub(super) struct Journal {
    path: PathBuf,
    /// The name of the text in a line that we write.
    field: &'static str,
    kept: Mutex<Kept>,
}

/// Item, attempt and the digest of the prompt, if it is known.
type Key = (String, usize, Option<String>);

struct Kept {
    texts: HashMap<Key, String>,
    file: Option<File>,
}

impl Journal {
    /// The texts at `path`, none if nothing is there; in a line they bear one of the names `fields`,
    /// whose first is written. To be added to, or not.
    ///
    /// # Errors
    /// The file cannot be read, or a row is malformed. A last line that a killed process cut short
    /// is removed.
    pub(super) fn open(path: &Path, fields: &[&'static str], add: bool) -> Result<Self> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let text = if path.exists() { files::text(path)? } else { String::new() };
        let whole = match text.rfind('\n').map_or(0, |at| at + 1) {
            start if files::row(&text[start..]).is_ok() => text.len(),
            start => start,
        };
        let texts = files::lines(path, &text[..whole], |line| {
            let row = files::row(line)?;
            let attempt = match row.get("attempt") {
                None => 0,
                Some(value) => value.as_u64().ok_or("\"attempt\" is no whole number")?,
            };
            let digest = row.get("prompt").and_then(Value::as_str).map(str::to_owned);
            let id = files::field(&row, &["question_id", "id"])?;
            Ok(((id, attempt as usize, digest), files::field(&row, fields)?))
        })?;
        let file = match add {
            false => None,
            true => {
                if whole < text.len() {
                    atomic::write_bytes(path, &text.as_bytes()[..whole])?;
                }
                let mut file = File::options().create(true).append(true).open(path).map_err(io)?;
                if whole > 0 && !text[..whole].ends_with('\n') {
                    file.write_all(b"\n").map_err(io)?;
                }
                Some(file)
            }
        };
        let kept = Mutex::new(Kept { texts: texts.into_iter().collect(), file });
        Ok(Self { path: path.to_owned(), field: fields.first().copied().unwrap_or("text"), kept })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was written in answer to the prompt of this digest.
    pub(super) fn get(&self, id: &str, attempt: usize, digest: &str) -> Option<String> {
        let key = |digest| (id.to_owned(), attempt, digest);
        let kept = self.kept();
        let text = kept.texts.get(&key(Some(digest.to_owned())));
        text.or_else(|| kept.texts.get(&key(None))).cloned()
    }

    /// Keeps a text.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn put(&self, id: &str, attempt: usize, digest: &str, text: &str) -> Result<()> {
        let mut line = Map::new();
        line.insert("id".into(), id.into());
        line.insert("attempt".into(), attempt.into());
        line.insert("prompt".into(), digest.into());
        line.insert(self.field.into(), text.into());
        let mut kept = self.kept();
        if let Some(file) = &mut kept.file {
            file.write_all(format!("{}\n", Value::from(line)).as_bytes())
                .map_err(|source| Error::Io { path: self.path.clone(), source })?;
        }
        kept.texts.insert((id.to_owned(), attempt, Some(digest.to_owned())), text.to_owned());
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SHA-256 of everything that decides what is written.
pub(super) fn digest(asked: &Value) -> String {
    of_bytes(asked.to_string().as_bytes())
}
