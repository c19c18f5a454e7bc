//! From unpickled objects to named tensors and metadata.

use std::ops::Range;
use std::path::Path;

use super::pickle::{Id, Object, Objects, View};
use crate::dtype::element_count;
use crate::parsed::{Entry, Parsed};
use crate::{Error, Result, TensorInfo, Value};

/// Deeper than any checkpoint nests its dictionaries.
const MAX_DEPTH: usize = 32;
/// Longest name, dots included.
const MAX_NAME: usize = 512;
/// Most numbers and texts kept as metadata.
const MAX_METADATA: usize = 1 << 16;

/// Names everything below the root. `storage` gives the byte range of a storage by its key.
pub(super) fn collect(
    path: &Path,
    objects: &Objects<'_>,
    storage: impl Fn(&str) -> Option<Range<usize>>,
) -> Result<Parsed> {
    let mut walk = Walk {
        path,
        objects,
        storage,
        parsed: Parsed::default(),
        name: String::new(),
        // Sharing can make a small pickle unfold without end; a checkpoint visits an object once.
        visits_left: 2 * objects.len(),
    };
    walk.visit(objects.root, 0)?;
    Ok(walk.parsed)
}

struct Walk<'w, 'a, S> {
    path: &'w Path,
    objects: &'w Objects<'a>,
    storage: S,
    parsed: Parsed,
    name: String,
    visits_left: usize,
}

impl<S: Fn(&str) -> Option<Range<usize>>> Walk<'_, '_, S> {
    fn visit(&mut self, id: Id, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(self.limit("depth of nesting in the pickle", MAX_DEPTH));
        }
        self.visits_left = self
            .visits_left
            .checked_sub(1)
            .ok_or_else(|| self.limit("unfolded size of the pickle", 2 * self.objects.len()))?;
        match self.objects.get(id) {
            Object::Dict(items) => {
                for &(key, value) in items {
                    match self.objects.get(key) {
                        Object::Text(key) => self.below(key, value, depth)?,
                        Object::Int(key) => self.below(&key.to_string(), value, depth)?,
                        _ => return Err(self.unnamed()),
                    }
                }
            }
            Object::List(items) | Object::Tuple(items) => {
                for (i, &item) in items.iter().enumerate() {
                    // A long list of numbers is a log or an index, not metadata.
                    if !matches!(
                        self.objects.get(item),
                        Object::Int(_) | Object::Float(_) | Object::Text(_) | Object::Bool(_)
                    ) {
                        self.below(&i.to_string(), item, depth)?;
                    }
                }
            }
            Object::Tensor(view) => {
                let entry = self.entry(view)?;
                self.parsed.insert(self.path, self.name.clone(), entry)?;
            }
            Object::Bool(b) => self.record(Value::Bool(*b))?,
            Object::Int(n) => self.record(Value::Signed(*n))?,
            Object::Float(x) => self.record(Value::Float(*x))?,
            Object::Text(text) => self.record(Value::String((*text).into()))?,
            Object::None | Object::Opaque | Object::Global(_) | Object::Storage(_) => {}
        }
        Ok(())
    }

    /// Visits `id` under the current name extended by `key`.
    fn below(&mut self, key: &str, id: Id, depth: usize) -> Result<()> {
        let length = self.name.len();
        if length + key.len() >= MAX_NAME {
            return Err(self.limit("length of a name in the pickle", MAX_NAME));
        }
        if depth > 0 {
            self.name.push('.');
        }
        self.name.push_str(key);
        self.visit(id, depth + 1)?;
        self.name.truncate(length);
        Ok(())
    }

    fn record(&mut self, value: Value) -> Result<()> {
        if self.parsed.metadata.len() >= MAX_METADATA {
            return Err(self.limit("number of values in the pickle", MAX_METADATA));
        }
        self.parsed.metadata.insert(self.name.clone(), value);
        Ok(())
    }

    /// Checks a view against its storage, and the storage against the file.
    fn entry(&self, view: &View<'_>) -> Result<Entry> {
        let (path, tensor) = (|| self.path.into(), || self.name.clone());
        let View { storage, offset, .. } = view;
        let dtype = storage.dtype.map_err(|dtype| Error::UnsupportedDType {
            path: path(),
            tensor: tensor(),
            dtype: dtype.into(),
        })?;
        let Some(range) = (self.storage)(storage.key) else {
            return Err(Error::Malformed {
                path: path(),
                what: format!("tensor {:?}", self.name),
                expected: format!("its storage, data/{}", storage.key),
                found: "no such entry in the zip file".into(),
            });
        };
        let size = dtype.block_bytes();
        if storage.len.checked_mul(size as u64).is_none_or(|len| len > range.len() as u64) {
            return Err(Error::SizeMismatch {
                path: path(),
                tensor: tensor(),
                expected: storage.len.saturating_mul(size as u64),
                found: range.len() as u64,
            });
        }

        let span = span(&view.shape, &view.strides);
        let end = span.and_then(|span| span.checked_add(*offset)).unwrap_or(u64::MAX);
        if end > storage.len {
            return Err(Error::OutOfBounds {
                path: path(),
                tensor: tensor(),
                end,
                available: storage.len,
            });
        }
        let shape = narrow(&view.shape);
        // A view may repeat elements (stride 0), so its span does not bound its size.
        let Some(count) = element_count(&shape).filter(|&n| n as u64 <= storage.len) else {
            return Err(Error::SizeMismatch {
                path: path(),
                tensor: tensor(),
                expected: (element_count(&shape).unwrap_or(usize::MAX) as u64)
                    .saturating_mul(size as u64),
                found: range.len() as u64,
            });
        };
        // All below are at most the length of the storage, which was found in the file.
        let strides =
            (count > 0 && !row_major(&view.shape, &view.strides)).then(|| narrow(&view.strides));
        let elements = if strides.is_some() { (end - offset) as usize } else { count };
        Ok(Entry {
            info: TensorInfo { dtype, shape },
            start: range.start + (if count > 0 { *offset as usize } else { 0 }) * size,
            len: elements * size,
            strides,
        })
    }

    fn unnamed(&self) -> Error {
        Error::Malformed {
            path: self.path.into(),
            what: format!("pickle, dictionary {:?}", self.name),
            expected: "keys that are texts or integers".into(),
            found: "another kind of key".into(),
        }
    }

    fn limit(&self, what: &str, limit: usize) -> Error {
        let found = limit as u64 + 1;
        Error::Limit { path: self.path.into(), what: what.into(), found, limit: limit as u64 }
    }
}

/// Elements from the first of a view to its last, both included; 0 for an empty view.
fn span(shape: &[u64], strides: &[u64]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    let steps = shape.iter().zip(strides).map(|(&dim, &stride)| (dim - 1).checked_mul(stride));
    steps.into_iter().try_fold(1u64, |total, step| total.checked_add(step?))
}

/// Whether elements follow each other in row-major order. The stride of a dimension of length 1
/// says nothing.
fn row_major(shape: &[u64], strides: &[u64]) -> bool {
    let mut expected = 1u64;
    shape.iter().zip(strides).rev().all(|(&dim, &stride)| {
        let fits = dim == 1 || stride == expected;
        expected = expected.saturating_mul(dim);
        fits
    })
}

/// To `usize`; a number that does not fit becomes the largest, which fails every later check.
fn narrow(numbers: &[u64]) -> Vec<usize> {
    numbers.iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect()
}
