//! `Q6_K`: `x = d · s · (q − 32)`, with a signed 8-bit `s` per 16 numbers.
//!
//! | bytes | content |
//! |---|---|
//! | 0..128 | the lower four bits of `q`: each half of 128 numbers has 64 bytes; their low nibbles are its numbers 0..64, their high nibbles 64..128 |
//! | 128..192 | the upper two bits: each half has 32 bytes; bits 0–1 are its first 32 numbers, bits 2–3 the next 32, and so on |
//! | 192..208 | `s` |
//! | 208..210 | `d`, f16 |

use super::half_at;

pub(crate) fn dequantize(block: &[u8; 210], out: &mut [f32; 256]) {
    let d = half_at(block, 208);
    for (i, x) in out.iter_mut().enumerate() {
        let (half, within) = (i / 128, i % 128);
        let low = block[64 * half + within % 64] >> (within / 64 * 4) & 15;
        let high = block[128 + 32 * half + within % 32] >> (within / 32 * 2) & 3;
        let s = f32::from(block[192 + i / 16] as i8);
        *x = d * s * (f32::from(low | high << 4) - 32.0);
    }
}
