//! `Q4_K`: `x = d · s · q − dmin · m`, with 6-bit `s` and `m` per 32 numbers.
//!
//! | bytes | content |
//! |---|---|
//! | 0..2 | `d`, f16 |
//! | 2..4 | `dmin`, f16 |
//! | 4..16 | `s` and `m`, packed as `k_scales` says |
//! | 16..144 | `q`: each 64 numbers have 32 bytes, the first 32 in the low nibbles, the others in the high ones |

use super::{half_at, k_scales};

pub(crate) fn dequantize(block: &[u8; 144], out: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    let packed = k_scales::packed(block);
    for (i, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (s, m) = k_scales::scale_min(&packed, i);
        let (d, m) = (d * s, dmin * m);
        let (start, shift) = (16 + i / 2 * 32, i % 2 * 4);
        for (x, &pair) in out.iter_mut().zip(&block[start..start + 32]) {
            *x = d * f32::from(pair >> shift & 15) - m;
        }
    }
}
