//! Reading Parquet.

use std::{fs::File, path::Path};

use anyhow::{Context, anyhow, bail, ensure};
use parquet::{
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
    record::Field,
    schema::types::Type,
};
use quintet_data::quiet::quietly;

use super::read::{Numbers, positions};

/// See [`super::names`].
pub(super) fn names(path: &Path) -> anyhow::Result<Vec<String>> {
    careful(path, || {
        let reader = open(path)?;
        let fields = reader.metadata().file_metadata().schema().get_fields();
        Ok(fields.iter().map(|field| field.name().to_owned()).collect())
    })
}

/// See [`super::read()`].
pub(super) fn read(
    path: &Path,
    wanted: &[String],
    numbers: Numbers,
    each: &mut dyn FnMut(&[f64]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    careful(path, || {
        let name = path.display();
        let reader = open(path)?;
        let schema = reader.metadata().file_metadata().schema();
        let fields = schema.get_fields();
        let header: Vec<&str> = fields.iter().map(|field| field.name()).collect();
        let mut kept = positions(path, &header, wanted)?;
        for column in &kept {
            let nested = !fields[*column].is_primitive();
            ensure!(!nested, "{name}: {} is no column of numbers", header[*column]);
        }
        kept.sort_unstable();
        kept.dedup();
        let group = Type::group_type_builder(schema.name())
            .with_fields(kept.iter().map(|column| fields[*column].clone()).collect())
            .build();
        let projection = group.with_context(|| format!("{name}: its schema"))?;
        let rows = reader.get_row_iter(Some(projection));
        let mut values = vec![0.0; wanted.len()];
        for (index, row) in rows.with_context(|| format!("{name}: cannot be read"))?.enumerate() {
            let number = index + 1;
            let row = row.with_context(|| format!("{name}: row {number}"))?;
            for (column, field) in row.get_column_iter() {
                let value = self::value(field).filter(|value| numbers.allow(*value));
                let Some(value) = value else {
                    let expected = numbers.words();
                    bail!("{name}: row {number}, {column}: {field}; expected {expected}")
                };
                let into = wanted.iter().zip(&mut values).filter(|(wanted, _)| *wanted == column);
                into.for_each(|(_, into)| *into = value);
            }
            each(&values)?;
        }
        Ok(())
    })
}

fn open(path: &Path) -> anyhow::Result<SerializedFileReader<File>> {
    let file = File::open(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    SerializedFileReader::new(file)
        .with_context(|| format!("{}: not a whole Parquet file", path.display()))
}

fn value(field: &Field) -> Option<f64> {
    Some(match field {
        Field::Double(value) => *value,
        Field::Float(value) => f64::from(*value),
        Field::Byte(value) => f64::from(*value),
        Field::Short(value) => f64::from(*value),
        Field::Int(value) => f64::from(*value),
        Field::Long(value) => *value as f64,
        Field::UByte(value) => f64::from(*value),
        Field::UShort(value) => f64::from(*value),
        Field::UInt(value) => f64::from(*value),
        Field::ULong(value) => *value as f64,
        _ => return None,
    })
}

/// The library asserts what it expects of schemas and pages; that a file is broken is no panic of ours.
fn careful<T>(path: &Path, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    quietly(work).unwrap_or_else(|| Err(anyhow!("{}: breaks the rules of Parquet", path.display())))
}
