//! Parquet values as JSON values and media.

use std::{path::Path, sync::Arc};

use parquet::record::Field;
use serde_json::{Map, Value};

use crate::sample::Media;

/// A field without its binary content.
pub(super) fn to_json(field: &Field) -> Value {
    match field {
        Field::Bool(value) => (*value).into(),
        Field::Byte(value) => (*value).into(),
        Field::Short(value) => (*value).into(),
        Field::Int(value) => (*value).into(),
        Field::Long(value) => (*value).into(),
        Field::UByte(value) => (*value).into(),
        Field::UShort(value) => (*value).into(),
        Field::UInt(value) => (*value).into(),
        Field::ULong(value) => (*value).into(),
        Field::Float(value) => f64::from(*value).into(),
        Field::Double(value) => (*value).into(),
        Field::Str(text) => text.as_str().into(),
        Field::Group(row) => {
            let entries = row.get_column_iter();
            Value::Object(Map::from_iter(entries.map(|(name, f)| (name.clone(), to_json(f)))))
        }
        Field::ListInternal(list) => list.elements().iter().map(to_json).collect(),
        _ => Value::Null,
    }
}

/// The media of a column: a struct of `bytes` and `path`, plain bytes, a path, or a list of these.
pub(super) fn media(
    field: &Field,
    column: &str,
    root: &Path,
    out: &mut Vec<Media>,
) -> std::result::Result<(), String> {
    match field {
        Field::Null => {}
        Field::Bytes(bytes) => out.push(Media::Bytes(Arc::from(bytes.data()))),
        Field::Str(path) => out.push(Media::File(root.join(path))),
        Field::ListInternal(list) => {
            for element in list.elements() {
                media(element, column, root, out)?;
            }
        }
        Field::Group(row) => {
            let part = |wanted: &str| {
                row.get_column_iter().find(|(name, _)| *name == wanted).map(|(_, field)| field)
            };
            match (part("bytes"), part("path")) {
                (Some(Field::Bytes(bytes)), _) => out.push(Media::Bytes(Arc::from(bytes.data()))),
                (_, Some(Field::Str(path))) => out.push(Media::File(root.join(path))),
                (Some(Field::Null), Some(Field::Null)) => {}
                _ => return Err(format!("column {column:?}: a medium has neither bytes nor path")),
            }
        }
        _ => {
            return Err(format!(
                "column {column:?}: expected a struct of bytes and path, bytes, a path, or a list"
            ));
        }
    }
    Ok(())
}
