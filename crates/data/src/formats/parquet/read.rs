//! Reading rows by number.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::{
    errors::ParquetError,
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
};

use super::{file::Shared, media::MediaColumns, pages::Pages, texts::Texts};
use crate::{
    Error, Result,
    formats::{Dataset, OpenOptions, file_name, rows},
    quiet::quietly,
    sample::Sample,
};

/// Samples of a Parquet file.
///
/// Rows can be read in any order and by several threads. What lies between them is passed over where
/// the file allows it, and what was read last is kept, so that shuffles of some thousand rows are about
/// as fast as reading in order.
pub struct ParquetDataset {
    path: PathBuf,
    name: String,
    root: PathBuf,
    options: OpenOptions,
    pages: Arc<Pages>,
    /// The first row of every group, and the number of rows last.
    starts: Vec<usize>,
    texts: Texts,
    media: MediaColumns,
    block: usize,
}

/// What is left to say where the library asserts what it expects of a schema and of pages.
const BROKEN: &str = "the file breaks the rules of Parquet";
/// And where a group is not what the footer says.
pub(super) const SHORT: &str = "the row group ends before this row";

pub(super) fn broken(error: ParquetError) -> String {
    format!("cannot be read: {error}")
}

impl ParquetDataset {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// The file is not Parquet, is cut off, has none of the columns of a conversation, or something
    /// else where media should be.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let fail = |reason: String| Error::Config { path: path.clone(), reason };
        let io = |source| Error::Io { path: path.clone(), source };
        let file = File::open(&path).map_err(io)?;
        let file = Shared::new(file).map_err(io)?;
        let reader = quietly(|| SerializedFileReader::new(file))
            .ok_or_else(|| fail(BROKEN.into()))?
            .map_err(|e| fail(format!("not a whole Parquet file: {e}")))?;
        let mut starts = vec![0usize];
        let mut total = 0usize;
        for group in reader.metadata().row_groups() {
            total = usize::try_from(group.num_rows())
                .ok()
                .and_then(|rows| total.checked_add(rows))
                .ok_or_else(|| fail("the footer counts a negative number of rows".into()))?;
            starts.push(total);
        }
        let schema = reader.metadata().file_metadata();
        let texts = Texts::new(schema.schema(), &options).map_err(fail)?;
        let media = MediaColumns::new(schema.schema_descr(), &options.media).map_err(fail)?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self {
            name: file_name(&path),
            root: options.media_root.clone().unwrap_or(folder),
            path,
            options,
            block: media.block(reader.metadata()),
            pages: Arc::new(Pages::new(reader)),
            starts,
            texts,
            media,
        })
    }

    fn sample(&self, i: usize) -> std::result::Result<Sample, String> {
        let group = self.starts.partition_point(|&start| start <= i).saturating_sub(1);
        let row = i - self.starts.get(group).copied().unwrap_or_default();
        let (text, media) = quietly(|| {
            let text = self.texts.get(&self.pages.file, group, row)?;
            Ok((text, self.media.get(&self.pages, (group, row), &self.root)?))
        })
        .unwrap_or_else(|| Err(BROKEN.to_owned()))?;
        let id = text.id.unwrap_or_else(|| i.to_string());
        rows::sample(id, &text.turns, media, &self.options)
    }
}

impl Dataset for ParquetDataset {
    fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }

    fn get(&self, i: usize) -> Result<Sample> {
        let fail = |reason: String| Error::Row { path: self.path.clone(), row: i, reason };
        if i >= self.len() {
            return Err(fail(format!("no such row: there are {}", self.len())));
        }
        self.sample(i).map_err(fail)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn block(&self) -> usize {
        self.block
    }
}

impl std::fmt::Debug for ParquetDataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetDataset").field("path", &self.path).finish_non_exhaustive()
    }
}
