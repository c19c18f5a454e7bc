//! Products in `f32`: few rows as they lie, more by [`vectors`](super::vectors) where they are faster, and
//! all others by the crate `gemm`.

use gemm::Parallelism;
use rayon::prelude::*;

use super::{Finish, Matrix, SMALL, Target};
use crate::lanes::{sum2, widest};

/// Rows of a left factor up to which packing does not pay.
const FEW: usize = 4;
/// Multiplications that a thread does at a time where packing does not pay.
const PIECE: usize = 1 << 16;

pub(super) fn multiply(
    a: Matrix<'_>,
    b: Matrix<'_>,
    c: Target<'_>,
    finish: Finish<'_>,
    parallel: bool,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    if m <= FEW && a.column_stride == 1 && k > 0 && (b.row_stride == 1 || b.column_stride == 1) {
        return few_rows(a, b, c, finish, parallel);
    }
    #[cfg(target_arch = "x86_64")]
    if super::vectors::suits(&a, &b) {
        return super::vectors::multiply(a, b, c, finish, parallel);
    }
    let parallel = parallel && m * n * k >= SMALL;
    // SAFETY: `Matrix` and `Target` hold only elements that lie inside their slices, and the target
    // is borrowed mutably.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.first,
            1,
            c.stride as isize,
            finish.accumulate,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            finish.scale,
            false,
            false,
            false,
            if parallel { Parallelism::Rayon(0) } else { Parallelism::None },
        );
    }
    if let Some(bias) = finish.bias {
        for row in 0..m {
            // SAFETY: row `row` of the target has `n` elements.
            let row =
                unsafe { std::slice::from_raw_parts_mut(c.first.wrapping_add(row * c.stride), n) };
            row.iter_mut().zip(bias).for_each(|(c, bias)| *c += bias);
        }
    }
}

/// The product of few rows, without packing: `b` is read as it lies, along its columns or its rows.
fn few_rows(a: Matrix<'_>, b: Matrix<'_>, c: Target<'_>, finish: Finish<'_>, parallel: bool) {
    let (n, k) = (b.columns, a.columns);
    for i in 0..a.rows {
        // SAFETY: row `i` of the target has `n` elements.
        let c = unsafe { std::slice::from_raw_parts_mut(c.first.wrapping_add(i * c.stride), n) };
        let a = &a.data[i * a.row_stride..][..k];
        let part = |first: usize, c: &mut [f32]| {
            match (finish.accumulate, finish.bias) {
                (false, None) => c.fill(0.0),
                (false, Some(bias)) => c.copy_from_slice(&bias[first..][..c.len()]),
                (true, None) => {}
                (true, Some(bias)) => c.iter_mut().zip(&bias[first..]).for_each(|(c, b)| *c += b),
            }
            if b.row_stride == 1 {
                along(a, &b.data[first * b.column_stride..], b.column_stride, finish.scale, c);
            } else {
                across(a, &b.data[first..], b.row_stride, finish.scale, c);
            }
        };
        let columns = (PIECE / k).max(1);
        if parallel && n > columns {
            c.par_chunks_mut(columns).enumerate().for_each(|(i, c)| part(i * columns, c));
        } else {
            part(0, c);
        }
    }
}

widest! {
    /// Adds to each of `c` the product of `a` and a contiguous column; columns are `stride` apart.
    fn along(a: &[f32], b: &[f32], stride: usize, scale: f32, c: &mut [f32]) {
        for (j, c) in c.iter_mut().enumerate() {
            *c += scale * sum2(a, &b[j * stride..][..a.len()], |a, b| a * b);
        }
    }
}

widest! {
    /// Adds to `c` each contiguous row, times its element of `a`; rows are `stride` apart.
    fn across(a: &[f32], b: &[f32], stride: usize, scale: f32, c: &mut [f32]) {
        for (i, a) in a.iter().enumerate() {
            let a = a * scale;
            let row = &b[i * stride..][..c.len()];
            c.iter_mut().zip(row).for_each(|(c, b)| *c += a * b);
        }
    }
}
