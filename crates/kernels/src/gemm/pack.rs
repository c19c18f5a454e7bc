//! Rounding matrices to `bf16` and laying them out as the tile unit reads them.
//!
//! A tile is 16 rows of 64 bytes. Of the left factor it holds 16 rows by 32 columns; of the right
//! factor 16 *pairs* of rows by 16 columns, the two values of a pair beside each other (Intel 64
//! and IA-32 Architectures Software Developer's Manual, `TDPBF16PS`). With a pair as the unit,
//! both are 16 × 16 words, and one is the transpose of the other.

use std::{arch::x86_64::*, ops::Range};

use super::{Matrix, transpose::transpose};

/// 16 rows of 16 pairs of `bf16`.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Tile([u32; 256]);

impl Tile {
    pub const ZERO: Self = Self([0; 256]);

    #[target_feature(enable = "avx512f")]
    fn set(&mut self, row: usize, words: __m512i) {
        let row = &mut self.0.as_chunks_mut::<16>().0[row];
        // SAFETY: the row is 64 bytes long.
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), words) };
    }

    #[target_feature(enable = "avx512f")]
    fn fill(&mut self, rows: [__m512i; 16]) {
        for (i, row) in rows.into_iter().enumerate() {
            self.set(i, row);
        }
    }
}

/// Rows or columns of a matrix that one tile holds.
pub(super) const SIDE: usize = 16;
/// Elements of the inner dimension that one tile holds.
pub(super) const DEPTH: usize = 32;

/// Packs rows of a left factor from `first` on, columns `inner`, 16 rows at a time into
/// `inner.len() / 32` tiles, rounded up; what lies outside the matrix is zero.
///
/// # Safety
/// The processor must have AVX-512 F, BW and BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn left(a: &Matrix<'_>, first: usize, inner: Range<usize>, tiles: &mut [Tile]) {
    // SAFETY: as the caller's.
    unsafe { panels(a, first, inner, tiles, false) }
}

/// Packs columns of a right factor from `first` on, rows `inner`, 16 columns at a time.
///
/// # Safety
/// As [`left`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn right(b: &Matrix<'_>, first: usize, inner: Range<usize>, tiles: &mut [Tile]) {
    // SAFETY: as the caller's.
    unsafe { panels(&b.transposed(), first, inner, tiles, true) }
}

/// `a` has the outer dimension for rows. `pairs_first` asks for tiles whose rows are pairs.
///
/// Memory is read in the order in which it lies, as far as that goes: the values come from far
/// away, and the processor only fetches ahead along lines.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn panels(
    a: &Matrix<'_>,
    first: usize,
    inner: Range<usize>,
    tiles: &mut [Tile],
    pairs_first: bool,
) {
    let depth = inner.len().div_ceil(DEPTH);
    let starts = || inner.clone().step_by(DEPTH).enumerate();
    let outer = |panel: usize| a.rows.saturating_sub(first + panel * SIDE).min(SIDE);
    // SAFETY, here and below: the rows and columns asked for lie in the matrix.
    if a.column_stride == 1 && !pairs_first {
        for (panel, tiles) in tiles.chunks_mut(depth).enumerate() {
            let outer = outer(panel);
            for i in 0..SIDE {
                let row = (first + panel * SIDE + i) * a.row_stride;
                for (tile, start) in starts() {
                    let word = match i < outer {
                        true => unsafe {
                            along(a.data.as_ptr().add(row + start), inner.end - start)
                        },
                        false => _mm512_setzero_si512(),
                    };
                    tiles[tile].set(i, word);
                }
            }
        }
    } else if a.row_stride == 1 {
        for (tile, start) in starts() {
            for (panel, tiles) in tiles.chunks_mut(depth).enumerate() {
                let (outer, from) = (outer(panel), first + panel * SIDE);
                let mut words = [_mm512_setzero_si512(); SIDE];
                let pairs = (inner.end - start).min(DEPTH).div_ceil(2);
                for (i, word) in
                    words.iter_mut().enumerate().take(if outer > 0 { pairs } else { 0 })
                {
                    let at = start + 2 * i;
                    *word = unsafe {
                        let from = a.data.as_ptr().add(at * a.column_stride + from);
                        across(from, a.column_stride, outer, at + 1 < inner.end)
                    };
                }
                tiles[tile].fill(if pairs_first { words } else { transpose(words) });
            }
        }
    } else {
        for (panel, tiles) in tiles.chunks_mut(depth).enumerate() {
            for (tile, start) in starts() {
                let mut words = [_mm512_setzero_si512(); SIDE];
                for (i, word) in words.iter_mut().enumerate().take(outer(panel)) {
                    let row = (first + panel * SIDE + i) * a.row_stride;
                    let count = inner.end - start;
                    if a.column_stride == 1 {
                        *word = unsafe { along(a.data.as_ptr().add(row + start), count) };
                        continue;
                    }
                    let mut line = [0f32; DEPTH];
                    for (j, value) in line.iter_mut().enumerate().take(count) {
                        let at = row + (start + j) * a.column_stride;
                        *value = a.data.get(at).copied().unwrap_or_default();
                    }
                    *word = unsafe { along(line.as_ptr(), DEPTH) };
                }
                tiles[tile].fill(if pairs_first { transpose(words) } else { words });
            }
        }
    }
}

fn mask(count: usize) -> __mmask16 {
    if count >= 16 { !0 } else { (1 << count) - 1 }
}

/// 16 pairs along contiguous memory: `count` values, then zeros.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn along(from: *const f32, count: usize) -> __m512i {
    // SAFETY: masked loads touch only the `count` values.
    let [low, high] = unsafe {
        [
            _mm512_maskz_loadu_ps(mask(count), from),
            _mm512_maskz_loadu_ps(mask(count.saturating_sub(16)), from.wrapping_add(16)),
        ]
    };
    bits(_mm512_cvtne2ps_pbh(high, low))
}

/// 16 pairs across two lines of memory `stride` apart: `count` pairs, then zeros.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn across(from: *const f32, stride: usize, count: usize, both: bool) -> __m512i {
    // SAFETY: masked loads touch only `count` values of each line that there is.
    let [first, second] = unsafe {
        [
            _mm512_maskz_loadu_ps(mask(count), from),
            _mm512_maskz_loadu_ps(if both { mask(count) } else { 0 }, from.wrapping_add(stride)),
        ]
    };
    let halves = bits(_mm512_cvtne2ps_pbh(second, first));
    let places: [u16; 32] = std::array::from_fn(|i| (i / 2 + 16 * (i % 2)) as u16);
    // SAFETY: the array is 64 bytes long.
    let places = unsafe { _mm512_loadu_si512(places.as_ptr().cast()) };
    _mm512_permutexvar_epi16(places, halves)
}

fn bits(values: __m512bh) -> __m512i {
    // SAFETY: both are 64 bytes without padding, and any bits are valid.
    unsafe { std::mem::transmute(values) }
}
