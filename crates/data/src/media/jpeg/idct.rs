//! The inverse DCT of libjpeg's `jidctint.c`: Loeffler, Ligtenberg and Moschytz, "Practical
//! fast 1-D DCT algorithms with 11 multiplications" (1989), in 13-bit fixed point.
//!
//! Arithmetic wraps, so that coefficients no encoder would write cannot stop the program.

use std::num::Wrapping;

type Lane = Wrapping<i32>;

const CONST_BITS: usize = 13;
const PASS1_BITS: usize = 2;

/// Dequantises `coefficients` (natural order), transforms them and writes 8 rows of 8 samples
/// at `stride`.
pub(super) fn idct(
    coefficients: &[i16; 64],
    quantisation: &[u16; 64],
    out: &mut [u8],
    stride: usize,
) {
    if coefficients[1..].iter().all(|&c| c == 0) {
        // Both passes reduce to one rounding when only the mean is present.
        let mean = i32::from(coefficients[0]) * i32::from(quantisation[0]);
        let sample = ((mean.wrapping_add(4) >> 3).wrapping_add(128)).clamp(0, 255) as u8;
        for row in out.chunks_mut(stride).take(8) {
            row[..8].fill(sample);
        }
        return;
    }
    let mut block = [[Wrapping(0); 8]; 8];
    for (row, (c, q)) in
        block.iter_mut().zip(coefficients.chunks_exact(8).zip(quantisation.chunks_exact(8)))
    {
        for (value, (&c, &q)) in row.iter_mut().zip(c.iter().zip(q)) {
            *value = Wrapping(i32::from(c) * i32::from(q));
        }
    }
    let block = transpose(&pass::<{ CONST_BITS - PASS1_BITS }>(&block));
    let block = transpose(&pass::<{ CONST_BITS + PASS1_BITS + 3 }>(&block));
    for (row, values) in out.chunks_mut(stride).zip(&block) {
        for (sample, value) in row.iter_mut().zip(values) {
            *sample = (value + Wrapping(128)).0.clamp(0, 255) as u8;
        }
    }
}

/// One 1-D transform down every column, descaled by `SHIFT` bits. Each statement acts on eight
/// columns at once when compiled.
#[inline(always)]
fn pass<const SHIFT: usize>(input: &[[Lane; 8]; 8]) -> [[Lane; 8]; 8] {
    let k = |x: i32| Wrapping(x);
    let round = Wrapping(1 << (SHIFT - 1));
    let mut out = [[Wrapping(0); 8]; 8];
    for i in 0..8 {
        let [i0, i1, i2, i3, i4, i5, i6, i7] = [0, 1, 2, 3, 4, 5, 6, 7].map(|r: usize| input[r][i]);

        let z = (i2 + i6) * k(4433);
        let even_2 = z - i6 * k(15137);
        let even_3 = z + i2 * k(6270);
        let even_0 = (i0 + i4) << CONST_BITS;
        let even_1 = (i0 - i4) << CONST_BITS;
        let even = [even_0 + even_3, even_1 + even_2, even_1 - even_2, even_0 - even_3];

        let z5 = (i7 + i3 + i5 + i1) * k(9633);
        let z1 = (i7 + i1) * k(-7373);
        let z2 = (i5 + i3) * k(-20995);
        let z3 = (i7 + i3) * k(-16069) + z5;
        let z4 = (i5 + i1) * k(-3196) + z5;
        let odd = [
            i1 * k(12299) + z1 + z4,
            i3 * k(25172) + z2 + z3,
            i5 * k(16819) + z2 + z4,
            i7 * k(2446) + z1 + z3,
        ];

        for r in 0..4 {
            out[r][i] = (even[r] + odd[r] + round) >> SHIFT;
            out[7 - r][i] = (even[r] - odd[r] + round) >> SHIFT;
        }
    }
    out
}

#[inline(always)]
fn transpose(block: &[[Lane; 8]; 8]) -> [[Lane; 8]; 8] {
    let mut out = [[Wrapping(0); 8]; 8];
    for (r, row) in block.iter().enumerate() {
        for (c, &value) in row.iter().enumerate() {
            out[c][r] = value;
        }
    }
    out
}
