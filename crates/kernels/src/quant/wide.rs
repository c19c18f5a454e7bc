//! One row of activations with 64 numbers of a matrix at a time, for the formats that are met most:
//! what a token costs when text is written (AVX-512 VNNI).

use std::arch::x86_64::*;

use quintet_weights::DType;

use super::activations::{Activations, Row};

/// Bytes from the group at work to the one that is asked for.
const AHEAD: usize = 1024;

/// The products of each row of `blocks` with the one row of `x`; `false` when this processor, the
/// type or the number of blocks is none for here.
pub(super) fn dots(dtype: DType, blocks: &[u8], x: &Activations, out: &mut [f32]) -> bool {
    let here = is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    let x = x.row(0);
    // SAFETY: the features were just detected.
    here && match dtype {
        DType::Q4_0 => unsafe { rows::<Q4_0>(blocks, x, out) },
        DType::Q4_1 => unsafe { rows::<Q4_1>(blocks, x, out) },
        DType::Q8_0 => unsafe { rows::<Q8_0>(blocks, x, out) },
        DType::Q4K => unsafe { rows::<Q4K>(blocks, x, out) },
        DType::Q6K => unsafe { rows::<Q6K>(blocks, x, out) },
        _ => false,
    }
}

/// Sums of products and of minima.
#[derive(Clone, Copy)]
struct Sums {
    products: __m512,
    mins: __m256,
}

/// A format, some blocks at a time.
trait Group {
    /// Bytes of a group.
    const BYTES: usize;
    /// Parts of 32 numbers in a group.
    const PARTS: usize;
    /// What the sum of minima counts.
    const MIN: f32;

    /// Adds the products of a group with the activations from part `at` on.
    ///
    /// # Safety
    /// The instructions must be there, `group` readable for [`Self::BYTES`], and the activations as
    /// many.
    unsafe fn add(sums: Sums, group: *const u8, x: Row<'_>, at: usize) -> Sums;

    /// The sum of the minima.
    ///
    /// # Safety
    /// The instructions must be there.
    #[inline(always)]
    unsafe fn total(mins: __m256) -> f32 {
        // SAFETY: the caller's promise. Every second number is a scale of no further use.
        unsafe { _mm512_mask_reduce_add_ps(0b1010, _mm512_castps256_ps512(mins)) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,f16c")]
unsafe fn rows<G: Group>(blocks: &[u8], x: Row<'_>, out: &mut [f32]) -> bool {
    let groups = x.parts() / G::PARTS;
    if groups * G::PARTS != x.parts() || blocks.len() != groups * G::BYTES * out.len() {
        return false;
    }
    let row = groups * G::BYTES;
    let mut blocks = blocks.as_ptr();
    let (pairs, rest) = out.as_chunks_mut::<2>();
    // SAFETY: the blocks are `out.len()` rows of `groups` groups, as was just seen.
    unsafe {
        for out in pairs {
            *out = dot::<2, G>([blocks, blocks.wrapping_add(row)], x, groups);
            blocks = blocks.wrapping_add(2 * row);
        }
        for out in rest {
            [*out] = dot::<1, G>([blocks], x, groups);
        }
    }
    true
}

/// The products of `R` rows, whose sums do not wait for one another.
#[inline(always)]
unsafe fn dot<const R: usize, G: Group>(
    rows: [*const u8; R],
    x: Row<'_>,
    groups: usize,
) -> [f32; R] {
    // SAFETY: the caller's promises.
    unsafe {
        let none = Sums { products: _mm512_setzero_ps(), mins: _mm256_setzero_ps() };
        let mut sums = [none; R];
        for i in 0..groups {
            for r in 0..R {
                let group = rows[r].wrapping_add(i * G::BYTES);
                for line in (0..G::BYTES).step_by(64) {
                    _mm_prefetch::<_MM_HINT_T0>(group.wrapping_add(AHEAD + line).cast());
                }
                sums[r] = G::add(sums[r], group, x, i * G::PARTS);
            }
        }
        sums.map(|sums| _mm512_reduce_add_ps(sums.products) + G::MIN * G::total(sums.mins))
    }
}

/// Adds the products of 64 bytes with the activations from part `at` on, times scales that hold for
/// 16 each: those at places `places` of `scales`.
#[inline(always)]
unsafe fn add(
    sums: __m512,
    values: __m512i,
    x: Row<'_>,
    at: usize,
    scales: __m512,
    [a, b, c, d]: [i32; 4],
) -> __m512 {
    // SAFETY: the caller's promises.
    unsafe {
        let with = _mm512_loadu_si512(x.bytes().add(32 * at).cast());
        let products = _mm512_dpbusd_epi32(_mm512_setzero_si512(), values, with);
        let places = _mm512_setr_epi32(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d);
        let scales = _mm512_permutexvar_ps(places, scales);
        _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), scales, sums)
    }
}

/// The low nibbles of the even and the high nibbles of the odd parts of `size` words.
#[inline(always)]
unsafe fn nibbles<const SIZE: i32>(bytes: __m512i) -> __m512i {
    // SAFETY: the caller's promises.
    unsafe {
        let odd = if SIZE == 4 { 0xf0f0 } else { 0xff00 };
        let shifts = _mm512_maskz_set1_epi32(odd, 4);
        _mm512_and_si512(_mm512_srlv_epi32(bytes, shifts), _mm512_set1_epi8(15))
    }
}

/// 16 bytes of each of two blocks: their low nibbles, then their high ones.
#[inline(always)]
unsafe fn two_of_16(first: *const u8, second: *const u8) -> __m512i {
    // SAFETY: the caller's promises.
    unsafe {
        let first = _mm512_broadcast_i32x4(_mm_loadu_si128(first.cast()));
        let second = _mm_loadu_si128(second.cast());
        nibbles::<4>(_mm512_mask_broadcast_i32x4(first, 0xff00, second))
    }
}

/// Two half-precision scales `B` bytes apart, each times its part's scale and sum:
/// `[d₀ s₀, d₀ t₀, d₁ s₁, d₁ t₁]`.
#[inline(always)]
unsafe fn two_scales<const B: usize>(group: *const u8, x: Row<'_>, at: usize) -> __m128 {
    // SAFETY: the caller's promises.
    unsafe {
        let [first, second] = [0, B].map(|at| group.add(at).cast::<u16>().read_unaligned());
        let both = u32::from(first) | u32::from(second) << 16;
        let scales = _mm_cvtph_ps(_mm_cvtsi32_si128(both as i32));
        _mm_mul_ps(_mm_unpacklo_ps(scales, scales), _mm_loadu_ps(x.pairs().add(2 * at)))
    }
}

/// Adds what [`two_scales`] and the like gave.
#[inline(always)]
unsafe fn add_two(sums: Sums, values: __m512i, by: __m128, x: Row<'_>, at: usize) -> Sums {
    // SAFETY: the caller's promises.
    unsafe {
        Sums {
            products: add(sums.products, values, x, at, _mm512_castps128_ps512(by), [0, 0, 2, 2]),
            mins: _mm256_add_ps(sums.mins, _mm256_zextps128_ps256(by)),
        }
    }
}

struct Q4_0;

impl Group for Q4_0 {
    const BYTES: usize = 36;
    const PARTS: usize = 2;
    const MIN: f32 = -8.0;

    #[inline(always)]
    unsafe fn add(sums: Sums, group: *const u8, x: Row<'_>, at: usize) -> Sums {
        // SAFETY: the caller's promises.
        unsafe {
            let by = two_scales::<18>(group, x, at);
            add_two(sums, two_of_16(group.add(2), group.add(20)), by, x, at)
        }
    }
}

struct Q4_1;

impl Group for Q4_1 {
    const BYTES: usize = 40;
    const PARTS: usize = 2;
    const MIN: f32 = 1.0;

    #[inline(always)]
    unsafe fn add(sums: Sums, group: *const u8, x: Row<'_>, at: usize) -> Sums {
        // SAFETY: the caller's promises.
        unsafe {
            // Scale and minimum of each block.
            let [first, second] = [0, 20].map(|at| group.add(at).cast::<i32>().read_unaligned());
            let both = _mm_cvtph_ps(_mm_insert_epi32::<1>(_mm_cvtsi32_si128(first), second));
            let by = _mm_mul_ps(both, _mm_loadu_ps(x.pairs().add(2 * at)));
            add_two(sums, two_of_16(group.add(4), group.add(24)), by, x, at)
        }
    }
}

struct Q8_0;

impl Group for Q8_0 {
    const BYTES: usize = 68;
    const PARTS: usize = 2;
    const MIN: f32 = -128.0;

    #[inline(always)]
    unsafe fn add(sums: Sums, group: *const u8, x: Row<'_>, at: usize) -> Sums {
        // SAFETY: the caller's promises.
        unsafe {
            let by = two_scales::<34>(group, x, at);
            let first = _mm256_loadu_si256(group.add(2).cast());
            let second = _mm256_loadu_si256(group.add(36).cast());
            let bytes = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second);
            let bytes = _mm512_xor_si512(bytes, _mm512_set1_epi8(-128));
            add_two(sums, bytes, by, x, at)
        }
    }
}

struct Q4K;

impl Group for Q4K {
    const BYTES: usize = 144;
    const PARTS: usize = 8;
    const MIN: f32 = -1.0;

    #[inline(always)]
    unsafe fn add(sums: Sums, group: *const u8, x: Row<'_>, at: usize) -> Sums {
        // SAFETY: the caller's promises.
        unsafe {
            // Six bits each, packed: see `formats::k_scales`.
            let [low, middle, high] =
                [4, 8, 12].map(|at| group.add(at).cast::<u32>().read_unaligned());
            let eight = |first: u32, rest: u32, tops: u32| {
                let second = rest & 0x0f0f_0f0f | (tops >> 6 & 0x0303_0303) << 4;
                let bytes = u64::from(first & 0x3f3f_3f3f) | u64::from(second) << 32;
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(bytes as i64)))
            };
            let (scales, mins) = (eight(low, high, low), eight(middle, high >> 4, middle));
            let both = group.cast::<i32>().read_unaligned();
            let both = _mm_cvtph_ps(_mm_cvtsi32_si128(both));
            let scales = _mm256_mul_ps(scales, _mm256_broadcastss_ps(both));
            let scales = _mm256_mul_ps(scales, _mm256_loadu_ps(x.scales().add(at)));
            let scales = _mm512_castps256_ps512(scales);
            let mins = _mm256_mul_ps(mins, _mm256_broadcastss_ps(_mm_movehdup_ps(both)));
            let mins = _mm256_fmadd_ps(mins, _mm256_loadu_ps(x.totals().add(at)), sums.mins);
            let mut products = sums.products;
            for i in 0..4 {
                let bytes = _mm256_loadu_si256(group.add(16 + 32 * i).cast());
                let values = nibbles::<8>(_mm512_broadcast_i64x4(bytes));
                let [even, odd] = [2 * i as i32, 2 * i as i32 + 1];
                let places = [even, even, odd, odd];
                products = add(products, values, x, at + 2 * i, scales, places);
            }
            Sums { products, mins }
        }
    }

    #[inline(always)]
    unsafe fn total(mins: __m256) -> f32 {
        // SAFETY: the caller's promise.
        unsafe { total_of_all(mins) }
    }
}

#[inline(always)]
unsafe fn total_of_all(mins: __m256) -> f32 {
    // SAFETY: the caller's promise.
    unsafe { _mm512_reduce_add_ps(_mm512_zextps256_ps512(mins)) }
}

struct Q6K;

impl Group for Q6K {
    const BYTES: usize = 210;
    const PARTS: usize = 8;
    const MIN: f32 = -32.0;

    #[inline(always)]
    unsafe fn add(sums: Sums, group: *const u8, x: Row<'_>, at: usize) -> Sums {
        // SAFETY: the caller's promises.
        unsafe {
            // A scale for each 16 numbers.
            let bytes = _mm_loadu_si128(group.add(192).cast());
            let d = group.add(208).cast::<u16>().read_unaligned();
            let d = _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(d.into())));
            let scales = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), d);
            let mins = _mm512_mul_ps(scales, _mm512_loadu_ps(x.sums().add(2 * at)));
            let mins = _mm256_add_ps(
                _mm256_add_ps(sums.mins, _mm512_castps512_ps256(mins)),
                _mm512_extractf32x8_ps::<1>(mins),
            );
            let twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
            let of_x = _mm512_castps256_ps512(_mm256_loadu_ps(x.scales().add(at)));
            let scales = _mm512_mul_ps(scales, _mm512_permutexvar_ps(twice, of_x));
            let mut products = sums.products;
            for side in 0..2 {
                // Four bits of each number, and two bits of four numbers in each byte.
                let low = _mm512_loadu_si512(group.add(64 * side).cast());
                let high = _mm256_loadu_si256(group.add(128 + 32 * side).cast());
                let high = _mm512_broadcast_i64x4(high);
                for half in 0..2 {
                    let first = 4 * half as i32;
                    let low = _mm512_srlv_epi32(low, _mm512_set1_epi32(first));
                    let low = _mm512_and_si512(low, _mm512_set1_epi8(15));
                    let shifts = _mm512_set1_epi32(first);
                    let shifts = _mm512_mask_set1_epi32(shifts, 0xff00, first + 2);
                    let high = _mm512_srlv_epi32(high, shifts);
                    let high = _mm512_and_si512(high, _mm512_set1_epi8(3));
                    let values = _mm512_or_si512(low, _mm512_slli_epi32::<4>(high));
                    let part = 4 * side + 2 * half;
                    let places = [0, 1, 2, 3].map(|i| 2 * part as i32 + i);
                    products = add(products, values, x, at + part, scales, places);
                }
            }
            Sums { products, mins }
        }
    }

    #[inline(always)]
    unsafe fn total(mins: __m256) -> f32 {
        // SAFETY: the caller's promise.
        unsafe { total_of_all(mins) }
    }
}
