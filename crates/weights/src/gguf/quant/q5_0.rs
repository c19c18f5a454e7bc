//! `Q5_0`: `x = d · (q − 16)`.
//!
//! | bytes | content |
//! |---|---|
//! | 0..2 | `d`, f16 |
//! | 2..6 | the fifth bits of numbers 0..32, a little-endian word |
//! | 6..22 | the lower four bits: low nibbles are numbers 0..16, high nibbles 16..32 |

use super::{fifth_bit, half_at};

pub(crate) fn dequantize(block: &[u8; 22], out: &mut [f32; 32]) {
    let d = half_at(block, 0);
    let high = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
    for i in 0..16 {
        let pair = block[6 + i];
        out[i] = d * (f32::from(pair & 15 | fifth_bit(high, i)) - 16.0);
        out[i + 16] = d * (f32::from(pair >> 4 | fifth_bit(high, i + 16)) - 16.0);
    }
}
