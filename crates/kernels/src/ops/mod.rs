//! The operations.

pub(crate) mod attention;
pub(crate) mod cross_entropy;
pub(crate) mod elementwise;
pub(crate) mod embedding;
mod heads;
pub(crate) mod linear;
pub(crate) mod norm;
pub(crate) mod residual;
pub(crate) mod rope;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use rayon::prelude::*;

/// Values that a thread works on at a time. A constant, so that sums over pieces are the same
/// whatever the number of threads.
const PIECE: usize = 1 << 14;

/// Calls `f` with `len` values that this thread keeps for later calls; what they hold is left over from
/// an earlier one. Calls may nest.
pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
    }
    let mut scratch = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if scratch.len() < len {
        scratch.resize(len, 0.0);
    }
    let result = f(&mut scratch[..len]);
    FREE.with_borrow_mut(|free| free.push(scratch));
    result
}

/// Rows of a piece.
pub(crate) fn rows_per_piece(width: usize) -> usize {
    (PIECE / width.max(1)).max(1)
}

/// The sums over rows of `width` values.
fn sum_of_rows(values: &[f32], width: usize) -> Vec<f32> {
    let partial: Vec<Vec<f32>> = values
        .par_chunks(rows_per_piece(width) * width)
        .map(|rows| {
            let mut sums = vec![0f32; width];
            for row in rows.chunks_exact(width) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
            sums
        })
        .collect();
    sum_all(partial, width)
}

/// The sum of vectors, in their order.
fn sum_all(partial: Vec<Vec<f32>>, width: usize) -> Vec<f32> {
    let mut sums = vec![0f32; width];
    for part in partial {
        sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    sums
}
