//! GGUF's block formats as unsigned bytes with scales.
//!
//! Every format is `x = s · q − m` with an unsigned `q` of at most eight bits, and `s` and `m` that
//! hold for 16 or 32 numbers. Layouts: ggml `ggml-common.h`, and `quintet-weights`, whose
//! dequantisation is the reference.

use super::lanes::Lanes;

/// 32 numbers of a block.
pub(super) struct Part {
    /// `q`.
    pub values: [u8; 32],
    /// `s` of the first and the second 16.
    pub scale: [f32; 2],
    /// `m` of the first and the second 16.
    pub min: [f32; 2],
}

/// A format with blocks of `B` bytes.
pub(super) trait Format<const B: usize> {
    /// Parts of 32 numbers in a block.
    const PARTS: usize;
    /// Whether the two halves of a part have scales of their own.
    const HALVES: bool = false;

    /// Part `i` of a block.
    fn part<L: Lanes>(block: &[u8; B], i: usize) -> Part;
}

impl Part {
    #[inline(always)]
    fn even(values: [u8; 32], scale: f32, min: f32) -> Self {
        Self { values, scale: [scale; 2], min: [min; 2] }
    }
}

/// The half-precision number at `at`.
#[inline(always)]
fn half<L: Lanes, const B: usize>(block: &[u8; B], at: usize) -> f32 {
    L::half(u16::from_le_bytes([block[at], block[at + 1]]))
}

/// 16 bytes at `at`: their low nibbles, then their high ones.
#[inline(always)]
fn nibbles<const B: usize>(block: &[u8; B], at: usize) -> [u8; 32] {
    let mut values = [0; 32];
    for i in 0..16 {
        values[i] = block[at + i] & 15;
        values[i + 16] = block[at + i] >> 4;
    }
    values
}

/// Adds bit `i` of the word at `at` to number `i`, as its fifth bit.
#[inline(always)]
fn add_fifth_bits<const B: usize>(values: &mut [u8; 32], block: &[u8; B], at: usize) {
    for (i, value) in values.iter_mut().enumerate() {
        *value |= (block[at + i / 8] >> (i % 8) & 1) << 4;
    }
}

/// Scale and minimum of sub-block `i` of `Q4_K` and `Q5_K`: six bits each, packed in bytes 4..16.
#[inline(always)]
fn k_scales<const B: usize>(block: &[u8; B], i: usize) -> (f32, f32) {
    let (scale, min) = if i < 4 {
        (block[4 + i] & 63, block[8 + i] & 63)
    } else {
        let low = block[8 + i];
        (low & 15 | block[i] >> 6 << 4, low >> 4 | block[4 + i] >> 6 << 4)
    };
    (f32::from(scale), f32::from(min))
}

pub(super) struct Q4_0;

impl Format<18> for Q4_0 {
    const PARTS: usize = 1;

    #[inline(always)]
    fn part<L: Lanes>(block: &[u8; 18], _: usize) -> Part {
        let d = half::<L, 18>(block, 0);
        Part::even(nibbles(block, 2), d, 8.0 * d)
    }
}

pub(super) struct Q4_1;

impl Format<20> for Q4_1 {
    const PARTS: usize = 1;

    #[inline(always)]
    fn part<L: Lanes>(block: &[u8; 20], _: usize) -> Part {
        Part::even(nibbles(block, 4), half::<L, 20>(block, 0), -half::<L, 20>(block, 2))
    }
}

pub(super) struct Q5_0;

impl Format<22> for Q5_0 {
    const PARTS: usize = 1;

    #[inline(always)]
    fn part<L: Lanes>(block: &[u8; 22], _: usize) -> Part {
        let d = half::<L, 22>(block, 0);
        let mut values = nibbles(block, 6);
        add_fifth_bits(&mut values, block, 2);
        Part::even(values, d, 16.0 * d)
    }
}

pub(super) struct Q5_1;

impl Format<24> for Q5_1 {
    const PARTS: usize = 1;

    #[inline(always)]
    fn part<L: Lanes>(block: &[u8; 24], _: usize) -> Part {
        let mut values = nibbles(block, 8);
        add_fifth_bits(&mut values, block, 4);
        Part::even(values, half::<L, 24>(block, 0), -half::<L, 24>(block, 2))
    }
}

pub(super) struct Q8_0;

impl Format<34> for Q8_0 {
    const PARTS: usize = 1;

    #[inline(always)]
    fn part<L: Lanes>(block: &[u8; 34], _: usize) -> Part {
        let d = half::<L, 34>(block, 0);
        let mut values = [0; 32];
        for (value, byte) in values.iter_mut().zip(&block[2..]) {
            *value = byte ^ 0x80;
        }
        Part::even(values, d, 128.0 * d)
    }
}

pub(super) struct Q4K;

impl Format<144> for Q4K {
    const PARTS: usize = 8;

    #[inline(always)]
    fn part<L: Lanes>(block: &[u8; 144], i: usize) -> Part {
        let (scale, min) = k_scales(block, i);
        let (start, shift) = (16 + i / 2 * 32, i % 2 * 4);
        let mut values = [0; 32];
        for (value, pair) in values.iter_mut().zip(&block[start..start + 32]) {
            *value = pair >> shift & 15;
        }
        Part::even(values, half::<L, 144>(block, 0) * scale, half::<L, 144>(block, 2) * min)
    }
}

pub(super) struct Q5K;

impl Format<176> for Q5K {
    const PARTS: usize = 8;

    #[inline(always)]
    fn part<L: Lanes>(block: &[u8; 176], i: usize) -> Part {
        let (scale, min) = k_scales(block, i);
        let (start, shift) = (48 + i / 2 * 32, i % 2 * 4);
        let (low, high) = (&block[start..start + 32], &block[16..48]);
        let mut values = [0; 32];
        for ((value, pair), bits) in values.iter_mut().zip(low).zip(high) {
            *value = pair >> shift & 15 | (bits >> i & 1) << 4;
        }
        Part::even(values, half::<L, 176>(block, 0) * scale, half::<L, 176>(block, 2) * min)
    }
}

pub(super) struct Q6K;

impl Format<210> for Q6K {
    const PARTS: usize = 8;
    const HALVES: bool = true;

    #[inline(always)]
    fn part<L: Lanes>(block: &[u8; 210], i: usize) -> Part {
        let (side, within) = (i / 4, i % 4);
        let low = &block[64 * side + within % 2 * 32..][..32];
        let high = &block[128 + 32 * side..][..32];
        let (low_shift, high_shift) = (within / 2 * 4, within * 2);
        let mut values = [0; 32];
        for ((value, low), high) in values.iter_mut().zip(low).zip(high) {
            *value = low >> low_shift & 15 | (high >> high_shift & 3) << 4;
        }
        let d = half::<L, 210>(block, 208);
        let scale = [0, 1].map(|part| d * f32::from(block[192 + 2 * i + part] as i8));
        Part { values, scale, min: scale.map(|scale| 32.0 * scale) }
    }
}
