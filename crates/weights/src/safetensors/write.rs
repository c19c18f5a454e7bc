//! Writing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use half::{bf16, f16};
use serde_json::{Map, json};

use super::METADATA_KEY;
use crate::atomic::write_atomically;
use crate::dtype::element_count;
use crate::{DType, Error, Result};

/// The number formats that can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveDType {
    /// Exact.
    #[default]
    F32,
    /// IEEE half precision, rounded to nearest; values above 65504 become infinite.
    F16,
    /// The upper half of an `f32`, rounded to nearest.
    BF16,
}

impl SaveDType {
    fn dtype(self) -> DType {
        match self {
            SaveDType::F32 => DType::F32,
            SaveDType::F16 => DType::F16,
            SaveDType::BF16 => DType::BF16,
        }
    }
}

/// The numbers of a tensor that is written: at hand, or [`Lazy`].
pub trait Numbers {
    /// Their count, where it is known before they are read.
    fn count(&self) -> Option<usize>;
    /// The numbers, row-major.
    fn read(&self) -> Cow<'_, [f32]>;
}

impl<D: AsRef<[f32]>> Numbers for D {
    fn count(&self) -> Option<usize> {
        Some(self.as_ref().len())
    }

    fn read(&self) -> Cow<'_, [f32]> {
        Cow::Borrowed(self.as_ref())
    }
}

/// Numbers that are made when it is their turn to be written, so that only one tensor's are in memory.
pub struct Lazy<F>(pub F);

impl<F: Fn() -> Vec<f32>> Numbers for Lazy<F> {
    fn count(&self) -> Option<usize> {
        None
    }

    fn read(&self) -> Cow<'_, [f32]> {
        Cow::Owned(self.0())
    }
}

/// Writes `(name, shape, data)` tensors to a safetensors file. The same tensors and metadata give
/// the same bytes, whatever their order.
///
/// The file appears whole or not at all: it is written under a temporary name in the same
/// directory, flushed to the disk and then renamed. On any failure, a full disk too, an older file
/// at `path` stays as it was.
///
/// # Errors
/// If a tensor's data does not fill its shape, a name appears twice, or writing fails.
pub fn save_safetensors<N, S, D>(
    path: &Path,
    tensors: impl IntoIterator<Item = (N, S, D)>,
    dtype: SaveDType,
    metadata: &BTreeMap<String, String>,
) -> Result<()>
where
    N: AsRef<str>,
    S: AsRef<[usize]>,
    D: Numbers,
{
    let mut tensors: Vec<_> = tensors.into_iter().collect();
    tensors.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
    let header = header(path, &tensors, dtype, metadata)?;
    write_atomically(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        tensors.iter().try_for_each(|(name, shape, data)| {
            let numbers = data.read();
            if element_count(shape.as_ref()) != Some(numbers.len()) {
                let (name, found) = (name.as_ref(), numbers.len());
                return Err(io::Error::other(format!("tensor {name:?} has {found} elements")));
            }
            write_numbers(out, &numbers, dtype)
        })
    })
    .map_err(|source| Error::Io { path: path.into(), action: "write", source })
}

fn header<N, S, D>(
    path: &Path,
    tensors: &[(N, S, D)],
    dtype: SaveDType,
    metadata: &BTreeMap<String, String>,
) -> Result<String>
where
    N: AsRef<str>,
    S: AsRef<[usize]>,
    D: Numbers,
{
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert(METADATA_KEY.into(), json!(metadata));
    }
    let mut start = 0;
    for (name, shape, data) in tensors {
        let (name, shape) = (name.as_ref(), shape.as_ref());
        let size = dtype.dtype().block_bytes();
        let count = element_count(shape);
        let found = data.count().or(count);
        let (Some(count), true) = (count, count == found) else {
            return Err(Error::Malformed {
                path: path.into(),
                what: format!("tensor {name:?} to be written"),
                expected: format!("the elements of shape {shape:?}"),
                found: format!("{} elements", found.unwrap_or_default()),
            });
        };
        let end = start + count * size;
        let tensor = json!({"dtype": dtype.dtype().to_string(), "shape": shape, "data_offsets": [start, end]});
        if name == METADATA_KEY || header.insert(name.into(), tensor).is_some() {
            return Err(Error::DuplicateTensor { path: path.into(), tensor: name.into() });
        }
        start = end;
    }
    let mut json = serde_json::Value::Object(header).to_string();
    // The data starts at a multiple of 8, which lets readers use it in place.
    while !json.len().is_multiple_of(8) {
        json.push(' ');
    }
    Ok(json)
}

fn write_numbers(out: &mut dyn Write, numbers: &[f32], dtype: SaveDType) -> io::Result<()> {
    let mut bytes = Vec::new();
    for part in numbers.chunks(1 << 14) {
        bytes.clear();
        match dtype {
            SaveDType::F32 => bytes.extend(part.iter().flat_map(|x| x.to_le_bytes())),
            SaveDType::F16 => {
                bytes.extend(part.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()))
            }
            SaveDType::BF16 => {
                bytes.extend(part.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()))
            }
        }
        out.write_all(&bytes)?;
    }
    Ok(())
}
