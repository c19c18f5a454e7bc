//! Convolutions over images whose channels come last.

use burn::{DType, Device, Tensor, TensorData, module, ops::ConvOptions};
use quintet_kernels::linear;
use quintet_nn::{Init, Param, Result, Vars};

use super::direct::{Sizes, depthwise, patches};

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
        match values(&x, &self.weight.tensor()) {
            Some(values) => self.direct(&values, x.dims(), bias),
            None => self.by_channels(x, bias),
        }
    }

    /// Through images whose channels come first.
    fn by_channels(&self, x: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        let [_, _, kernel, _] = self.weight.dims();
        let options = ConvOptions::new([self.stride; 2], [kernel / 2; 2], [1; 2], self.groups);
        let x = x.permute([0, 3, 1, 2]);
        module::conv2d(x, self.weight.tensor(), bias, options).permute([0, 2, 3, 1])
    }

    /// The same from the values of an image on the CPU, of `input` `[b, h, w, in]`.
    fn direct(&self, x: &[f32], input: [usize; 4], bias: Option<Tensor<1>>) -> Tensor<4> {
        let [output, inner, kernel, _] = self.weight.dims();
        let sizes = Sizes { input, kernel, stride: self.stride };
        let [rows, columns] = sizes.output();
        let device = Device::flex();
        let image = |values, depth| {
            let data = TensorData::new(values, [input[0], rows, columns, depth]);
            Tensor::<4>::from_data(data, &device)
        };
        if self.groups == 1 {
            let seen = image(patches(x, sizes), kernel * kernel * inner);
            return linear(seen, self.matrix(), bias);
        }
        let weight = self.weight.tensor().permute([2, 3, 1, 0]).into_data(); // [k, k, 1, out]
        let weight: Vec<f32> = weight.iter().collect();
        let bias = bias.unwrap_or_else(|| Tensor::zeros([output], &device)).into_data();
        image(depthwise(x, &weight, &bias.iter().collect::<Vec<f32>>(), sizes), output)
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

/// The values of an image, unless it lies elsewhere, or a gradient may be asked for.
fn values(x: &Tensor<4>, weight: &Tensor<4>) -> Option<Vec<f32>> {
    let graph = x.is_autodiff() || weight.is_autodiff();
    if graph || x.dtype() != DType::F32 || x.device() != Device::flex() {
        return None;
    }
    x.clone().into_data().try_into_vec().ok()
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

#[cfg(test)]
mod tests {
    use quintet_testing::{assert_close, noise, scramble};

    use super::*;

    #[test]
    fn both_ways_convolve_alike() {
        let vars = Vars::random(1, &Device::flex());
        let kinds = [
            Conv::new(&vars.at("a"), [3, 5], 3, 1, true),
            Conv::new(&vars.at("b"), [4, 2], 3, 2, false),
            Conv::new(&vars.at("c"), [2, 3], 5, 2, true),
            Conv::depthwise(&vars.at("d"), 5, 1),
            Conv::depthwise(&vars.at("e"), 3, 2),
        ]
        .map(Result::unwrap);
        scramble(&vars.finish().unwrap(), 0.5);
        for conv in kinds {
            let [_, inner, _, _] = conv.weight.dims();
            for [h, w] in [[6, 6], [7, 4], [1, 5], [1, 1], [2, 3]] {
                let x = noise(2, [2, h, w, inner * conv.groups]);
                let bias = conv.bias.as_ref().map(Param::tensor);
                let expected = conv.by_channels(x.clone(), bias);
                assert!(values(&x, &conv.weight.tensor()).is_some());
                assert_close(conv.forward(x), expected, "convolution");
            }
        }
    }
}
