//! Tensors as they lie in a file.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::bytes::Bytes;
use crate::{DType, TensorInfo, convert};

/// A tensor's bytes: little-endian, row-major, still quantised. Clones share them.
#[derive(Clone)]
pub struct Raw {
    dtype: DType,
    shape: Vec<usize>,
    bytes: Arc<Bytes>,
    range: Range<usize>,
}

impl Raw {
    /// A tensor of these bytes; `None` if the shape asks for more or fewer.
    pub fn new(dtype: DType, shape: Vec<usize>, bytes: Vec<u8>) -> Option<Self> {
        let range = 0..dtype.byte_len(&shape)?;
        let whole = range.end == bytes.len();
        whole.then(|| Self { dtype, shape, bytes: Arc::new(Bytes::Owned(bytes)), range })
    }

    /// Part of a file that was checked to hold it.
    pub(crate) fn part(bytes: Arc<Bytes>, info: &TensorInfo, range: Range<usize>) -> Self {
        Self { dtype: info.dtype, shape: info.shape.clone(), bytes, range }
    }

    /// How the numbers are stored.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Whether the bytes lie in a mapped file, and so take memory of their own only while they are read.
    pub fn is_mapped(&self) -> bool {
        matches!(*self.bytes, Bytes::Mapped(_))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or_default()
    }

    /// The numbers.
    pub fn to_f32(&self) -> Vec<f32> {
        convert::to_f32(self.dtype, self.bytes())
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} {:?})", self.dtype, self.shape)
    }
}
