//! Token and position tables.

use burn::{Int, Tensor, TensorData};
use quintet_kernels::embedding;

use crate::{Init, Param, Result, Vars};

/// A table of vectors.
#[derive(Clone, Debug)]
pub struct Embedding {
    weight: Param<2>,
}

impl Embedding {
    /// A table of `count` vectors of width `dim`, called `weight` at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, count: usize, dim: usize) -> Result<Self> {
        Ok(Self { weight: vars.param("weight", [count, dim], Init::Normal(0.02))? })
    }

    /// # Shapes
    /// - ids: `[b, t]`
    /// - output: `[b, t, d]`
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let Some(table) = self.weight.quantised() else {
            return embedding(self.weight.tensor(), ids);
        };
        let ([b, t], device) = (ids.dims(), ids.device());
        let ids: Vec<usize> = ids.into_data().iter::<i64>().map(|id| id as usize).collect();
        let rows = TensorData::new(table.select(&ids), [b, t, table.dims()[1]]);
        Tensor::from_data(rows, &device)
    }

    /// The table, `[count, d]`, for heads tied to it.
    pub fn weight(&self) -> &Param<2> {
        &self.weight
    }
}
