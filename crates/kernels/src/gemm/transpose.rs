//! Turning squares of registers.

use std::arch::x86_64::*;

/// The transpose of a 16 × 16 matrix of words.
#[target_feature(enable = "avx512f")]
pub(super) fn transpose(r: [__m512i; 16]) -> [__m512i; 16] {
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
        if !is_x86_feature_detected!("avx512f") {
            return;
        }
        // SAFETY: the vectors are there; both types are 64 bytes without padding.
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
