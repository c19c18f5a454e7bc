//! `Q3_K`: `x = d · (s − 32) · (q − 4)`, with a 6-bit `s` per 16 numbers.
//!
//! | bytes | content |
//! |---|---|
//! | 0..32 | the third bit of `q`: bit `k` of byte `j` belongs to number `32 k + j` |
//! | 32..96 | the lower two bits, laid out as in `Q2_K` |
//! | 96..108 | `s`: the low nibbles of bytes 0..8 are the lower four bits of scales 0..8, the high nibbles those of 8..16; bits `2k`, `2k + 1` of byte `8 + j` are the upper two of scale `4 k + j` |
//! | 108..110 | `d`, f16 |

use super::half_at;

pub(crate) fn dequantize(block: &[u8; 110], out: &mut [f32; 256]) {
    let d = half_at(block, 108);
    for (i, x) in out.iter_mut().enumerate() {
        let (half, shift, byte) = (i / 128, i % 128 / 32 * 2, i % 32);
        let low = block[32 + 32 * half + byte] >> shift & 3;
        let high = block[byte] >> (i / 32) & 1;
        let q = f32::from(low | high << 2) - 4.0;
        *x = d * scale(block, i / 16) * q;
    }
}

fn scale(block: &[u8; 110], sub_block: usize) -> f32 {
    let low = block[96 + sub_block % 8] >> (sub_block / 8 * 4) & 15;
    let high = block[104 + sub_block % 4] >> (sub_block / 4 * 2) & 3;
    f32::from(low | high << 4) - 32.0
}
