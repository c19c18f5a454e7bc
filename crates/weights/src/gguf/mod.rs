//! GGUF, versions 2 and 3, little-endian. Source: ggml `docs/gguf.md`.

pub(crate) mod quant;
pub(crate) mod tokenizer;

use std::fmt::Display;
use std::path::Path;

use crate::cursor::Cursor;
use crate::parsed::{Entry, Parsed};
use crate::{DType, Error, Result, TensorInfo, Value};

/// `GGML_MAX_DIMS`
const MAX_DIMS: u32 = 4;
/// Longest name of a tensor or a key; the format's own limit is 65535.
const MAX_NAME: u64 = 65535;
/// Longest text value.
const MAX_TEXT: u64 = 16 << 20;
/// Most array elements in all metadata: above every vocabulary with its merges.
const MAX_ELEMENTS: u64 = 1 << 24;
/// Deepest nesting of arrays.
const MAX_DEPTH: u32 = 4;
const DEFAULT_ALIGNMENT: u64 = 32;
const MAX_ALIGNMENT: u64 = 1 << 20;

/// A key of no text, a type and a one-byte value.
const MIN_PAIR_BYTES: u64 = 8 + 4 + 1;
/// A name of no text, no dimensions, a type and an offset.
const MIN_TENSOR_BYTES: u64 = 8 + 4 + 4 + 8;

pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Parsed> {
    let mut reader = Reader { path, input: Cursor::new(path, bytes), elements_left: MAX_ELEMENTS };
    reader.read(bytes.len() as u64)
}

struct Reader<'a> {
    path: &'a Path,
    input: Cursor<'a>,
    elements_left: u64,
}

impl Reader<'_> {
    fn read(&mut self, file_len: u64) -> Result<Parsed> {
        if self.input.array("magic")? != *b"GGUF" {
            return Err(self.malformed("magic", "GGUF", "other bytes"));
        }
        let version = self.input.u32("version")?;
        if !(2..=3).contains(&version) {
            let big_endian = (1..=3).contains(&version.swap_bytes());
            let found = if big_endian { "a big-endian file".into() } else { version.to_string() };
            return Err(self.malformed("GGUF version", "2 or 3, little-endian", found));
        }
        let tensor_count = self.input.u64("tensor count")?;
        let pair_count = self.input.u64("metadata count")?;
        self.fits("tensor count", tensor_count, MIN_TENSOR_BYTES)?;
        self.fits("metadata count", pair_count, MIN_PAIR_BYTES)?;

        let mut parsed = Parsed::default();
        for _ in 0..pair_count {
            let key = self.name("metadata key")?;
            let what = format!("metadata {key:?}");
            let kind = self.input.u32(&what)?;
            let value = self.value(kind, &what, 0)?;
            if parsed.metadata.insert(key, value).is_some() {
                return Err(self.malformed(what, "one value", "two"));
            }
        }

        // Offsets count from the end of the header, which is known only after all of them.
        let headers = (0..tensor_count).map(|_| self.tensor()).collect::<Result<Vec<_>>>()?;
        let alignment = self.alignment(&parsed)?;
        let data_start = (self.input.at() as u64).next_multiple_of(alignment);
        for (name, info, offset) in headers {
            let entry = self.entry(&name, info, offset, (data_start, alignment, file_len))?;
            parsed.insert(self.path, name, entry)?;
        }
        for pair in parsed.in_file_order().windows(2) {
            if let &[(_, end, first), (start, _, second)] = pair
                && start < end
            {
                let (first, second) = (first.into(), second.into());
                return Err(Error::Overlap { path: self.path.into(), first, second });
            }
        }
        Ok(parsed)
    }

    /// Name, type and row-major shape, and offset of the next tensor.
    fn tensor(&mut self) -> Result<(String, TensorInfo, u64)> {
        let name = self.name("tensor name")?;
        let what = format!("header of tensor {name:?}");
        let dims = self.input.u32(&what)?;
        if dims > MAX_DIMS {
            let what = format!("number of dimensions of tensor {name:?}");
            return Err(self.limit(what, dims.into(), MAX_DIMS.into()));
        }
        let mut shape = Vec::new();
        for _ in 0..dims {
            let dim = self.input.u64(&what)?;
            let limit = usize::MAX as u64;
            let dim = usize::try_from(dim).map_err(|_| self.limit(&what, dim, limit))?;
            shape.push(dim);
        }
        // ggml counts dimensions from the fastest-varying one.
        shape.reverse();
        let id = self.input.u32(&what)?;
        let dtype = dtype(id).ok_or_else(|| Error::UnsupportedDType {
            path: self.path.into(),
            tensor: name.clone(),
            dtype: format!("ggml type {id}"),
        })?;
        let offset = self.input.u64(&what)?;
        Ok((name, TensorInfo { dtype, shape }, offset))
    }

    fn entry(
        &self,
        name: &str,
        info: TensorInfo,
        offset: u64,
        (data_start, alignment, file_len): (u64, u64, u64),
    ) -> Result<Entry> {
        if !offset.is_multiple_of(alignment) {
            let what = format!("offset of tensor {name:?}");
            return Err(self.malformed(what, format!("a multiple of {alignment}"), offset));
        }
        let Some(len) = info.dtype.byte_len(&info.shape) else {
            let TensorInfo { dtype, shape } = info;
            return Err(Error::BadShape {
                path: self.path.into(),
                tensor: name.into(),
                shape,
                dtype,
            });
        };
        let start = data_start.checked_add(offset);
        let end = start.and_then(|start| start.checked_add(len as u64));
        match (start, end) {
            (Some(start), Some(end)) if end <= file_len => {
                Ok(Entry { info, start: start as usize, len, strides: None })
            }
            _ => Err(Error::OutOfBounds {
                path: self.path.into(),
                tensor: name.into(),
                end: end.unwrap_or(u64::MAX),
                available: file_len,
            }),
        }
    }

    fn value(&mut self, kind: u32, what: &str, depth: u32) -> Result<Value> {
        Ok(match kind {
            0 => Value::Unsigned(self.input.u8(what)?.into()),
            1 => Value::Signed(i8::from_le_bytes(self.input.array(what)?).into()),
            2 => Value::Unsigned(self.input.u16(what)?.into()),
            3 => Value::Signed(i16::from_le_bytes(self.input.array(what)?).into()),
            4 => Value::Unsigned(self.input.u32(what)?.into()),
            5 => Value::Signed(i32::from_le_bytes(self.input.array(what)?).into()),
            6 => Value::Float(f32::from_le_bytes(self.input.array(what)?).into()),
            7 => match self.input.u8(what)? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                other => return Err(self.malformed(what, "a bool, 0 or 1", other)),
            },
            8 => {
                let len = self.input.u64(what)?;
                Value::String(self.input.text(len, MAX_TEXT, what)?.into())
            }
            9 => Value::Array(self.array(what, depth)?),
            10 => Value::Unsigned(self.input.u64(what)?),
            11 => Value::Signed(i64::from_le_bytes(self.input.array(what)?)),
            12 => Value::Float(f64::from_le_bytes(self.input.array(what)?)),
            other => return Err(self.malformed(what, "a value type from 0 to 12", other)),
        })
    }

    fn array(&mut self, what: &str, depth: u32) -> Result<Vec<Value>> {
        if depth >= MAX_DEPTH {
            let what = format!("depth of arrays in {what}");
            return Err(self.limit(what, u64::from(depth) + 1, MAX_DEPTH.into()));
        }
        let kind = self.input.u32(what)?;
        let len = self.input.u64(what)?;
        let length = || format!("length of the array in {what}");
        let smallest = match kind {
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => 12,
            _ => 1,
        };
        self.fits(length(), len, smallest)?;
        self.elements_left = self
            .elements_left
            .checked_sub(len)
            .ok_or_else(|| self.limit(length(), len, self.elements_left))?;
        (0..len).map(|_| self.value(kind, what, depth + 1)).collect()
    }

    fn alignment(&self, parsed: &Parsed) -> Result<u64> {
        const KEY: &str = "general.alignment";
        let Some(value) = parsed.metadata.get(KEY) else { return Ok(DEFAULT_ALIGNMENT) };
        match value.as_u64() {
            Some(n) if n.is_power_of_two() && n <= MAX_ALIGNMENT => Ok(n),
            _ => Err(self.malformed(KEY, "a power of two up to 2^20", format!("{value:?}"))),
        }
    }

    fn name(&mut self, what: &str) -> Result<String> {
        let len = self.input.u64(what)?;
        Ok(self.input.text(len, MAX_NAME, what)?.into())
    }

    /// Checks that `count` items of at least `smallest` bytes can follow.
    fn fits(&self, what: impl Display, count: u64, smallest: u64) -> Result<()> {
        let limit = self.input.left() as u64 / smallest;
        if count > limit { Err(self.limit(what, count, limit)) } else { Ok(()) }
    }

    fn limit(&self, what: impl Display, found: u64, limit: u64) -> Error {
        Error::Limit { path: self.path.into(), what: what.to_string(), found, limit }
    }

    fn malformed(&self, what: impl Display, expected: impl Display, found: impl Display) -> Error {
        Error::Malformed {
            path: self.path.into(),
            what: what.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

/// `enum ggml_type`
fn dtype(id: u32) -> Option<DType> {
    Some(match id {
        0 => DType::F32,
        1 => DType::F16,
        2 => DType::Q4_0,
        3 => DType::Q4_1,
        6 => DType::Q5_0,
        7 => DType::Q5_1,
        8 => DType::Q8_0,
        10 => DType::Q2K,
        11 => DType::Q3K,
        12 => DType::Q4K,
        13 => DType::Q5K,
        14 => DType::Q6K,
        24 => DType::I8,
        25 => DType::I16,
        26 => DType::I32,
        27 => DType::I64,
        28 => DType::F64,
        30 => DType::BF16,
        _ => return None,
    })
}
