//! Products in `f32`, by the crate `gemm`.

use gemm::Parallelism;

use super::{Finish, Matrix, SMALL, Target};

pub(super) fn multiply(
    a: Matrix<'_>,
    b: Matrix<'_>,
    c: Target<'_>,
    finish: Finish<'_>,
    parallel: bool,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
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
            if parallel && m * n * k >= SMALL { Parallelism::Rayon(0) } else { Parallelism::None },
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
