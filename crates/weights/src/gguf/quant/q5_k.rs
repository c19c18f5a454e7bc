//! `Q5_K`: `x = d · s · q − dmin · m`, with 6-bit `s` and `m` per 32 numbers.
//!
//! | bytes | content |
//! |---|---|
//! | 0..2 | `d`, f16 |
//! | 2..4 | `dmin`, f16 |
//! | 4..16 | `s` and `m`, packed as `k_scales` says |
//! | 16..48 | the fifth bit of `q`: bit `k` of byte `j` belongs to number `32 k + j` |
//! | 48..176 | the lower four bits, laid out as in `Q4_K` |

use super::{half_at, k_scales};

pub(crate) fn dequantize(block: &[u8; 176], out: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    let packed = k_scales::packed(block);
    for (i, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (s, m) = k_scales::scale_min(&packed, i);
        let (d, m) = (d * s, dmin * m);
        let (start, shift) = (48 + i / 2 * 32, i % 2 * 4);
        for (j, x) in out.iter_mut().enumerate() {
            let low = block[start + j] >> shift & 15;
            let high = block[16 + j] >> i & 1;
            *x = d * f32::from(low | high << 4) - m;
        }
    }
}
