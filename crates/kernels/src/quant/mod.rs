//! Products with matrices that stay as they lie in the file: quantised in GGUF's blocks, or in half
//! precision.
//!
//! A few rows of activations are rounded to signed bytes and multiplied with the blocks as they
//! lie in the file. Many rows pay for unpacking: the blocks become `f32` a panel at a time, and the
//! panel goes through the ordinary product, for blocks in `bf16` where the processor has that in
//! hardware. Half-precision numbers meet activations that are not rounded, and so do all numbers
//! inside [`unrounded`](crate::unrounded).

mod activations;
mod formats;
mod lanes;
mod rows;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod wide;

use std::sync::Arc;

use burn::{Device, Tensor, TensorData};
use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;
use quintet_weights::Raw;
use rayon::prelude::*;

use crate::{
    bridge::{BackwardPass, Kernel, input, run, stored, tensor, values, written},
    gemm::{
        Finish, Matrix, Product, Shared, multiply,
        tiles::{self, Left},
    },
    ops::{linear::linear, with_scratch},
    precision::keeps_operands,
};

/// Rows of activations from which on panels are unpacked.
const MANY: usize = 16;
/// Numbers of a panel, at most.
const PANEL: usize = 1 << 20;
/// Numbers that a thread multiplies at a time.
const PIECE: usize = 1 << 15;

/// A matrix `[out, in]` as it lies in a file. Clones share it.
#[derive(Clone, Debug)]
pub struct QuantMatrix {
    raw: Arc<Raw>,
    rows: usize,
    columns: usize,
}

impl QuantMatrix {
    /// The matrix, if there are kernels for its type (`Q4_0`, `Q4_1`, `Q5_0`, `Q5_1`, `Q8_0`,
    /// `Q4_K`, `Q5_K`, `Q6_K`, `BF16`, `F16`) and it has two dimensions.
    pub fn new(raw: Raw) -> Option<Self> {
        let &[rows, columns] = raw.shape() else { return None };
        let fits = rows::is_supported(raw.dtype()) && rows > 0 && columns > 0;
        fits.then(|| Self { raw: Arc::new(raw), rows, columns })
    }

    /// `[out, in]`.
    pub fn dims(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Its size as it is stored.
    pub fn bytes(&self) -> usize {
        self.raw.bytes().len()
    }

    /// Whether it lies in a mapped file.
    pub fn is_mapped(&self) -> bool {
        self.raw.is_mapped()
    }

    /// Whether its products round activations.
    pub fn rounds(&self) -> bool {
        !rows::is_half(self.raw.dtype())
    }

    /// The matrix as a tensor.
    pub fn tensor(&self, device: &Device) -> Tensor<2> {
        let mut out = vec![0.0; self.rows * self.columns];
        let piece = self.piece();
        let pieces = out.par_chunks_mut(piece * self.columns).enumerate();
        pieces.for_each(|(i, out)| self.unpack(i * piece, out));
        Tensor::from_data(TensorData::new(out, [self.rows, self.columns]), device)
    }

    /// The rows of these numbers, one after the other.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn select(&self, ids: &[usize]) -> Vec<f32> {
        let mut out = vec![0.0; ids.len() * self.columns];
        for (id, out) in ids.iter().zip(out.chunks_exact_mut(self.columns)) {
            self.unpack(*id, out);
        }
        out
    }

    /// Whole rows from row `first` on.
    fn unpack(&self, first: usize, out: &mut [f32]) {
        rows::unpack(self.raw.dtype(), self.blocks(first, out.len() / self.columns), out);
    }

    fn blocks(&self, first: usize, rows: usize) -> &[u8] {
        let row = self.columns / self.raw.dtype().block_len() * self.raw.dtype().block_bytes();
        &self.raw.bytes()[first * row..(first + rows) * row]
    }

    /// `out = x Wᵀ`, with `x` `[m, in]` and `out` `[m, out]`.
    pub(crate) fn multiply(&self, x: &[f32], out: &mut [f32]) {
        let m = x.len() / self.columns;
        if m >= MANY || keeps_operands() && self.rounds() {
            self.by_panels(&ManyRows::new(x, self), out);
            return;
        }
        let piece = self.piece();
        let rounded = self.rounds().then(|| activations::Activations::new(x, self.columns));
        let part = |(i, out): (usize, &mut [f32])| match &rounded {
            Some(x) => self.dots(i * piece, x, out),
            None => {
                let rows = self.blocks(i * piece, out.len() / m);
                rows::half_dots(self.raw.dtype(), rows, self.columns, x, out);
            }
        };
        if m == 1 {
            out.par_chunks_mut(piece).enumerate().for_each(part);
        } else {
            let mut products = vec![0.0; out.len()]; // [out, m]
            products.par_chunks_mut(piece * m).enumerate().for_each(part);
            out.copy_from_slice(&transposed(products, m));
        }
    }

    /// Rows that a thread takes at a time.
    fn piece(&self) -> usize {
        (PIECE / self.columns).max(1)
    }

    /// The products of rows from `first` on with each row of `x`, `[rows, m]`.
    fn dots(&self, first: usize, x: &activations::Activations, out: &mut [f32]) {
        rows::dots(self.raw.dtype(), self.blocks(first, out.len() / x.rows()), x, out);
    }

    /// [`Self::multiply`] for many rows.
    fn by_panels(&self, x: &ManyRows<'_>, out: &mut [f32]) {
        let m = out.len() / self.rows;
        let out = &Shared::new(out);
        self.panels(|first, panel| {
            let count = panel.len() / self.columns;
            let b = Matrix::rows(panel, [count, self.columns]).transposed();
            // SAFETY: panels are columns of their own.
            let c = unsafe { out.part(first, [m, count], self.rows) };
            match x {
                ManyRows::Packed(x) => x.multiply(b, c),
                ManyRows::Plain(x) => {
                    multiply(Product::here(), *x, b, c, Finish::default(), false);
                }
            }
        });
    }

    /// Calls `f` with the first row and the numbers of each panel of rows, on all threads.
    fn panels(&self, f: impl Fn(usize, &[f32]) + Sync) {
        let each = self.rows.div_ceil(rayon::current_num_threads());
        let each = each.min(PANEL / self.columns).max(1);
        (0..self.rows.div_ceil(each)).into_par_iter().for_each(|i| {
            let count = each.min(self.rows - i * each);
            with_scratch(count * self.columns, |panel| {
                self.unpack(i * each, panel);
                f(i * each, panel);
            });
        });
    }

    /// `x = gradient W`, with `gradient` `[m, out]` and `x` `[m, in]`.
    fn multiply_back(&self, gradient: &[f32], x: &mut [f32]) {
        let m = gradient.len() / self.rows;
        let each = (PANEL / self.columns).max(1);
        let mut panel = vec![0.0; each.min(self.rows) * self.columns];
        for first in (0..self.rows).step_by(each) {
            let count = each.min(self.rows - first);
            let panel = &mut panel[..count * self.columns];
            self.unpack(first, panel);
            let a = Matrix::new(&gradient[first..], [m, count], [self.rows, 1]);
            let b = Matrix::rows(panel, [count, self.columns]);
            let finish = Finish { accumulate: first > 0, ..Finish::default() };
            let c = crate::gemm::Target::rows(x, self.columns);
            multiply(Product::here(), a, b, c, finish, true);
        }
    }
}

/// Many rows of activations, ready to be multiplied with panels.
enum ManyRows<'a> {
    /// Rounded to `bf16`, which loses less than rounding them to bytes.
    Packed(Left),
    Plain(Matrix<'a>),
}

impl<'a> ManyRows<'a> {
    /// For matrices like this one.
    fn new(x: &'a [f32], matrix: &QuantMatrix) -> Self {
        let x = Matrix::rows(x, [x.len() / matrix.columns, matrix.columns]);
        match tiles::available() && matrix.rounds() && !keeps_operands() {
            true => Self::Packed(Left::new(x)),
            false => Self::Plain(x),
        }
    }
}

/// `y = x Wᵀ`, with a quantised `W`, which gets no gradient.
///
/// On the CPU `W` stays as it is; on other devices it is unpacked each time.
///
/// # Shapes
/// - x: `[.., in]`
/// - output: `[.., out]`
pub fn quantised_linear<const D: usize>(x: Tensor<D>, weight: &QuantMatrix) -> Tensor<D> {
    match input(&x) {
        Some(x) => run(Quantised(weight.clone()), [x]),
        None => {
            let weight = weight.tensor(&x.device().without_autodiff()).cast(x.dtype());
            linear(x, weight, None)
        }
    }
}

/// Several products with the same `x`, `[.., in]`. Outside a graph it is rounded once; few rows are
/// multiplied with all matrices together.
///
/// # Shapes
/// - x: `[.., in]`
/// - outputs: `[.., out]` each
///
/// # Panics
/// If a matrix takes another width.
pub fn quantised_linears<const D: usize, const N: usize>(
    x: Tensor<D>,
    weights: [&QuantMatrix; N],
) -> [Tensor<D>; N] {
    let columns = x.dims().last().copied().unwrap_or_default();
    let few = x.shape().num_elements() < MANY * columns && !keeps_operands();
    let alike = weights.iter().all(|weight| weight.rounds());
    let Some(plain) = input(&x).filter(|x| alike && !x.is_tracked()) else {
        return weights.map(|weight| quantised_linear(x.clone(), weight));
    };
    assert!(weights.iter().all(|weight| weight.columns == columns), "the widths differ");
    let plain = plain.into_primitive();
    let plain = values(&plain);
    let outs = match few {
        true => few_by_all(&plain, columns, weights),
        false => {
            let many = weights.first().map(|weight| ManyRows::new(&plain, weight));
            weights.map(|weight| {
                let len = plain.len() / columns * weight.rows;
                // SAFETY: the product sets all its values.
                many.as_ref().map_or_else(Vec::new, |many| unsafe {
                    written(len, |out| weight.by_panels(many, out))
                })
            })
        }
    };
    let mut outs = outs.into_iter();
    weights.map(|weight| {
        let mut shape = x.shape();
        shape[D - 1] = weight.rows;
        let out = stored(outs.next().unwrap_or_default(), shape, x.dtype());
        Tensor::from_primitive::<burn_flex::Flex>(out)
    })
}

/// The products of a few rows with all matrices, as one piece of work.
fn few_by_all<const N: usize>(
    x: &[f32],
    columns: usize,
    weights: [&QuantMatrix; N],
) -> [Vec<f32>; N] {
    let rounded = &activations::Activations::new(x, columns);
    let m = rounded.rows();
    let mut outs = weights.map(|weight| vec![0f32; m * weight.rows]); // [out, m]
    let tasks: Vec<_> = weights
        .iter()
        .zip(&mut outs)
        .flat_map(|(weight, out)| {
            let piece = weight.piece();
            let pieces = out.chunks_mut(piece * m).enumerate();
            pieces.map(move |(i, out)| (weight, i * piece, out))
        })
        .collect();
    tasks.into_par_iter().for_each(|(weight, first, out)| weight.dots(first, rounded, out));
    outs.map(|out| transposed(out, m))
}

/// `[n, m]` to `[m, n]`
fn transposed(values: Vec<f32>, m: usize) -> Vec<f32> {
    if m == 1 {
        return values;
    }
    (0..m).flat_map(|i| values.iter().skip(i).step_by(m).copied()).collect()
}

#[derive(Clone, Debug)]
struct Quantised(QuantMatrix);

impl Kernel<1> for Quantised {
    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
        let weight = &self.0;
        let x_values = values(&x);
        let m = x_values.len() / weight.columns;
        // SAFETY: the product sets all its values.
        let y = unsafe { written(m * weight.rows, |y| weight.multiply(&x_values, y)) };
        let mut shape = x.shape();
        let last = shape.num_dims() - 1;
        assert_eq!(shape[last], weight.columns, "the matrix takes another width");
        shape[last] = weight.rows;
        (stored(y, shape, x.dtype()), ())
    }
}

impl BackwardPass<1> for Quantised {
    type Saved = ();

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let weight = &self.0;
        let dy = values(&gradient);
        let m = dy.len() / weight.rows;
        // SAFETY: the product sets all its values.
        let dx = unsafe { written(m * weight.columns, |dx| weight.multiply_back(&dy, dx)) };
        let mut shape = gradient.shape();
        let last = shape.num_dims() - 1;
        shape[last] = weight.columns;
        [Some(tensor(dx, shape))]
    }
}
