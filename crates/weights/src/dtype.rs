//! The number formats found in weight files.

use std::fmt;

/// How the numbers of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the variants are the formats' own names
pub enum DType {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

impl DType {
    /// Numbers per block; 1 for the types that are not quantised.
    pub fn block_len(self) -> usize {
        self.layout().0
    }

    /// Bytes per block (per number for the types that are not quantised).
    pub fn block_bytes(self) -> usize {
        self.layout().1
    }

    /// Bytes of a row-major tensor of this `shape`; `None` if that overflows or the last dimension
    /// is not a whole number of blocks.
    pub fn byte_len(self, shape: &[usize]) -> Option<usize> {
        let (len, bytes) = self.layout();
        let numbers = element_count(shape)?;
        let row = shape.last().copied().unwrap_or(1);
        row.is_multiple_of(len).then_some(())?;
        (numbers / len).checked_mul(bytes)
    }

    fn layout(self) -> (usize, usize) {
        match self {
            DType::F64 | DType::I64 | DType::U64 => (1, 8),
            DType::F32 | DType::I32 | DType::U32 => (1, 4),
            DType::F16 | DType::BF16 | DType::I16 | DType::U16 => (1, 2),
            DType::I8 | DType::U8 | DType::Bool => (1, 1),
            DType::Q4_0 => (32, 18),
            DType::Q4_1 => (32, 20),
            DType::Q5_0 => (32, 22),
            DType::Q5_1 => (32, 24),
            DType::Q8_0 => (32, 34),
            DType::Q2K => (256, 84),
            DType::Q3K => (256, 110),
            DType::Q4K => (256, 144),
            DType::Q5K => (256, 176),
            DType::Q6K => (256, 210),
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DType::Q2K => f.write_str("Q2_K"),
            DType::Q3K => f.write_str("Q3_K"),
            DType::Q4K => f.write_str("Q4_K"),
            DType::Q5K => f.write_str("Q5_K"),
            DType::Q6K => f.write_str("Q6_K"),
            other => fmt::Debug::fmt(other, f),
        }
    }
}

/// The number of elements of `shape`, unless it overflows.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}
