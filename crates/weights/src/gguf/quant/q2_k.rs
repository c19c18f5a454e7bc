//! `Q2_K`: `x = d · s · q − dmin · m`, with `s` and `m` per 16 numbers.
//!
//! | bytes | content |
//! |---|---|
//! | 0..16 | per sub-block: `s` in the low nibble, `m` in the high one |
//! | 16..80 | `q`: each half of 128 numbers has 32 bytes; bits 0–1 of them are its first 32 numbers, bits 2–3 the next 32, and so on |
//! | 80..82 | `d`, f16 |
//! | 82..84 | `dmin`, f16 |

use super::half_at;

pub(crate) fn dequantize(block: &[u8; 84], out: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    for (i, x) in out.iter_mut().enumerate() {
        let (half, shift, byte) = (i / 128, i % 128 / 32 * 2, i % 32);
        let scale = block[i / 16];
        let q = block[16 + 32 * half + byte] >> shift & 3;
        *x = d * f32::from(scale & 15) * f32::from(q) - dmin * f32::from(scale >> 4);
    }
}
