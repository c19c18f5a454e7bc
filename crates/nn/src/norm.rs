//! LayerNorm and RMSNorm over the last dimension.

use burn::{DType, Tensor, module};
use quintet_kernels::{add, add_layer_norm, add_rms_norm, layer_norm, rms_norm, single};

use crate::{Init, Param, Result, Vars};

/// Layer normalisation (Ba et al., 2016), computed in `f32`.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    dim: usize,
    affine: Option<(Param<1>, Param<1>)>,
    eps: f64,
}

impl LayerNorm {
    /// `weight` and `bias` of width `dim` at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, dim: usize, eps: f64) -> Result<Self> {
        let weight = vars.param("weight", [dim], Init::Ones)?;
        let bias = vars.param("bias", [dim], Init::Zeros)?;
        Ok(Self { dim, affine: Some((weight, bias)), eps })
    }

    /// Without parameters.
    pub fn plain(dim: usize, eps: f64) -> Self {
        Self { dim, affine: None, eps }
    }

    /// # Shapes
    /// - input and output: `[.., d]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let dtype = x.dtype();
        let x = in_dtype(x, DType::F32);
        let y = match &self.affine {
            None => {
                let ones = Tensor::ones([self.dim], (&x.device(), DType::F32));
                module::layer_norm(x, ones, None, self.eps)
            }
            Some((weight, bias)) => {
                let [weight, bias] = [weight, bias].map(|p| in_dtype(p.tensor(), DType::F32));
                layer_norm(x, weight, bias, self.eps)
            }
        };
        // What a norm of `f32` gives is its own to say (`quintet_kernels::half_storage`).
        if dtype == DType::F32 { y } else { in_dtype(y, dtype) }
    }

    /// `x + y`, and what [`forward`](Self::forward) makes of it.
    ///
    /// # Shapes
    /// - inputs and outputs: `[.., d]`
    pub fn forward_sum<const D: usize>(&self, x: Tensor<D>, y: Tensor<D>) -> [Tensor<D>; 2] {
        match &self.affine {
            Some((weight, bias)) if x.dtype() == DType::F32 => {
                let [weight, bias] = [weight, bias].map(|p| in_dtype(p.tensor(), DType::F32));
                add_layer_norm(x, y, weight, bias, self.eps)
            }
            _ => {
                let sum = add(x, y);
                [sum.clone(), self.forward(sum)]
            }
        }
    }
}

/// The same values in another number kind.
pub fn in_dtype<const D: usize>(x: Tensor<D>, dtype: DType) -> Tensor<D> {
    match dtype {
        _ if x.dtype() == dtype => x,
        DType::F32 => single(x),
        _ => x.cast(dtype),
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
        let weight = in_dtype(self.weight.tensor(), DType::F32);
        let y = rms_norm(in_dtype(x, DType::F32), weight, self.eps);
        if dtype == DType::F32 { y } else { in_dtype(y, dtype) }
    }

    /// `x + y`, and what [`forward`](Self::forward) makes of it.
    ///
    /// # Shapes
    /// - inputs and outputs: `[.., d]`
    pub fn forward_sum<const D: usize>(&self, x: Tensor<D>, y: Tensor<D>) -> [Tensor<D>; 2] {
        if x.dtype() == DType::F32 {
            let weight = in_dtype(self.weight.tensor(), DType::F32);
            add_rms_norm(x, y, weight, self.eps)
        } else {
            let sum = add(x, y);
            [sum.clone(), self.forward(sum)]
        }
    }
}
