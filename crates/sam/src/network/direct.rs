//! Convolutions of values whose channels come last, without gradients: going by channels first, as
//! the tensor library does, costs more than the sums.

use rayon::prelude::*;

/// Sizes of a square convolution that is centred on the pixels it is at; zeros lie around the image.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Of the input: `[b, h, w, c]`.
    pub input: [usize; 4],
    /// Pixels along each side of the kernel; odd.
    pub kernel: usize,
    /// Pixels from one place of the kernel to the next.
    pub stride: usize,
}

impl Sizes {
    /// Height and width of the output.
    pub fn output(&self) -> [usize; 2] {
        let [_, h, w, _] = self.input;
        [h, w].map(|size| size.div_ceil(self.stride))
    }

    /// The row or column, of `size`, that part `tap` of the kernel sees at place `i`.
    fn seen(&self, i: usize, tap: usize, size: usize) -> Option<usize> {
        (i * self.stride + tap).checked_sub(self.kernel / 2).filter(|at| *at < size)
    }

    /// The input's row, `[w, c]`, that row `tap` of the kernel sees from row `i` of all outputs.
    fn line<'a>(&self, x: &'a [f32], i: usize, tap: usize) -> Option<&'a [f32]> {
        let [_, h, w, c] = self.input;
        let [rows, _] = self.output();
        let row = i / rows * h + self.seen(i % rows, tap, h)?;
        x.get(row * w * c..(row + 1) * w * c)
    }
}

/// Convolves each channel by itself.
///
/// # Shapes
/// - x: `[b, h, w, c]`
/// - weight: `[kernel², c]`
/// - bias: `[c]`
/// - output: `[b, ⌈h / stride⌉, ⌈w / stride⌉, c]`
pub fn depthwise(x: &[f32], weight: &[f32], bias: &[f32], sizes: Sizes) -> Vec<f32> {
    let ([b, _, w, c], [rows, columns]) = (sizes.input, sizes.output());
    let mut out = bias.repeat(b * rows * columns);
    out.par_chunks_mut((columns * c).max(1)).enumerate().for_each(|(i, out)| {
        let weights = weight.chunks_exact(sizes.kernel * c).enumerate();
        let lines = weights.filter_map(|(down, weights)| Some((sizes.line(x, i, down)?, weights)));
        for (line, weights) in lines {
            for (column, out) in out.chunks_exact_mut(c).enumerate() {
                for (across, weight) in weights.chunks_exact(c).enumerate() {
                    let Some(at) = sizes.seen(column, across, w) else { continue };
                    let pixel = &line[at * c..][..c];
                    for ((sum, x), weight) in out.iter_mut().zip(pixel).zip(weight) {
                        *sum += x * weight;
                    }
                }
            }
        }
    });
    out
}

/// What the kernel sees at each place, joined.
///
/// # Shapes
/// - x: `[b, h, w, c]`
/// - output: `[b, ⌈h / stride⌉, ⌈w / stride⌉, kernel²·c]`
pub fn patches(x: &[f32], sizes: Sizes) -> Vec<f32> {
    let ([b, _, w, c], [rows, columns]) = (sizes.input, sizes.output());
    let (kernel, half) = (sizes.kernel, sizes.kernel / 2);
    let patch = kernel * kernel * c;
    let mut out = vec![0f32; b * rows * columns * patch];
    out.par_chunks_mut((columns * patch).max(1)).enumerate().for_each(|(i, out)| {
        for (down, line) in (0..kernel).filter_map(|down| Some((down, sizes.line(x, i, down)?))) {
            for (column, out) in out.chunks_exact_mut(patch).enumerate() {
                let at = column * sizes.stride;
                // The part of the kernel's row that lies within the image.
                let (start, end) = (at.saturating_sub(half), (at + half + 1).min(w));
                let first = (down * kernel + start + half - at) * c;
                let seen = &line[start * c..end * c];
                out[first..first + seen.len()].copy_from_slice(seen);
            }
        }
    });
    out
}
