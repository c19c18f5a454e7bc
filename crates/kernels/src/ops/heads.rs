//! Heads of a tensor, in place.

use std::borrow::Cow;

use burn::{DType, Shape};
use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;
use half::bf16;

use crate::{
    bridge::{self, values},
    gemm::Matrix,
    storage::Values,
};

/// A tensor `[b, h, t, k]` whose last dimension is contiguous, in `f32`.
pub(super) struct Heads {
    tensor: FlexTensor,
    pub dims: [usize; 4],
    strides: [usize; 4],
    start: usize,
}

/// The same view of the same values in `f32`.
fn in_single(tensor: FlexTensor) -> FlexTensor {
    if tensor.dtype() == DType::F32 {
        return tensor;
    }
    let all = tensor.storage::<bf16>();
    // A small part of what is stored is copied, and not all of it.
    if all.len() > 2 * tensor.shape().num_elements() {
        let shape = tensor.shape();
        return bridge::tensor(values(&tensor).into_owned(), shape);
    }
    let all = Values::Half(Cow::Borrowed(all)).all().into_owned();
    let len = Shape::from([all.len()]);
    bridge::tensor(all, len).with_layout(tensor.layout().clone())
}

impl Heads {
    pub fn new(tensor: FlexTensor) -> Self {
        let layout = tensor.layout();
        let plain = layout.strides().last() == Some(&1) && layout.strides().iter().all(|&s| s > 0);
        let tensor = if plain { tensor } else { tensor.to_contiguous() };
        let tensor = in_single(tensor);
        let dims = tensor.shape().dims::<4>();
        let mut strides = [0; 4];
        for (to, from) in strides.iter_mut().zip(tensor.layout().strides()) {
            *to = from.unsigned_abs();
        }
        let start = tensor.layout().start_offset();
        Self { tensor, dims, strides, start }
    }

    /// `[t, k]`
    pub fn head(&self, b: usize, h: usize) -> Matrix<'_> {
        let [_, _, t, k] = self.dims;
        Matrix::new(self.from(b, h, 0), [t, k], [self.strides[2], 1])
    }

    /// `k` values.
    pub fn token(&self, b: usize, h: usize, t: usize) -> &[f32] {
        self.from(b, h, t).get(..self.dims[3]).unwrap_or_default()
    }

    fn from(&self, b: usize, h: usize, t: usize) -> &[f32] {
        let [of_b, of_h, of_t, _] = self.strides;
        let start = self.start + b * of_b + h * of_h + t * of_t;
        self.tensor.storage::<f32>().get(start..).unwrap_or_default()
    }
}
