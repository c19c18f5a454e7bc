//! Products of few rows with a transposed matrix, as linear maps are, in `f32` by AVX-512.
//!
//! The result is computed in blocks of 8 rows by 48 columns, whose sums stay in registers (Goto and van
//! de Geijn, 2008, *Anatomy of High-Performance Matrix Multiplication*). The right factor is turned by
//! whole registers, into room that stays in the second-level cache; the left one is read as it lies. Each
//! task packs for itself, so that none waits for another.

use std::{arch::x86_64::*, cell::Cell, ops::Range, sync::LazyLock};

use rayon::prelude::*;

use super::{Finish, Matrix, Rows, SMALL, Target, transpose::transpose};

/// Numbers of a vector.
const LINE: usize = 16;
/// Rows of a block.
const ROWS: usize = 8;
/// Vectors in a row of a block.
const LINES: usize = 3;
/// Columns of a block.
const COLUMNS: usize = LINES * LINE;
/// Inner elements that are packed at a time,
const INNER: usize = 384;
/// for so many columns.
const PACKED: usize = 8 * COLUMNS;
/// Tasks for each thread: more even out threads that are interrupted.
const TASKS: usize = 2;
/// Columns or rows that a task has at least.
const LEAST: usize = 2 * COLUMNS;
/// Rows up to which packing is a good part of the work; with more, the crate `gemm` is as fast.
const FEW: usize = 2048;

/// Whether this is the faster way, and possible.
pub(super) fn suits(a: &Matrix<'_>, b: &Matrix<'_>) -> bool {
    static AVAILABLE: LazyLock<bool> = LazyLock::new(|| is_x86_feature_detected!("avx512f"));
    a.rows <= FEW && a.columns > 0 && a.column_stride == 1 && b.row_stride == 1 && *AVAILABLE
}

/// 64 bytes as the cache holds them.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

thread_local! {
    static ROOM: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

pub(super) fn multiply(
    a: Matrix<'_>,
    b: Matrix<'_>,
    c: Target<'_>,
    finish: Finish<'_>,
    parallel: bool,
) {
    assert!(suits(&a, &b), "callers ask whether this way is possible");
    let (m, n) = (a.rows, b.columns);
    let out = Rows(c.first, c.stride);
    let task = |rows: Range<usize>, columns: Range<usize>| {
        // SAFETY: the vectors are there; the factors and the result have these rows and columns, and no
        // other task writes them.
        unsafe { part(&a, &b, out, rows, columns, finish) };
    };
    if !parallel || m * n * a.columns < SMALL {
        return task(0..m, 0..n);
    }
    // Tasks beside each other pack nothing twice, those below each other do.
    let tasks = TASKS * rayon::current_num_threads();
    let across = (n / LEAST).clamp(1, tasks);
    let down = tasks.div_ceil(across).min(m / LEAST).max(1);
    let columns = n.div_ceil(across).next_multiple_of(COLUMNS);
    let rows = m.div_ceil(down).next_multiple_of(ROWS);
    let (across, down) = (n.div_ceil(columns), m.div_ceil(rows));
    (0..across * down).into_par_iter().for_each(|i| {
        let (row, column) = (i / across * rows, i % across * columns);
        task(row..(row + rows).min(m), column..(column + columns).min(n));
    });
}

/// A part of the result.
///
/// # Safety
/// The processor must have AVX-512 F; `a` has the rows, `b` the columns and `out` both; what `out` has of
/// them is written by no one else meanwhile.
#[target_feature(enable = "avx512f")]
unsafe fn part(
    a: &Matrix<'_>,
    b: &Matrix<'_>,
    out: Rows,
    rows: Range<usize>,
    columns: Range<usize>,
    finish: Finish<'_>,
) {
    let room = INNER.min(a.columns) * PACKED.min(columns.len().next_multiple_of(LINE));
    let mut lines = ROOM.take();
    if lines.len() < room.div_ceil(LINE) {
        lines.resize(room.div_ceil(LINE), Line([0.0; LINE]));
    }
    for first in columns.clone().step_by(PACKED) {
        let columns = first..(first + PACKED).min(columns.end);
        for start in (0..a.columns).step_by(INNER) {
            let inner = start..(start + INNER).min(a.columns);
            let finish = Finish {
                bias: finish.bias.filter(|_| inner.end == a.columns),
                accumulate: finish.accumulate || start > 0,
                ..finish
            };
            pack(b, &inner, &columns, &mut lines);
            for row in rows.clone().step_by(ROWS) {
                let height = (rows.end - row).min(ROWS);
                for column in columns.clone().step_by(COLUMNS) {
                    let block = Block {
                        a: a.data[row * a.row_stride + start..].as_ptr(),
                        stride: a.row_stride,
                        b: &lines[(column - columns.start) / LINE * inner.len()..],
                        inner: inner.len(),
                        c: Rows(out.at(row, column), out.1),
                        width: (columns.end - column).min(COLUMNS),
                        finish: Finish { bias: finish.bias.map(|bias| &bias[column..]), ..finish },
                    };
                    // SAFETY: as the caller's.
                    unsafe { block.of_rows(height) };
                }
            }
        }
    }
    ROOM.set(lines);
}

/// Packs columns in groups of [`COLUMNS`], the last of which may have fewer lines: for each inner element
/// its numbers in all columns of the group.
#[target_feature(enable = "avx512f")]
fn pack(b: &Matrix<'_>, inner: &Range<usize>, columns: &Range<usize>, into: &mut [Line]) {
    for group in columns.clone().step_by(COLUMNS) {
        let into = &mut into[(group - columns.start) / LINE * inner.len()..];
        let lines = (columns.end - group).div_ceil(LINE).min(LINES);
        for line in 0..lines {
            let first = group + line * LINE;
            let columns = first..(first + LINE).min(columns.end);
            turn(b, inner, &columns, into.iter_mut().skip(line).step_by(lines));
        }
    }
}

/// Up to 16 columns, each of which lies in one piece, as a line for each inner element; columns that there
/// are not are zero.
#[target_feature(enable = "avx512f")]
fn turn<'a>(
    b: &Matrix<'_>,
    inner: &Range<usize>,
    columns: &Range<usize>,
    mut into: impl Iterator<Item = &'a mut Line>,
) {
    for start in inner.clone().step_by(LINE) {
        let depth = (inner.end - start).min(LINE);
        let mut square = [_mm512_setzero_si512(); LINE];
        for (column, line) in columns.clone().zip(&mut square) {
            // Those that come next, as the processor only fetches ahead along a column.
            let next = (column + LINE) * b.column_stride + start;
            _mm_prefetch::<_MM_HINT_T0>(b.data.as_ptr().wrapping_add(next).cast());
            let numbers = &b.data[column * b.column_stride + start..][..depth];
            // SAFETY: a masked load touches only the numbers that there are.
            let numbers = unsafe { _mm512_maskz_loadu_ps(mask(depth), numbers.as_ptr()) };
            *line = _mm512_castps_si512(numbers);
        }
        for (numbers, line) in transpose(square).into_iter().take(depth).zip(&mut into) {
            // SAFETY: a line has room for a vector, and is aligned like one.
            unsafe { _mm512_store_ps(line.0.as_mut_ptr(), _mm512_castsi512_ps(numbers)) };
        }
    }
}

/// A block of the result, from rows of a left factor that are `stride` apart and packed columns.
struct Block<'a> {
    a: *const f32,
    stride: usize,
    b: &'a [Line],
    inner: usize,
    c: Rows,
    width: usize,
    finish: Finish<'a>,
}

impl Block<'_> {
    /// # Safety
    /// As [`part`].
    #[target_feature(enable = "avx512f")]
    unsafe fn of_rows(&self, rows: usize) {
        // SAFETY: as the caller's.
        unsafe {
            match rows {
                1 => self.of_lines::<1>(),
                2 => self.of_lines::<2>(),
                3 => self.of_lines::<3>(),
                4 => self.of_lines::<4>(),
                5 => self.of_lines::<5>(),
                6 => self.of_lines::<6>(),
                7 => self.of_lines::<7>(),
                _ => self.of_lines::<ROWS>(),
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn of_lines<const R: usize>(&self) {
        // SAFETY: as the caller's.
        unsafe {
            match self.width.div_ceil(LINE) {
                1 => self.compute::<R, 1>(),
                2 => self.compute::<R, 2>(),
                _ => self.compute::<R, LINES>(),
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn compute<const R: usize, const L: usize>(&self) {
        let rows: [*const f32; R] = std::array::from_fn(|i| self.a.wrapping_add(i * self.stride));
        let mut sums = [[_mm512_setzero_ps(); L]; R];
        for row in 0..R {
            for line in 0..L {
                _mm_prefetch::<_MM_HINT_T0>(self.c.at(row, line * LINE).cast());
            }
        }
        for (p, lines) in self.b.as_chunks::<L>().0.iter().take(self.inner).enumerate() {
            // SAFETY: a line is a vector, aligned like one.
            let lines = lines.each_ref().map(|line| unsafe { _mm512_load_ps(line.0.as_ptr()) });
            for (row, sums) in rows.iter().zip(&mut sums) {
                // SAFETY: rows of the left factor have so many inner elements.
                let a = _mm512_set1_ps(unsafe { *row.add(p) });
                for (line, sum) in lines.iter().zip(sums) {
                    *sum = _mm512_fmadd_ps(a, *line, *sum);
                }
            }
        }
        let scale = _mm512_set1_ps(self.finish.scale);
        for line in 0..L {
            let first = line * LINE;
            let mask = mask(self.width - first);
            let bias = match self.finish.bias {
                // SAFETY: masked loads and stores touch only what there is, here and below.
                Some(bias) => unsafe { _mm512_maskz_loadu_ps(mask, bias[first..].as_ptr()) },
                None => _mm512_setzero_ps(),
            };
            for (row, sums) in sums.iter().enumerate() {
                let at = self.c.at(row, first);
                // SAFETY: the block lies in the result.
                unsafe {
                    let there = match self.finish.accumulate {
                        true => _mm512_maskz_loadu_ps(mask, at),
                        false => _mm512_setzero_ps(),
                    };
                    let value = _mm512_fmadd_ps(sums[line], scale, _mm512_add_ps(bias, there));
                    _mm512_mask_storeu_ps(at, mask, value);
                }
            }
        }
    }
}

fn mask(count: usize) -> __mmask16 {
    if count >= LINE { !0 } else { (1 << count) - 1 }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn products_are_sums_of_products() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let shapes = [
            [1, 1, 1],
            [5, 15, 17],
            [8, 48, 384],
            [7, 50, 385],
            [19, 33, 800],
            [23, 95, 31],
            [130, 401, 70],
            [200, 1000, 130],
        ];
        for [m, n, k] in shapes {
            let (a_stride, b_stride, c_stride) = (k + 3, k + 1, n + 2);
            let mut numbers =
                |n: usize| -> Vec<f32> { (0..n).map(|_| random.random_range(-1.0..1.0)).collect() };
            let (a, b, bias) = (numbers(m * a_stride), numbers(n * b_stride), numbers(n));
            let before = numbers(m * c_stride);
            let left = Matrix::new(&a, [m, k], [a_stride, 1]);
            let right = Matrix::new(&b, [k, n], [1, b_stride]);
            if !suits(&left, &right) {
                return;
            }
            for (scale, with_bias, accumulate) in [(1.0, false, false), (0.5, true, true)] {
                let bias = with_bias.then_some(&bias[..]);
                let mut c = before.clone();
                let shared = crate::gemm::Shared::new(&mut c);
                // SAFETY: nothing else uses the values.
                let target = unsafe { shared.part(0, [m, n], c_stride) };
                multiply(left, right, target, Finish { scale, bias, accumulate }, true);
                for (i, (found, before)) in c.iter().zip(&before).enumerate() {
                    let (row, column) = (i / c_stride, i % c_stride);
                    let expected = if column < n {
                        let a = &a[row * a_stride..][..k];
                        let sum: f32 =
                            a.iter().zip(&b[column * b_stride..]).map(|(a, b)| a * b).sum();
                        let there = if accumulate { *before } else { 0.0 };
                        scale * sum + bias.map_or(0.0, |bias| bias[column]) + there
                    } else {
                        *before
                    };
                    assert!((found - expected).abs() < 1e-4, "{m} {n} {k}: {found} {expected}");
                }
            }
        }
    }
}
