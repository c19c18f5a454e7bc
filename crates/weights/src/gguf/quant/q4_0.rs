//! `Q4_0`: `x = d · (q − 8)`.
//!
//! | bytes | content |
//! |---|---|
//! | 0..2 | `d`, f16 |
//! | 2..18 | `q`: low nibbles are numbers 0..16, high nibbles 16..32 |

use super::half_at;

pub(crate) fn dequantize(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for i in 0..16 {
        let pair = block[2 + i];
        out[i] = d * (f32::from(pair & 15) - 8.0);
        out[i + 16] = d * (f32::from(pair >> 4) - 8.0);
    }
}
