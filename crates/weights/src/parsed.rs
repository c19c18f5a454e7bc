//! What a format's reader hands to the front.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::path::Path;

use crate::{DType, Error, Result, Value};

/// Type and shape of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// How its numbers are stored.
    pub dtype: DType,
    /// Its dimensions, row-major: a linear layer's weight is `[out, in]` in every format.
    pub shape: Vec<usize>,
}

/// A tensor found in a file: `len` bytes from `start`, already checked to lie in the file.
#[derive(Debug)]
pub(crate) struct Entry {
    pub info: TensorInfo,
    pub start: usize,
    pub len: usize,
    /// Element steps per dimension, if the elements are not in row-major order.
    pub strides: Option<Vec<usize>>,
}

/// The contents of one file.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub tensors: BTreeMap<String, Entry>,
    pub metadata: BTreeMap<String, Value>,
}

impl Parsed {
    pub(crate) fn insert(&mut self, path: &Path, name: String, entry: Entry) -> Result<()> {
        match self.tensors.entry(name) {
            Slot::Vacant(slot) => {
                slot.insert(entry);
                Ok(())
            }
            Slot::Occupied(slot) => {
                Err(Error::DuplicateTensor { path: path.into(), tensor: slot.key().clone() })
            }
        }
    }

    /// The tensors by position in the file, each as `(start, end, name)`.
    pub(crate) fn in_file_order(&self) -> Vec<(usize, usize, &str)> {
        let mut spans: Vec<_> =
            self.tensors.iter().map(|(n, e)| (e.start, e.start + e.len, n.as_str())).collect();
        spans.sort_unstable();
        spans
    }
}
