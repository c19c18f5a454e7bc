//! Parquet values as JSON values.

use parquet::record::Field;
use serde_json::{Map, Value};

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
