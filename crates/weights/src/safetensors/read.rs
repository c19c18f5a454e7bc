//! Reading. Own code rather than the `safetensors` crate's, so that every error names its tensor;
//! the tests hold both against each other.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::METADATA_KEY;
use crate::cursor::Cursor;
use crate::parsed::{Entry, Parsed};
use crate::{DType, Error, Result, TensorInfo, Value};

/// The limit of the reference implementation.
const MAX_HEADER_BYTES: u64 = 100_000_000;

#[derive(Deserialize)]
struct TensorHeader {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// The header as a list, so that a name that appears twice is seen.
#[derive(Default)]
struct Header {
    metadata: BTreeMap<String, String>,
    tensors: Vec<(String, TensorHeader)>,
}

pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Parsed> {
    let mut cursor = Cursor::new(path, bytes);
    let length = cursor.u64("header length")?;
    let json = cursor.text(length, MAX_HEADER_BYTES, "header")?;
    let data_start = cursor.at();
    let data_len = cursor.left();

    let header: Header = serde_json::from_str(json).map_err(|e| Error::Malformed {
        path: path.into(),
        what: "header".into(),
        expected: "a JSON object of tensors, each with dtype, shape and data_offsets".into(),
        found: e.to_string(),
    })?;

    let mut parsed = Parsed::default();
    for (name, tensor) in header.tensors {
        let dtype = dtype(&tensor.dtype).ok_or_else(|| Error::UnsupportedDType {
            path: path.into(),
            tensor: name.clone(),
            dtype: tensor.dtype,
        })?;
        let shape = tensor.shape;
        let Some(len) = dtype.byte_len(&shape) else {
            return Err(Error::BadShape { path: path.into(), tensor: name, shape, dtype });
        };
        let (start, end) = tensor.data_offsets;
        if end.checked_sub(start) != Some(len) {
            return Err(Error::SizeMismatch {
                path: path.into(),
                tensor: name,
                expected: len as u64,
                found: end.saturating_sub(start) as u64,
            });
        }
        if end > data_len {
            return Err(Error::OutOfBounds {
                path: path.into(),
                tensor: name,
                end: end as u64,
                available: data_len as u64,
            });
        }
        let info = TensorInfo { dtype, shape };
        let entry = Entry { info, start: data_start + start, len, strides: None };
        parsed.insert(path, name, entry)?;
    }
    check_cover(path, &parsed, data_start, bytes.len())?;
    parsed.metadata =
        header.metadata.into_iter().map(|(key, text)| (key, Value::String(text))).collect();
    Ok(parsed)
}

/// The format demands that the tensors cover the data without holes or overlaps.
fn check_cover(path: &Path, parsed: &Parsed, data_start: usize, data_end: usize) -> Result<()> {
    let mut covered = data_start;
    let mut last = "";
    for (start, end, name) in parsed.in_file_order() {
        if start < covered {
            let (first, second) = (last.into(), name.into());
            return Err(Error::Overlap { path: path.into(), first, second });
        }
        if start > covered {
            return Err(stray(path, start - covered, &format!("before tensor {name:?}")));
        }
        covered = end;
        last = name;
    }
    if covered < data_end {
        return Err(stray(path, data_end - covered, "after the last tensor"));
    }
    Ok(())
}

fn stray(path: &Path, count: usize, place: &str) -> Error {
    Error::Malformed {
        path: path.into(),
        what: "data".into(),
        expected: "tensors without gaps".into(),
        found: format!("{count} bytes {place} that belong to no tensor"),
    }
}

fn dtype(name: &str) -> Option<DType> {
    Some(match name {
        "F64" => DType::F64,
        "F32" => DType::F32,
        "F16" => DType::F16,
        "BF16" => DType::BF16,
        "I64" => DType::I64,
        "I32" => DType::I32,
        "I16" => DType::I16,
        "I8" => DType::I8,
        "U64" => DType::U64,
        "U32" => DType::U32,
        "U16" => DType::U16,
        "U8" => DType::U8,
        "BOOL" => DType::Bool,
        _ => return None,
    })
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<M: MapAccess<'de>>(
                self,
                mut map: M,
            ) -> std::result::Result<Header, M::Error> {
                let mut header = Header::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == METADATA_KEY {
                        header.metadata = map.next_value()?;
                    } else {
                        let tensor = map
                            .next_value()
                            .map_err(|e| M::Error::custom(format_args!("tensor {key:?}: {e}")))?;
                        header.tensors.push((key, tensor));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
