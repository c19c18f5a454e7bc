//! LayerNorm and RMSNorm over the last dimension.

use burn::{DType, Tensor, module};

use crate::{Init, Param, Result, Vars};

/// Layer normalisation (Ba et al., 2016).
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Param<1>,
    bias: Param<1>,
    eps: f64,
}

impl LayerNorm {
    /// `weight` and `bias` of width `dim` at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, dim: usize, eps: f64) -> Result<Self> {
        Ok(Self {
            weight: vars.param("weight", [dim], Init::Ones)?,
            bias: vars.param("bias", [dim], Init::Zeros)?,
            eps,
        })
    }

    /// # Shapes
    /// - input and output: `[.., d]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        module::layer_norm(x, self.weight.tensor(), Some(self.bias.tensor()), self.eps)
    }
}

/// Root-mean-square normalisation (Zhang and Sennrich, 2019), computed in `f32`.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    weight: Param<1>,
    eps: f64,
}

impl RmsNorm {
    /// `weight` of width `dim` at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, dim: usize, eps: f64) -> Result<Self> {
        Ok(Self { weight: vars.param("weight", [dim], Init::Ones)?, eps })
    }

    /// # Shapes
    /// - input and output: `[.., d]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let dtype = x.dtype();
        let x = if dtype == DType::F32 { x } else { x.cast(DType::F32) };
        let rms = x.clone().square().mean_dim(D - 1).add_scalar(self.eps).sqrt();
        let x = x / rms;
        let x = if dtype == DType::F32 { x } else { x.cast(dtype) };
        x * self.weight.tensor().unsqueeze()
    }
}
