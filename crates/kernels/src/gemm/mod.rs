//! Matrix products over strided views.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod pack;
mod portable;
pub(crate) mod tiles;
#[cfg(target_arch = "x86_64")]
mod transpose;
#[cfg(target_arch = "x86_64")]
mod vectors;

use std::{marker::PhantomData, ops::Range};

/// Multiplications below which threads do not pay.
const SMALL: usize = 1 << 20;

/// A matrix of `f32` in a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    /// Elements from one row to the next.
    row_stride: usize,
    /// Elements from one column to the next.
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// # Panics
    /// If the last element lies outside the slice.
    pub fn new(
        data: &'a [f32],
        [rows, columns]: [usize; 2],
        [row_stride, column_stride]: [usize; 2],
    ) -> Self {
        if rows > 0 && columns > 0 {
            let last = (rows - 1) * row_stride + (columns - 1) * column_stride;
            assert!(last < data.len(), "a matrix reaches outside its values");
        }
        Self { data, rows, columns, row_stride, column_stride }
    }

    /// Row after row.
    pub fn rows(data: &'a [f32], [rows, columns]: [usize; 2]) -> Self {
        Self::new(data, [rows, columns], [columns, 1])
    }

    /// Some of the rows.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn part(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows outside a matrix");
        let data = self.data.get(rows.start * self.row_stride..).unwrap_or_default();
        Self { data, rows: rows.len(), ..self }
    }

    /// The transpose.
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// How a product is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// Operands as they are.
    Single,
    /// Operands rounded to `bf16`; needs [`tiles::available`].
    Mixed,
}

impl Product {
    /// What [`crate::mixed_precision`] asks for here and now.
    pub fn here() -> Self {
        if crate::precision::mixed() { Self::Mixed } else { Self::Single }
    }
}

/// What happens to the sums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finish<'a> {
    /// Multiplies the product.
    pub scale: f32,
    /// Added to each row.
    pub bias: Option<&'a [f32]>,
    /// Added to what is there, instead of replacing it.
    pub accumulate: bool,
}

impl Default for Finish<'_> {
    fn default() -> Self {
        Self { scale: 1.0, bias: None, accumulate: false }
    }
}

/// Where a product goes: rows of `columns` values, `stride` elements apart.
pub(crate) struct Target<'a> {
    first: *mut f32,
    rows: usize,
    columns: usize,
    stride: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

impl<'a> Target<'a> {
    /// # Panics
    /// If the values are not `columns` for each row.
    pub fn rows(values: &'a mut [f32], columns: usize) -> Self {
        let rows = values.len().checked_div(columns).unwrap_or(0);
        assert_eq!(rows * columns, values.len(), "rows of the result are not whole");
        Self { first: values.as_mut_ptr(), rows, columns, stride: columns, borrowed: PhantomData }
    }

    /// Sets all values to zero.
    pub fn clear(self) {
        for row in 0..self.rows {
            let first = self.first.wrapping_add(row * self.stride);
            // SAFETY: the target holds `columns` values from here on.
            unsafe { std::slice::from_raw_parts_mut(first, self.columns) }.fill(0.0);
        }
    }
}

/// Rows of a result, the second number apart, which tasks write at disjoint places.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Rows(*mut f32, usize);
#[cfg(target_arch = "x86_64")]
// SAFETY: every task writes elements that no other touches.
unsafe impl Send for Rows {}
#[cfg(target_arch = "x86_64")]
// SAFETY: as above.
unsafe impl Sync for Rows {}

#[cfg(target_arch = "x86_64")]
impl Rows {
    fn at(self, row: usize, column: usize) -> *mut f32 {
        self.0.wrapping_add(row * self.1 + column)
    }
}

/// Values of which threads write different parts.
pub(crate) struct Shared<'a> {
    first: *mut f32,
    len: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: parts are only handed out by an unsafe function whose caller keeps them disjoint.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Shares the values out.
    pub fn new(values: &'a mut [f32]) -> Self {
        Self { first: values.as_mut_ptr(), len: values.len(), borrowed: PhantomData }
    }

    /// `rows` of `columns` values, `stride` apart, from element `start` on.
    ///
    /// # Safety
    /// While the part is used, no other that shares an element with it may be.
    ///
    /// # Panics
    /// If the part reaches outside.
    pub unsafe fn part(
        &self,
        start: usize,
        [rows, columns]: [usize; 2],
        stride: usize,
    ) -> Target<'_> {
        let end = start + rows.saturating_sub(1) * stride + columns;
        assert!(end <= self.len && columns <= stride, "a part reaches outside");
        let first = self.first.wrapping_add(start);
        Target { first, rows, columns, stride, borrowed: PhantomData }
    }
}

/// `C = scale · A B + bias`, on all threads when `parallel`.
///
/// # Panics
/// If the shapes do not fit.
pub(crate) fn multiply(
    product: Product,
    a: Matrix<'_>,
    b: Matrix<'_>,
    c: Target<'_>,
    finish: Finish<'_>,
    parallel: bool,
) {
    assert_eq!(a.columns, b.rows, "the inner dimensions differ");
    assert_eq!([a.rows, b.columns], [c.rows, c.columns], "the result has another shape");
    assert!(finish.bias.is_none_or(|bias| bias.len() == b.columns), "the bias has another width");
    if a.rows == 0 || b.columns == 0 {
        return;
    }
    match product {
        Product::Mixed if a.columns > 0 => tiles::multiply(a, b, c, finish, parallel),
        _ => portable::multiply(a, b, c, finish, parallel),
    }
}
