//! Loops over rows of blocks, compiled for what the processor has.

use half::{f16, slice::HalfFloatSliceExt};
use quintet_weights::DType;

#[cfg(any(test, not(target_arch = "aarch64")))]
use super::lanes::Plain;
#[cfg(target_arch = "x86_64")]
use super::lanes::Vnni;
#[cfg(target_arch = "aarch64")]
use super::lanes::{Dot, Neon};
use super::{
    activations::{Activations, Row},
    formats::{Format, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0},
    lanes::Lanes,
};
use crate::lanes::{sum2, widest};

/// Activation rows that share one pass over a row of weights.
const SHARED: usize = 4;

/// Bytes from the block at work to the one that is asked for.
const AHEAD: usize = 1024;

/// Something to do with rows of blocks.
trait Task {
    /// Does it. Always inlined, so that it is compiled with the caller's instructions.
    fn run<const B: usize, F: Format<B>, L: Lanes>(self);
}

/// Whether rows of this type can be computed with.
pub(super) fn is_supported(dtype: DType) -> bool {
    use DType::{Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
    let blocks = matches!(dtype, Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q8_0 | Q4K | Q5K | Q6K);
    blocks || is_half(dtype)
}

/// Whether the type is a half-precision number and not a block.
pub(super) fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::BF16 | DType::F16)
}

/// The products of each row of `blocks` with each row of `x`: `out` is `[rows, x.rows()]`.
pub(super) fn dots(dtype: DType, blocks: &[u8], x: &Activations, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if x.rows() == 1 && super::wide::dots(dtype, blocks, x, out) {
        return;
    }
    start(dtype, Dots { blocks, x, out });
}

/// The products of each row of half-precision numbers with each row of `x`: `out` is
/// `[rows, x's rows]`.
pub(super) fn half_dots(dtype: DType, rows: &[u8], columns: usize, x: &[f32], out: &mut [f32]) {
    let m = x.len() / columns;
    let mut row = vec![0.0; columns];
    for (bytes, out) in rows.chunks_exact(2 * columns).zip(out.chunks_exact_mut(m)) {
        unpack(dtype, bytes, &mut row);
        for (x, out) in x.chunks_exact(columns).zip(out) {
            *out = product(&row, x);
        }
    }
}

widest! {
    fn product(a: &[f32], b: &[f32]) -> f32 {
        sum2(a, b, |a, b| a * b)
    }
}

widest! {
    fn unpack_bf16(bytes: &[u8], out: &mut [f32]) {
        for (out, &bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *out = f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16);
        }
    }
}

/// The numbers of `blocks`.
pub(super) fn unpack(dtype: DType, blocks: &[u8], out: &mut [f32]) {
    match dtype {
        DType::BF16 => unpack_bf16(blocks, out),
        DType::F16 => {
            let mut halves = [f16::ZERO; 64];
            for (bytes, out) in blocks.chunks(128).zip(out.chunks_mut(64)) {
                for (half, &bytes) in halves.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *half = f16::from_le_bytes(bytes);
                }
                halves[..out.len()].convert_to_f32_slice(out);
            }
        }
        _ => start(dtype, Unpack { blocks, out }),
    }
}

/// [`dots`] without a particular processor's instructions.
#[cfg(test)]
pub(super) fn plain_dots(dtype: DType, blocks: &[u8], x: &Activations, out: &mut [f32]) {
    struct Anywhere<T>(T);
    impl<T: Task> Task for Anywhere<T> {
        fn run<const B: usize, F: Format<B>, L: Lanes>(self) {
            self.0.run::<B, F, Plain>();
        }
    }
    start(dtype, Anywhere(Dots { blocks, x, out }));
}

fn start(dtype: DType, task: impl Task) {
    match dtype {
        DType::Q4_0 => best::<18, Q4_0>(task),
        DType::Q4_1 => best::<20, Q4_1>(task),
        DType::Q5_0 => best::<22, Q5_0>(task),
        DType::Q5_1 => best::<24, Q5_1>(task),
        DType::Q8_0 => best::<34, Q8_0>(task),
        DType::Q4K => best::<144, Q4K>(task),
        DType::Q5K => best::<176, Q5K>(task),
        DType::Q6K => best::<210, Q6K>(task),
        other => unreachable!("rows of {other} are never built"),
    }
}

fn best<const B: usize, F: Format<B>>(task: impl Task) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,f16c")]
        fn vnni<const B: usize, F: Format<B>>(task: impl Task) {
            task.run::<B, F, Vnni>();
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<const B: usize, F: Format<B>>(task: impl Task) {
            task.run::<B, F, Plain>();
        }
        if is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            // SAFETY: the features were just detected.
            return unsafe { vnni::<B, F>(task) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the features were just detected.
            return unsafe { avx2::<B, F>(task) };
        }
        task.run::<B, F, Plain>();
    }
    #[cfg(target_arch = "aarch64")]
    {
        #[target_feature(enable = "dotprod")]
        fn dot<const B: usize, F: Format<B>>(task: impl Task) {
            task.run::<B, F, Dot>();
        }
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            // SAFETY: the feature was just detected.
            return unsafe { dot::<B, F>(task) };
        }
        task.run::<B, F, Neon>();
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    task.run::<B, F, Plain>();
}

struct Dots<'a> {
    blocks: &'a [u8],
    x: &'a Activations,
    out: &'a mut [f32],
}

impl Task for Dots<'_> {
    #[inline(always)]
    fn run<const B: usize, F: Format<B>, L: Lanes>(self) {
        let m = self.x.rows();
        let blocks = self.blocks.as_chunks::<B>().0;
        let per_row = blocks.len() * m / self.out.len().max(1);
        for (row, out) in blocks.chunks_exact(per_row.max(1)).zip(self.out.chunks_exact_mut(m)) {
            let (groups, rest) = out.as_chunks_mut::<SHARED>();
            for (i, out) in groups.iter_mut().enumerate() {
                let x = std::array::from_fn(|j| self.x.row(SHARED * i + j));
                *out = dot::<B, SHARED, F, L>(row, &x);
            }
            for (j, out) in rest.iter_mut().enumerate() {
                let x = [self.x.row(SHARED * groups.len() + j)];
                [*out] = dot::<B, 1, F, L>(row, &x);
            }
        }
    }
}

/// The products of one row of blocks with `M` rows of activations.
#[inline(always)]
fn dot<const B: usize, const M: usize, F: Format<B>, L: Lanes>(
    row: &[[u8; B]],
    x: &[Row<'_>; M],
) -> [f32; M] {
    let parts = row.len() * F::PARTS;
    assert!(x.iter().all(|x| x.parts() == parts), "activations of another width");
    let mut sums = [L::none(); M];
    let mut mins = [0f32; M];
    for (block, start) in row.iter().zip((0..parts).step_by(F::PARTS)) {
        for line in (0..B).step_by(64) {
            L::prefetch(block.as_ptr().wrapping_add(AHEAD + line));
        }
        for i in 0..F::PARTS {
            let part = F::part::<L>(block, i);
            for m in 0..M {
                // SAFETY: the parts are as many as was asserted.
                let few = unsafe { x[m].part(start + i) };
                let scale = part.scale.map(|s| s * few.scale);
                sums[m] = L::add(sums[m], &part.values, few.values, scale);
                mins[m] += match F::HALVES {
                    true => part.min[0] * few.sums[0] + part.min[1] * few.sums[1],
                    false => part.min[0] * few.total,
                };
            }
        }
    }
    std::array::from_fn(|m| L::total(sums[m]) - mins[m])
}

struct Unpack<'a> {
    blocks: &'a [u8],
    out: &'a mut [f32],
}

impl Task for Unpack<'_> {
    #[inline(always)]
    fn run<const B: usize, F: Format<B>, L: Lanes>(self) {
        let blocks = self.blocks.as_chunks::<B>().0.iter();
        let parts = self.out.as_chunks_mut::<32>().0.chunks_exact_mut(F::PARTS);
        for (block, outs) in blocks.zip(parts) {
            for (i, out) in outs.iter_mut().enumerate() {
                let part = F::part::<L>(block, i);
                for (j, (out, value)) in out.iter_mut().zip(part.values).enumerate() {
                    *out = part.scale[j / 16] * f32::from(value) - part.min[j / 16];
                }
            }
        }
    }
}
