//! Patches and their positions.

use burn::{
    DType, Tensor, module,
    ops::{InterpolateMode, InterpolateOptions},
};
use quintet_kernels::linear;
use quintet_nn::{Error, Init, Param, Result, Vars};

/// Sizes beyond any real image, width or count, below which products of two cannot overflow.
const LARGEST: usize = 1 << 20;

/// Refuses configurations that cannot be built.
///
/// # Errors
/// If a size is zero or absurd, a patch does not fit the image, or the heads do not divide.
pub(super) fn check(image: usize, patch: usize, width: usize, heads: usize) -> Result<()> {
    for (name, value) in [
        ("image_size", image),
        ("patch_size", patch),
        ("hidden_size", width),
        ("num_attention_heads", heads),
    ] {
        if value == 0 || value > LARGEST {
            return Err(Error::Config(format!("{name} is {value}, which no encoder has")));
        }
    }
    if patch > image {
        return Err(Error::Config(format!("patch_size {patch} is larger than image_size {image}")));
    }
    if !width.is_multiple_of(heads) {
        return Err(Error::Config(format!(
            "num_attention_heads {heads} does not divide hidden_size {width}"
        )));
    }
    Ok(())
}

/// A linear map of each patch (Dosovitskiy et al., 2021, Eq. 1), stored as the convolution it
/// equals.
#[derive(Debug)]
pub struct PatchEmbedding {
    weight: Param<4>,
    bias: Option<Param<1>>,
}

impl PatchEmbedding {
    /// `weight` `[d, c, p, p]`, and `bias` `[d]` when asked for, at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(
        vars: &Vars,
        channels: usize,
        patch: usize,
        width: usize,
        bias: bool,
    ) -> Result<Self> {
        let shape = [width, channels, patch, patch];
        let weight = vars.param("weight", shape, Init::Normal(0.02))?;
        let bias = if bias { Some(vars.param("bias", [width], Init::Zeros)?) } else { None };
        Ok(Self { weight, bias })
    }

    /// Pixels beyond the last whole patch are left out, as the convolution leaves them.
    ///
    /// # Shapes
    /// - pixels: `[b, c, h, w]`
    /// - output: `[b, v, d]` and the patches along each side
    ///
    /// # Panics
    /// If `c` is another than the weight's, or an image is smaller than a patch.
    pub fn forward(&self, pixels: Tensor<4>) -> (Tensor<3>, [usize; 2]) {
        let [b, c, h, w] = pixels.dims();
        let [d, channels, p, _] = self.weight.dims();
        assert_eq!(c, channels, "image has {c} channels, the encoder takes {channels}");
        assert!(h >= p && w >= p, "image of {h}x{w} is smaller than a patch of {p}x{p}");
        let [rows, columns] = [h / p, w / p];
        let weight = self.weight.tensor();
        // A product of matrices: faster on a CPU than the general convolution.
        let patches = pixels
            .cast(weight.dtype())
            .slice([0..b, 0..c, 0..rows * p, 0..columns * p])
            .reshape([b, c, rows, p, columns, p])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([b, rows * columns, c * p * p]);
        let bias = self.bias.as_ref().map(Param::tensor);
        (linear(patches, weight.reshape([d, c * p * p]), bias), [rows, columns])
    }
}

/// Position embeddings for a grid of patches: the table itself for the trained grid, otherwise
/// interpolated bicubically in `f32` (`interpolate_pos_encoding` in `transformers`).
///
/// # Shapes
/// - table: `[leading + trained², d]`
/// - output: `[1, leading + rows·columns, d]`
pub(super) fn positions(
    table: Tensor<2>,
    leading: usize,
    trained: usize,
    [rows, columns]: [usize; 2],
) -> Tensor<3> {
    if [rows, columns] == [trained, trained] {
        return table.unsqueeze();
    }
    let (d, dtype) = (table.dims()[1], table.dtype());
    let grid = table
        .clone()
        .narrow(0, leading, trained * trained)
        .reshape([1, trained, trained, d])
        .permute([0, 3, 1, 2])
        .cast(DType::F32);
    let options = InterpolateOptions::new(InterpolateMode::Bicubic)
        .with_align_corners(false)
        .with_output_size([rows, columns]);
    let grid = module::interpolate(grid, options)
        .permute([0, 2, 3, 1])
        .reshape([1, rows * columns, d])
        .cast(dtype);
    if leading == 0 {
        return grid;
    }
    Tensor::cat(vec![table.narrow(0, 0, leading).unsqueeze(), grid], 1)
}
