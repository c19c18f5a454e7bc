//! Reading rows by number.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Mutex,
};

use parquet::{
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
    record::{
        Row,
        reader::{ReaderIter, TreeBuilder},
    },
    schema::types::{SchemaDescPtr, SchemaDescriptor, Type},
};

use super::field;
use crate::{
    Error, Result,
    formats::{Dataset, OpenOptions, file_name, rows},
    quiet::quietly,
    sample::Sample,
};

/// Samples of a Parquet file.
///
/// Rows in order are read once; a row behind the last one, or in another row group, costs reading
/// its group again from the group's start. Shuffle by group, or write small groups (the default of
/// [`ParquetWriter`](super::ParquetWriter)).
pub struct ParquetDataset {
    path: PathBuf,
    name: String,
    root: PathBuf,
    options: OpenOptions,
    reader: SerializedFileReader<File>,
    schema: SchemaDescPtr,
    /// The first row of every group, and the number of rows last.
    starts: Vec<usize>,
    cursor: Mutex<Option<Cursor>>,
}

/// What is left to say where the library asserts what it expects of a schema and of pages.
const BROKEN: &str = "the file breaks the rules of Parquet";
/// Rows decoded at once; more would hold many pictures in memory.
const BATCH: usize = 16;

/// A group being read, and the row it will give next.
struct Cursor {
    group: usize,
    next: usize,
    rows: ReaderIter,
}

impl ParquetDataset {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// The file is not Parquet, is cut off, or has none of the columns of a conversation.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let fail = |reason: String| Error::Config { path: path.clone(), reason };
        let file = File::open(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
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
        let schema =
            projection(reader.metadata().file_metadata().schema(), &options).map_err(fail)?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self {
            name: file_name(&path),
            root: options.media_root.clone().unwrap_or(folder),
            path,
            options,
            reader,
            schema,
            starts,
            cursor: Mutex::new(None),
        })
    }

    /// The row, read on from the cursor where that is possible.
    fn row(&self, i: usize) -> std::result::Result<Row, String> {
        let broken = |e: parquet::errors::ParquetError| format!("cannot be read: {e}");
        let group = self.starts.partition_point(|&start| start <= i).saturating_sub(1);
        let mut held = self.cursor.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut cursor = match held.take().filter(|c| c.group == group && c.next <= i) {
            Some(cursor) => cursor,
            None => {
                let next = self.starts.get(group).copied().unwrap_or_default();
                let reader = self.reader.get_row_group(group).map_err(broken)?;
                let rows = TreeBuilder::new()
                    .with_batch_size(BATCH)
                    .as_iter(self.schema.clone(), &*reader)
                    .map_err(broken)?;
                Cursor { group, next, rows }
            }
        };
        loop {
            let row = cursor.rows.next().ok_or("the row group ends before this row")?;
            let row = row.map_err(broken)?;
            cursor.next += 1;
            if cursor.next > i {
                *held = Some(cursor);
                return Ok(row);
            }
        }
    }

    fn sample(&self, i: usize) -> std::result::Result<Sample, String> {
        let row = quietly(|| self.row(i)).ok_or(BROKEN)??;
        let column = |wanted: &str| {
            row.get_column_iter().find(|(name, _)| *name == wanted).map(|(_, field)| field)
        };
        let mut media = Vec::new();
        for name in &self.options.media {
            if let Some(value) = column(name) {
                field::media(value, name, &self.root, &mut media)?;
            }
        }
        let id = match column(&self.options.id).map(field::to_json) {
            Some(serde_json::Value::String(id)) => id,
            Some(serde_json::Value::Number(id)) => id.to_string(),
            _ => i.to_string(),
        };
        let turns = self.options.turns.iter().find_map(|name| column(name));
        let turns = turns.map(field::to_json).unwrap_or_default();
        rows::sample(id, &turns, media, &self.options)
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
}

impl std::fmt::Debug for ParquetDataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetDataset").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Only the columns that make a sample.
fn projection(schema: &Type, options: &OpenOptions) -> std::result::Result<SchemaDescPtr, String> {
    let fields = schema.get_fields();
    let turns = options.turns.iter().find(|name| fields.iter().any(|f| f.name() == *name));
    let Some(turns) = turns else {
        let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
        return Err(format!(
            "no conversation column: expected one of {:?}, found {names:?}; name it in \
             OpenOptions::turns",
            options.turns
        ));
    };
    let wanted = |name: &str| {
        name == options.id || name == turns || options.media.iter().any(|media| media == name)
    };
    let kept = fields.iter().filter(|field| wanted(field.name())).cloned().collect();
    let root = Type::group_type_builder(schema.name()).with_fields(kept).build();
    let root = root.map_err(|e| format!("schema: {e}"))?;
    Ok(std::sync::Arc::new(SchemaDescriptor::new(std::sync::Arc::new(root))))
}
