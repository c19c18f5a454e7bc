//! `Q5_1`: `x = d · q + m`.
//!
//! | bytes | content |
//! |---|---|
//! | 0..2 | `d`, f16 |
//! | 2..4 | `m`, f16 |
//! | 4..8 | the fifth bits of numbers 0..32, a little-endian word |
//! | 8..24 | the lower four bits: low nibbles are numbers 0..16, high nibbles 16..32 |

use super::{fifth_bit, half_at};

pub(crate) fn dequantize(block: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    let high = u32::from_le_bytes([block[4], block[5], block[6], block[7]]);
    for i in 0..16 {
        let pair = block[8 + i];
        out[i] = d * f32::from(pair & 15 | fifth_bit(high, i)) + m;
        out[i + 16] = d * f32::from(pair >> 4 | fifth_bit(high, i + 16)) + m;
    }
}
