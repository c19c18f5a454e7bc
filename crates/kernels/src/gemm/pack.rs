//! Rounding matrices to `bf16` and laying them out as the tile unit reads them.
//!
//! A tile is 16 rows of 64 bytes. Of the left factor it holds 16 rows by 32 columns; of the right
//! factor 16 *pairs* of rows by 16 columns, the two values of a pair beside each other (Intel 64
//! and IA-32 Architectures Software Developer's Manual, `TDPBF16PS`). With a pair as the unit,
//! both are 16 × 16 words, and one is the transpose of the other.

use std::{arch::x86_64::*, ops::Range};

use super::Matrix;

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

/// The transpose of a 16 × 16 matrix of words.
#[target_feature(enable = "avx512f")]
fn transpose(r: [__m512i; 16]) -> [__m512i; 16] {
    // Pairs of rows, then fours, within the four 128-bit quarters of each register.
    let mut pairs = r;
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    let mut fours = r;
    for i in 0..4 {
        let [a, b, c, d] = [pairs[4 * i], pairs[4 * i + 1], pairs[4 * i + 2], pairs[4 * i + 3]];
        fours[4 * i] = _mm512_unpacklo_epi64(a, c);
        fours[4 * i + 1] = _mm512_unpackhi_epi64(a, c);
        fours[4 * i + 2] = _mm512_unpacklo_epi64(b, d);
        fours[4 * i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    // `fours[4 i + j]` holds, in quarter q, column 4 q + j of rows 4 i to 4 i + 3.
    let mut columns = r;
    for j in 0..4 {
        let [a, b, c, d] = [fours[j], fours[4 + j], fours[8 + j], fours[12 + j]];
        let [ab_even, ab_odd] =
            [_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b)];
        let [cd_even, cd_odd] =
            [_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d)];
        columns[j] = _mm512_shuffle_i32x4::<0x88>(ab_even, cd_even);
        columns[8 + j] = _mm512_shuffle_i32x4::<0xdd>(ab_even, cd_even);
        columns[4 + j] = _mm512_shuffle_i32x4::<0x88>(ab_odd, cd_odd);
        columns[12 + j] = _mm512_shuffle_i32x4::<0xdd>(ab_odd, cd_odd);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_moves_every_word() {
        if !super::super::tiles::available() {
            return;
        }
        // SAFETY: AVX-512 F is part of what was detected.
        let turned: [[u32; 16]; 16] = unsafe {
            let rows: [[u32; 16]; 16] =
                std::array::from_fn(|i| std::array::from_fn(|j| (100 * i + j) as u32));
            let rows = rows.map(|row| std::mem::transmute::<[u32; 16], __m512i>(row));
            turn(rows).map(|row| std::mem::transmute::<__m512i, [u32; 16]>(row))
        };
        for (i, row) in turned.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                assert_eq!(*value as usize, 100 * j + i);
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    fn turn(rows: [__m512i; 16]) -> [__m512i; 16] {
        transpose(rows)
    }
}
