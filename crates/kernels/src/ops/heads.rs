//! Heads of a tensor, in place.

use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;

use crate::gemm::Matrix;

/// A tensor `[b, h, t, k]` whose last dimension is contiguous.
pub(super) struct Heads {
    tensor: FlexTensor,
    pub dims: [usize; 4],
    strides: [usize; 4],
    start: usize,
}

impl Heads {
    pub fn new(tensor: FlexTensor) -> Self {
        let layout = tensor.layout();
        let plain = layout.strides().last() == Some(&1) && layout.strides().iter().all(|&s| s > 0);
        let tensor = if plain { tensor } else { tensor.to_contiguous() };
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
