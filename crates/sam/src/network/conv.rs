//! Convolutions over images whose channels come last.

use burn::{Tensor, module, ops::ConvOptions};
use quintet_kernels::linear;
use quintet_nn::{Init, Param, Result, Vars};

/// A square convolution that keeps the image's size, or divides it by its stride.
#[derive(Debug)]
pub struct Conv {
    weight: Param<4>,
    bias: Option<Param<1>>,
    stride: usize,
    groups: usize,
}

impl Conv {
    /// `kernel × kernel` pixels of all channels, at `vars`: `weight` `[out, in, k, k]`, and `bias`
    /// `[out]` when asked for.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(
        vars: &Vars,
        [input, output]: [usize; 2],
        kernel: usize,
        stride: usize,
        bias: bool,
    ) -> Result<Self> {
        Self::grouped(vars, [output, input, kernel, kernel], stride, 1, bias)
    }

    /// 3 × 3 pixels of each channel by itself, with a bias.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn depthwise(vars: &Vars, channels: usize, stride: usize) -> Result<Self> {
        Self::grouped(vars, [channels, 1, 3, 3], stride, channels, true)
    }

    fn grouped(
        vars: &Vars,
        shape: [usize; 4],
        stride: usize,
        groups: usize,
        bias: bool,
    ) -> Result<Self> {
        let [output, input, kernel, _] = shape;
        let std = 1.0 / ((input * kernel * kernel) as f32).sqrt();
        let weight = vars.param("weight", shape, Init::Normal(std))?;
        let bias = if bias { Some(vars.param("bias", [output], Init::Zeros)?) } else { None };
        Ok(Self { weight, bias, stride, groups })
    }

    /// # Shapes
    /// - input: `[b, h, w, in]`
    /// - output: `[b, ⌈h / stride⌉, ⌈w / stride⌉, out]`; of whole patches only, where the kernel is
    ///   no larger than the stride
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, kernel, _] = self.weight.dims();
        let bias = self.bias.as_ref().map(Param::tensor);
        if kernel == self.stride {
            return linear(self.patches(x), self.matrix(), bias);
        }
        let options = ConvOptions::new([self.stride; 2], [kernel / 2; 2], [1; 2], self.groups);
        let x = x.permute([0, 3, 1, 2]);
        module::conv2d(x, self.weight.tensor(), bias, options).permute([0, 2, 3, 1])
    }

    /// Pixels that one output sees, joined: `[b, h/k, w/k, k·k·in]`.
    fn patches(&self, x: Tensor<4>) -> Tensor<4> {
        let k = self.stride;
        if k == 1 {
            return x;
        }
        let [b, h, w, c] = x.dims();
        let [rows, columns] = [h / k, w / k];
        x.slice([0..b, 0..rows * k, 0..columns * k, 0..c])
            .reshape([b, rows, k, columns, k, c])
            .permute([0, 1, 3, 2, 4, 5])
            .reshape([b, rows, columns, k * k * c])
    }

    /// The weight in the order of [`Self::patches`]: `[out, k·k·in]`.
    fn matrix(&self) -> Tensor<2> {
        let [output, input, k, _] = self.weight.dims();
        self.weight.tensor().permute([0, 2, 3, 1]).reshape([output, k * k * input])
    }
}

/// A 2 × 2 convolution transposed, which doubles the image's size.
#[derive(Debug)]
pub struct Double {
    weight: Param<4>,
    bias: Param<1>,
}

impl Double {
    /// `weight` `[in, out, 2, 2]` and `bias` `[out]` at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, input: usize, output: usize) -> Result<Self> {
        let std = 1.0 / (input as f32).sqrt();
        Ok(Self {
            weight: vars.param("weight", [input, output, 2, 2], Init::Normal(std))?,
            bias: vars.param("bias", [output], Init::Zeros)?,
        })
    }

    /// # Shapes
    /// - input: `[b, n, in]`
    /// - output: `[b, 4·n, out]`: of each pixel the four that it becomes, row by row
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [b, n, _] = x.dims();
        let [input, output, _, _] = self.weight.dims();
        let weight = self.weight.tensor().permute([2, 3, 1, 0]).reshape([4 * output, input]);
        let bias = self.bias.tensor().unsqueeze::<2>().repeat_dim(0, 4).reshape([4 * output]);
        linear(x, weight, Some(bias)).reshape([b, 4 * n, output])
    }
}
