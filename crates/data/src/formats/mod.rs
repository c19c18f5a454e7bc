//! Datasets on disk: LLaVA and ShareGPT JSON, Hugging Face Parquet, COCO.
//!
//! Readers are lazy: opening a dataset finds its rows, [`Dataset::get`] parses one. No picture is
//! decoded here.

pub mod atomic;
pub mod coco;
pub mod llava;
pub mod parquet;
mod rows;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use crate::{Error, Result, sample::Sample};

/// Samples that are shuffled as one, so that millions are no more work than thousands.
pub const BLOCK: usize = 4096;

/// Samples by number.
pub trait Dataset: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize;

    /// The `i`-th sample.
    ///
    /// # Errors
    /// `i` is out of range, or the row is malformed; the error names file and row.
    fn get(&self, i: usize) -> Result<Sample>;

    /// A name for logs and receipts.
    fn name(&self) -> &str;

    /// Samples that follow one another and are about as cheap to read in any order as in theirs:
    /// shuffles stay within so many, and shuffle these.
    fn block(&self) -> usize {
        BLOCK
    }

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How to read a dataset.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Where relative media paths start; the dataset's own folder if `None`.
    pub media_root: Option<PathBuf>,
    /// The field or column with the sample's id; the row number where it is absent.
    pub id: String,
    /// Fields or columns with media, in the order in which their media are counted.
    pub media: Vec<String>,
    /// Fields or columns that may hold the conversation; the first that is there counts.
    pub turns: Vec<String>,
    /// A picture's placeholder in the text.
    pub image_placeholder: String,
    /// A video's placeholder in the text.
    pub video_placeholder: String,
}

impl Default for OpenOptions {
    fn default() -> Self {
        let strings = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Self {
            media_root: None,
            id: "id".into(),
            media: strings(&["image", "images", "video", "videos"]),
            turns: strings(&["conversations", "messages"]),
            image_placeholder: "<image>".into(),
            video_placeholder: "<video>".into(),
        }
    }
}

/// Opens a dataset, told apart by its content: Parquet, a JSON array of rows, or JSON lines.
///
/// # Errors
/// The file cannot be read, or is none of these.
pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Box<dyn Dataset>> {
    let path = path.as_ref();
    let io = |source| Error::Io { path: path.to_owned(), source };
    let mut head = Vec::new();
    File::open(path).map_err(io)?.take(4096).read_to_end(&mut head).map_err(io)?;
    if head.starts_with(b"PAR1") {
        return Ok(Box::new(parquet::ParquetDataset::open(path, options)?));
    }
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'[' | b'{') if !is_coco(path, &head) => {
            Ok(Box::new(llava::JsonDataset::open(path, options)?))
        }
        Some(b'{') => Err(Error::Config {
            path: path.to_owned(),
            reason: "this is a COCO annotation file, which has objects but no conversations; \
                     read it with `formats::coco::Coco::load`"
                .into(),
        }),
        _ => Err(Error::Config {
            path: path.to_owned(),
            reason: "not a dataset: expected Parquet, a JSON array of rows or JSON lines".into(),
        }),
    }
}

/// COCO files are one object whose first keys are among these; rows of JSON lines have none.
fn is_coco(path: &Path, head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    let lines = path.extension().is_some_and(|extension| extension == "jsonl");
    let keys = ["\"info\"", "\"licenses\"", "\"images\"", "\"annotations\"", "\"categories\""];
    let turns = ["\"conversations\"", "\"messages\""];
    !lines
        && head.trim_start().starts_with('{')
        && keys.iter().any(|key| head.contains(key))
        && !turns.iter().any(|key| head.contains(key))
}

/// The last part of a path, as a dataset's name.
fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into())
}
