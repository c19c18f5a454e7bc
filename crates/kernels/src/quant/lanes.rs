//! What processors do in different ways: products of bytes, and half-precision numbers.

/// A processor's instructions.
pub(super) trait Lanes {
    /// Sums of products.
    type Sums: Copy;

    /// No products yet.
    fn none() -> Self::Sums;

    /// Adds the products of 32 numbers, the first and the second 16 times a scale of their own.
    fn add(sums: Self::Sums, values: &[u8; 32], with: &[i8; 32], scale: [f32; 2]) -> Self::Sums;

    /// The sum of all.
    fn total(sums: Self::Sums) -> f32;

    /// The number whose half-precision bits these are.
    fn half(bits: u16) -> f32;

    /// Asks for the memory at this address, which need not be valid.
    fn prefetch(at: *const u8);
}

/// Any processor.
pub(super) struct Plain;

impl Lanes for Plain {
    type Sums = [f32; 8];

    #[inline(always)]
    fn none() -> [f32; 8] {
        [0.0; 8]
    }

    #[inline(always)]
    fn add(mut sums: [f32; 8], values: &[u8; 32], with: &[i8; 32], scale: [f32; 2]) -> [f32; 8] {
        for (i, sum) in sums.iter_mut().enumerate() {
            let mut products = 0;
            for j in 4 * i..4 * i + 4 {
                products += i32::from(values[j]) * i32::from(with[j]);
            }
            *sum += products as f32 * scale[i / 4];
        }
        sums
    }

    #[inline(always)]
    fn total(sums: [f32; 8]) -> f32 {
        sums.iter().sum()
    }

    #[inline(always)]
    fn half(bits: u16) -> f32 {
        // The exponent's bias differs by 112. Subnormal numbers are made from the difference to
        // the least normal one; infinities and NaNs do not occur in scales.
        const LEAST: f32 = f32::from_bits(113 << 23);
        let magnitude = u32::from(bits & 0x7fff) << 13;
        let value = if magnitude < 1 << 23 {
            f32::from_bits(magnitude + (113 << 23)) - LEAST
        } else {
            f32::from_bits(magnitude + (112 << 23))
        };
        f32::from_bits(value.to_bits() | u32::from(bits & 0x8000) << 16)
    }

    #[inline(always)]
    fn prefetch(_: *const u8) {}
}

#[cfg(target_arch = "x86_64")]
pub(super) use vnni::Vnni;

#[cfg(target_arch = "x86_64")]
mod vnni {
    use std::arch::x86_64::*;

    use super::Lanes;

    /// x86 with products of bytes in hardware (AVX-512 VNNI, 256 bits wide). Only used where
    /// `avx512vnni`, `avx512vl`, `fma` and `f16c` were detected.
    pub(in crate::quant) struct Vnni;

    impl Lanes for Vnni {
        type Sums = __m256;

        #[inline(always)]
        fn none() -> __m256 {
            // SAFETY: the instructions were detected.
            unsafe { _mm256_setzero_ps() }
        }

        #[inline(always)]
        fn add(sums: __m256, values: &[u8; 32], with: &[i8; 32], scale: [f32; 2]) -> __m256 {
            // SAFETY: the instructions were detected, and both arrays have 32 bytes.
            unsafe {
                let values = _mm256_loadu_si256(values.as_ptr().cast());
                let with = _mm256_loadu_si256(with.as_ptr().cast());
                let products = _mm256_dpbusd_epi32(_mm256_setzero_si256(), values, with);
                let scale = _mm256_set_m128(_mm_set1_ps(scale[1]), _mm_set1_ps(scale[0]));
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), scale, sums)
            }
        }

        #[inline(always)]
        fn total(sums: __m256) -> f32 {
            // SAFETY: the instructions were detected.
            unsafe {
                let halves =
                    _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
                let pairs = _mm_add_ps(halves, _mm_movehl_ps(halves, halves));
                _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)))
            }
        }

        #[inline(always)]
        fn half(bits: u16) -> f32 {
            // SAFETY: the instructions were detected.
            unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits.into()))) }
        }

        #[inline(always)]
        fn prefetch(at: *const u8) {
            // SAFETY: a prefetch reads nothing that the program sees, from any address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
        }
    }
}

#[cfg(target_arch = "aarch64")]
pub(super) use neon::{Dot, Neon};

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::{aarch64::*, asm};

    use super::{Lanes, Plain};

    /// Any 64-bit Arm.
    pub(in crate::quant) struct Neon;

    /// 64-bit Arm with products of bytes in hardware. Only used where `dotprod` was detected.
    pub(in crate::quant) struct Dot;

    /// Sums of the products of four neighbours each.
    #[inline(always)]
    fn widened(values: uint8x16_t, with: int8x16_t) -> int32x4_t {
        // SAFETY: every 64-bit Arm has these instructions.
        unsafe {
            let low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(values)));
            let high = vreinterpretq_s16_u16(vmovl_high_u8(values));
            let (with_low, with_high) = (vmovl_s8(vget_low_s8(with)), vmovl_high_s8(with));
            let sums = vmull_s16(vget_low_s16(low), vget_low_s16(with_low));
            let sums = vmlal_high_s16(sums, low, with_low);
            let sums = vmlal_s16(sums, vget_low_s16(high), vget_low_s16(with_high));
            vmlal_high_s16(sums, high, with_high)
        }
    }

    /// As [`widened`], by `sdot`, which takes signed bytes only: 128 is taken off each value, and 128
    /// times the other factor added again.
    #[inline(always)]
    fn dotted(values: uint8x16_t, with: int8x16_t) -> int32x4_t {
        // SAFETY: `dotprod` was detected.
        unsafe {
            let less = vreinterpretq_s8_u8(veorq_u8(values, vdupq_n_u8(0x80)));
            let (mut sums, mut others) = (vdupq_n_s32(0), vdupq_n_s32(0));
            asm!(
                "sdot {sums:v}.4s, {less:v}.16b, {with:v}.16b",
                "sdot {others:v}.4s, {ones:v}.16b, {with:v}.16b",
                sums = inout(vreg) sums,
                others = inout(vreg) others,
                less = in(vreg) less,
                with = in(vreg) with,
                ones = in(vreg) vdupq_n_s8(1),
                options(pure, nomem, nostack, preserves_flags),
            );
            vaddq_s32(sums, vshlq_n_s32::<7>(others))
        }
    }

    #[inline(always)]
    fn add(
        sums: float32x4_t,
        values: &[u8; 32],
        with: &[i8; 32],
        scale: [f32; 2],
        products: impl Fn(uint8x16_t, int8x16_t) -> int32x4_t,
    ) -> float32x4_t {
        // SAFETY: every 64-bit Arm has these instructions, and both arrays have 32 bytes.
        unsafe {
            let first = products(vld1q_u8(values.as_ptr()), vld1q_s8(with.as_ptr()));
            let (values, with) = (values.as_ptr().add(16), with.as_ptr().add(16));
            let second = products(vld1q_u8(values), vld1q_s8(with));
            let sums = vfmaq_n_f32(sums, vcvtq_f32_s32(first), scale[0]);
            vfmaq_n_f32(sums, vcvtq_f32_s32(second), scale[1])
        }
    }

    macro_rules! arm {
        ($lanes:ty, $products:expr) => {
            impl Lanes for $lanes {
                type Sums = float32x4_t;

                #[inline(always)]
                fn none() -> float32x4_t {
                    // SAFETY: every 64-bit Arm has this instruction.
                    unsafe { vdupq_n_f32(0.0) }
                }

                #[inline(always)]
                fn add(
                    sums: float32x4_t,
                    values: &[u8; 32],
                    with: &[i8; 32],
                    scale: [f32; 2],
                ) -> float32x4_t {
                    add(sums, values, with, scale, $products)
                }

                #[inline(always)]
                fn total(sums: float32x4_t) -> f32 {
                    // SAFETY: every 64-bit Arm has this instruction.
                    unsafe { vaddvq_f32(sums) }
                }

                #[inline(always)]
                fn half(bits: u16) -> f32 {
                    Plain::half(bits)
                }

                #[inline(always)]
                fn prefetch(at: *const u8) {
                    // SAFETY: a prefetch reads nothing that the program sees, from any address.
                    unsafe {
                        asm!(
                            "prfm pldl1keep, [{at}]",
                            at = in(reg) at,
                            options(nostack, preserves_flags, readonly),
                        );
                    }
                }
            }
        };
    }

    arm!(Neon, widened);
    arm!(Dot, dotted);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Extremes too, which products of 16 bits would not hold.
    #[cfg(target_arch = "aarch64")]
    #[test]
    fn arm_adds_as_any_processor_does() {
        fn total<L: Lanes>(values: &[u8; 32], with: &[i8; 32]) -> f32 {
            L::total(L::add(L::none(), values, with, [0.5, 2.0]))
        }
        let mixed = (
            std::array::from_fn(|i| (i * 37 % 256) as u8),
            std::array::from_fn(|i| (i * 91 % 255) as u8 as i8),
        );
        for (values, with) in [mixed, ([255; 32], [-127; 32]), ([255; 32], [127; 32])] {
            let wanted = total::<Plain>(&values, &with);
            assert_eq!(total::<Neon>(&values, &with), wanted);
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                #[target_feature(enable = "dotprod")]
                fn dot(values: &[u8; 32], with: &[i8; 32]) -> f32 {
                    total::<Dot>(values, with)
                }
                // SAFETY: the feature was just detected.
                assert_eq!(unsafe { dot(&values, &with) }, wanted);
            }
        }
    }

    #[test]
    fn halves_are_exact() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x7bff, 65504.0),
        ] {
            assert_eq!(Plain::half(bits), value, "{bits:#06x}");
        }
    }
}
