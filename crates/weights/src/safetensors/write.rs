//! Writing, atomically.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use half::{bf16, f16};
use serde_json::{Map, json};

use super::METADATA_KEY;
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
    D: AsRef<[f32]>,
{
    let mut tensors: Vec<_> = tensors.into_iter().collect();
    tensors.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
    let header = header(path, &tensors, dtype, metadata)?;
    let data = tensors.iter().map(|(_, _, data)| data.as_ref());
    write_atomically(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        data.clone().try_for_each(|numbers| write_numbers(out, numbers, dtype))
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
    D: AsRef<[f32]>,
{
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert(METADATA_KEY.into(), json!(metadata));
    }
    let mut start = 0;
    for (name, shape, data) in tensors {
        let (name, shape, data) = (name.as_ref(), shape.as_ref(), data.as_ref());
        let size = dtype.dtype().block_bytes();
        if element_count(shape) != Some(data.len()) {
            return Err(Error::Malformed {
                path: path.into(),
                what: format!("tensor {name:?} to be written"),
                expected: format!("the elements of shape {shape:?}"),
                found: format!("{} elements", data.len()),
            });
        }
        let end = start + data.len() * size;
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

fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".quintet-").suffix(".part");
    #[cfg(unix)]
    {
        // A temporary file is private by default; what it becomes should be readable as usual.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut out = BufWriter::new(builder.tempfile_in(dir)?);
    write(&mut out)?;
    let file = out.into_inner().map_err(|e| e.into_error())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    // The rename itself is durable only when the directory is flushed.
    #[cfg(unix)]
    std::fs::File::open(dir)?.sync_all()?;
    Ok(())
}
