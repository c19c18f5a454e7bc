//! Dequantisation, one file per block type. Source of the layouts: ggml `ggml-common.h`; of the
//! arithmetic: `dequantize_row_*` in `ggml-quants.c`.
//!
//! Plain types hold 32 numbers per block, K types 256 (a super-block of 16 or 8 sub-blocks whose
//! own scales are quantised).

pub(crate) mod q2_k;
pub(crate) mod q3_k;
pub(crate) mod q4_0;
pub(crate) mod q4_1;
pub(crate) mod q4_k;
pub(crate) mod q5_0;
pub(crate) mod q5_1;
pub(crate) mod q5_k;
pub(crate) mod q6_k;
pub(crate) mod q8_0;

mod k_scales;

/// The half-precision number at `at` of a block.
fn half_at<const B: usize>(block: &[u8; B], at: usize) -> f32 {
    half::f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Bit `i`, shifted to be the fifth bit of a number: the high bits of `Q5_0` and `Q5_1` lie in one
/// 32-bit word.
fn fifth_bit(bits: u32, i: usize) -> u8 {
    ((bits >> i & 1) << 4) as u8
}
