//! Writing tables, some rows at a time.

use std::{
    io::{Error, Write},
    sync::Arc,
};

use anyhow::ensure;
use parquet::{
    basic::{Compression, LogicalType, Repetition, Type as Physical},
    data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type,
};

use super::Format;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Count,
    Number,
    Word,
    Flag,
}

/// Some values of a column.
pub enum Column<'a> {
    Count(Vec<u64>),
    Number(Vec<f64>),
    Word(Vec<&'a str>),
    Flag(Vec<bool>),
}

/// A table that is being written.
pub enum Table<W: Write + Send> {
    Csv(W),
    /// Each group of rows is written when it comes, so that no more than one is held.
    Parquet(Box<SerializedFileWriter<W>>),
}

impl<W: Write + Send> Table<W> {
    /// Begins a table.
    ///
    /// # Errors
    /// If two columns have the same name, or it cannot be written.
    pub fn new(mut out: W, format: Format, columns: &[(String, Kind)]) -> anyhow::Result<Self> {
        for (i, (name, _)) in columns.iter().enumerate() {
            ensure!(
                !columns[..i].iter().any(|(other, _)| other == name),
                "two columns would be called {name}; rename the component or parameter"
            );
        }
        if format == Format::Csv {
            let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            writeln!(out, "{}", names.join(","))?;
            return Ok(Self::Csv(out));
        }
        let fields = columns.iter().map(|(name, kind)| field(name, *kind).map(Arc::new));
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(plain)?;
        let schema =
            Type::group_type_builder("table").with_fields(fields).build().map_err(plain)?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties));
        Ok(Self::Parquet(Box::new(writer.map_err(plain)?)))
    }

    /// Writes a group of rows: all columns in their order, equally long.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, columns: &[Column<'_>]) -> anyhow::Result<()> {
        match self {
            Self::Csv(out) => {
                for row in 0..columns.first().map_or(0, Column::len) {
                    for (i, column) in columns.iter().enumerate() {
                        let comma = if i > 0 { "," } else { "" };
                        match column {
                            Column::Count(values) => write!(out, "{comma}{}", values[row]),
                            Column::Number(values) => write!(out, "{comma}{}", values[row]),
                            Column::Word(values) => write!(out, "{comma}{}", values[row]),
                            Column::Flag(values) => write!(out, "{comma}{}", values[row]),
                        }?;
                    }
                    writeln!(out)?;
                }
                Ok(())
            }
            Self::Parquet(writer) => group(writer, columns).map_err(plain),
        }
    }

    /// What it wrote to.
    ///
    /// # Errors
    /// If the end cannot be written.
    pub fn finish(self) -> anyhow::Result<W> {
        match self {
            Self::Csv(out) => Ok(out),
            Self::Parquet(writer) => writer.into_inner().map_err(plain),
        }
    }
}

impl Column<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Count(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Word(values) => values.len(),
            Self::Flag(values) => values.len(),
        }
    }
}

fn field(name: &str, kind: Kind) -> Result<Type, ParquetError> {
    let (physical, logical) = match kind {
        Kind::Count => (Physical::INT64, None),
        Kind::Number => (Physical::DOUBLE, None),
        Kind::Word => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Flag => (Physical::BOOLEAN, None),
    };
    Type::primitive_type_builder(name, physical)
        .with_logical_type(logical)
        .with_repetition(Repetition::REQUIRED)
        .build()
}

fn group<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    columns: &[Column<'_>],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for column in columns {
        let Some(mut out) = group.next_column()? else { break };
        match column {
            Column::Count(values) => {
                let values: Vec<i64> = values.iter().map(|value| *value as i64).collect();
                out.typed::<Int64Type>().write_batch(&values, None, None)?;
            }
            Column::Number(values) => {
                out.typed::<DoubleType>().write_batch(values, None, None)?;
            }
            Column::Word(values) => {
                let values: Vec<ByteArray> = values.iter().map(|value| (*value).into()).collect();
                out.typed::<ByteArrayType>().write_batch(&values, None, None)?;
            }
            Column::Flag(values) => {
                out.typed::<BoolType>().write_batch(values, None, None)?;
            }
        }
        out.close()?;
    }
    group.close().map(|_| ())
}

/// What the disk said, without the library's words around it.
fn plain(error: ParquetError) -> anyhow::Error {
    match error {
        ParquetError::External(inner) => Error::other(inner).into(),
        other => other.into(),
    }
}
