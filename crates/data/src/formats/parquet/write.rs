//! Writing samples.

use std::{
    fs::File,
    io::Cursor,
    path::{Path, PathBuf},
    sync::Arc,
};

use image::ImageFormat;
use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType},
    errors::ParquetError,
    file::{metadata::KeyValue, properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::{
    Error, Result,
    formats::{atomic, llava},
    sample::{Media, Sample},
};

/// How to write.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// Rows per row group. Other readers often decode a group for one row of it.
    pub rows_per_group: usize,
    /// A column `images` with a list of pictures, instead of `image` with at most one.
    pub several_images: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { rows_per_group: 100, several_images: false }
    }
}

/// Writes samples one by one; the file appears when [`finish`](Self::finish) succeeds.
///
/// Columns: `id`; `image` (struct of `bytes` and `path`) or `images` (list of those);
/// `conversations` (list of structs of `from` and `value`, LLaVA's names).
pub struct ParquetWriter {
    path: PathBuf,
    options: WriteOptions,
    writer: SerializedFileWriter<NamedTempFile>,
    group: Group,
    rows: usize,
}

/// One column's values with their definition and repetition levels (Dremel, Melnik et al. 2010).
#[derive(Default)]
struct Column {
    values: Vec<ByteArray>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

/// The columns of the row group being filled, in the schema's order.
#[derive(Default)]
struct Group {
    id: Column,
    bytes: Column,
    path: Column,
    from: Column,
    value: Column,
}

impl Column {
    fn push(&mut self, value: Option<Vec<u8>>, definition: i16, repetition: i16) {
        self.values.extend(value.map(ByteArray::from));
        self.definitions.push(definition);
        self.repetitions.push(repetition);
    }
}

impl ParquetWriter {
    /// Starts a file.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(path: impl AsRef<Path>, options: WriteOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let io = |source| Error::Io { path: path.clone(), source };
        let file = atomic::temporary(&path).map_err(io)?;
        let features = KeyValue::new("huggingface".into(), features(options.several_images));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_enabled(false)
            .set_key_value_metadata(Some(vec![features]))
            .build();
        let schema = parse_message_type(&schema(options.several_images));
        let writer = schema.and_then(|schema| {
            SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
        });
        let writer = writer.map_err(|e| broken(&path, e))?;
        Ok(Self { path, options, writer, group: Group::default(), rows: 0 })
    }

    /// Adds a sample: files are read, decoded pictures are written as PNG.
    ///
    /// # Errors
    /// A medium cannot be read or encoded, there are too many for the layout, or the disk is full.
    pub fn write(&mut self, sample: &Sample) -> Result<()> {
        let row = self.rows;
        let fail = |reason: String| Error::Row { path: self.path.clone(), row, reason };
        if !self.options.several_images && sample.media.len() > 1 {
            return Err(fail(format!(
                "{} pictures in one row: write with several_images",
                sample.media.len()
            )));
        }
        let files: Vec<_> = sample.media.iter().map(encoded).collect::<Result<_>>()?;
        self.group.id.push(Some(sample.id.clone().into_bytes()), 1, 0);
        self.group.push_media(files, self.options.several_images);
        self.group.push_turns(sample);
        self.rows += 1;
        if self.group.id.values.len() >= self.options.rows_per_group.max(1) {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the rest and gives the file its name.
    ///
    /// # Errors
    /// The disk is full.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        let file = self.writer.into_inner().map_err(|e| broken(&self.path, e))?;
        atomic::publish(file, &self.path)
    }

    fn flush(&mut self) -> Result<()> {
        let group = std::mem::take(&mut self.group);
        if group.id.values.is_empty() {
            return Ok(());
        }
        write_group(&mut self.writer, &group).map_err(|e| broken(&self.path, e))
    }
}

impl Group {
    /// Levels follow the schema: the struct is one level, inside a list three.
    fn push_media(&mut self, files: Vec<(Vec<u8>, Option<String>)>, list: bool) {
        let depth = if list { 3 } else { 1 };
        if files.is_empty() {
            let absent = if list { 1 } else { 0 };
            self.bytes.push(None, absent, 0);
            self.path.push(None, absent, 0);
        }
        for (i, (bytes, path)) in files.into_iter().enumerate() {
            let repetition = i16::from(i > 0);
            self.bytes.push(Some(bytes), depth + 1, repetition);
            let definition = depth + i16::from(path.is_some());
            self.path.push(path.map(String::into_bytes), definition, repetition);
        }
    }

    fn push_turns(&mut self, sample: &Sample) {
        for (i, (from, value)) in llava::turns(sample).enumerate() {
            let repetition = i16::from(i > 0);
            self.from.push(Some(from.into()), 4, repetition);
            self.value.push(Some(value.into_bytes()), 4, repetition);
        }
        if sample.messages.is_empty() {
            self.from.push(None, 1, 0);
            self.value.push(None, 1, 0);
        }
    }
}

fn write_group(
    writer: &mut SerializedFileWriter<NamedTempFile>,
    group: &Group,
) -> std::result::Result<(), ParquetError> {
    let mut row_group = writer.next_row_group()?;
    for column in [&group.id, &group.bytes, &group.path, &group.from, &group.value] {
        let Some(mut out) = row_group.next_column()? else { break };
        out.typed::<ByteArrayType>().write_batch(
            &column.values,
            Some(&column.definitions),
            Some(&column.repetitions),
        )?;
        out.close()?;
    }
    row_group.close()?;
    Ok(())
}

/// A medium as an encoded file, and the name it had.
fn encoded(medium: &Media) -> Result<(Vec<u8>, Option<String>)> {
    match medium {
        Media::File(path) => {
            let io = |source| Error::Io { path: path.clone(), source };
            let mut file = File::open(path).map_err(io)?;
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut file, &mut bytes).map_err(io)?;
            Ok((bytes, path.file_name().map(|name| name.to_string_lossy().into_owned())))
        }
        Media::Bytes(bytes) => Ok((bytes.to_vec(), None)),
        Media::Image(image) => {
            let mut png = Cursor::new(Vec::new());
            image.write_to(&mut png, ImageFormat::Png).map_err(|e| Error::Media {
                path: "picture in memory".into(),
                reason: format!("cannot be written as PNG: {e}"),
            })?;
            Ok((png.into_inner(), None))
        }
    }
}

fn schema(list: bool) -> String {
    let picture = "optional binary bytes; optional binary path (STRING);";
    let pictures = if list {
        format!(
            "optional group images (LIST) {{ repeated group list {{ \
             optional group element {{ {picture} }} }} }}"
        )
    } else {
        format!("optional group image {{ {picture} }}")
    };
    format!(
        "message schema {{ optional binary id (STRING); {pictures} \
         optional group conversations (LIST) {{ repeated group list {{ \
         optional group element {{ optional binary from (STRING); \
         optional binary value (STRING); }} }} }} }}"
    )
}

/// The columns as `datasets.Features` writes them.
fn features(list: bool) -> String {
    let text = || json!({"dtype": "string", "_type": "Value"});
    let picture = json!({"_type": "Image"});
    let (name, pictures) = if list { ("images", json!([picture])) } else { ("image", picture) };
    json!({"info": {"features": {
        "id": text(),
        name: pictures,
        "conversations": [{"from": text(), "value": text()}],
    }}})
    .to_string()
}

fn broken(path: &Path, error: ParquetError) -> Error {
    let source = match error {
        ParquetError::External(inner) => std::io::Error::other(inner),
        other => std::io::Error::other(other),
    };
    Error::Io { path: path.to_owned(), source }
}
