//! The packed 6-bit scales and minima of `Q4_K` and `Q5_K`: eight of each in 12 bytes.
//!
//! | bytes | bits 0–5 | bits 6–7 |
//! |---|---|---|
//! | 0..4 | scales 0..4 | upper two bits of scales 4..8 |
//! | 4..8 | minima 0..4 | upper two bits of minima 4..8 |
//!
//! Bytes 8..12 hold the lower four bits of scales 4..8 in their low nibbles and of minima 4..8 in
//! their high nibbles.

/// Scale and minimum of sub-block `i`.
pub(super) fn scale_min(packed: &[u8; 12], i: usize) -> (f32, f32) {
    let (scale, min) = if i < 4 {
        (packed[i] & 63, packed[i + 4] & 63)
    } else {
        let low = packed[i + 4];
        (low & 15 | packed[i - 4] >> 6 << 4, low >> 4 | packed[i] >> 6 << 4)
    };
    (f32::from(scale), f32::from(min))
}

/// The packed scales at bytes 4..16 of a block.
pub(super) fn packed<const B: usize>(block: &[u8; B]) -> [u8; 12] {
    std::array::from_fn(|i| block[4 + i])
}
