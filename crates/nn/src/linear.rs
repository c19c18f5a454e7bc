//! Linear maps, optionally with a LoRA adapter.

use std::sync::{Arc, PoisonError, RwLock};

use burn::{DType, Tensor};
use quintet_kernels::{QuantMatrix, linear, quantised_linear, quantised_linears};

use crate::{Init, Param, Result, Vars, norm::in_dtype};

/// `y = x Wᵀ + b`, with `W` in the checkpoint's `[out, in]` layout.
///
/// Clones share the parameters and the adapter.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Param<2>,
    bias: Option<Param<1>>,
    lora: Arc<RwLock<Option<Lora>>>,
}

/// A low-rank update `scale · B A` of a frozen weight (Hu et al., 2021, Eq. 3).
#[derive(Clone, Debug)]
pub struct Lora {
    /// `A`, `[rank, in]`.
    pub down: Param<2>,
    /// `B`, `[out, rank]`, zero at the start.
    pub up: Param<2>,
    /// `alpha / rank`.
    pub scale: f32,
}

fn with_bias<const D: usize>(y: Tensor<D>, bias: Tensor<1>) -> Tensor<D> {
    let bias = in_dtype(bias, y.dtype());
    y + bias.unsqueeze()
}

impl Linear {
    /// `weight` `[output, input]`, and `bias` `[output]` when asked for, at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, input: usize, output: usize, bias: bool) -> Result<Self> {
        let weight = vars.param("weight", [output, input], Init::Normal(0.02))?;
        let bias = if bias { Some(vars.param("bias", [output], Init::Zeros)?) } else { None };
        let linear = Self::from_params(weight, bias);
        vars.register(&linear);
        Ok(linear)
    }

    /// A map over parameters that exist already, such as a tied head.
    pub fn from_params(weight: Param<2>, bias: Option<Param<1>>) -> Self {
        Self { weight, bias, lora: Arc::default() }
    }

    /// # Shapes
    /// - input: `[.., in]`
    /// - output: `[.., out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let bias = self.bias.as_ref().map(Param::tensor);
        let y = match (self.weight.quantised(), bias) {
            (None, bias) => linear(x.clone(), self.weight.tensor(), bias),
            (Some(weight), None) => quantised_linear(x.clone(), &weight),
            (Some(weight), Some(bias)) => with_bias(quantised_linear(x.clone(), &weight), bias),
        };
        match self.lora() {
            None => y,
            Some(lora) => {
                // Adapters stay in f32 over weights in half precision: their steps are too small
                // for it.
                let low = linear(x, lora.down.tensor(), None);
                let update = linear(low, lora.up.tensor(), None);
                y + update.mul_scalar(lora.scale)
            }
        }
    }

    /// The outputs of several maps of the same input; quantised ones are computed together.
    ///
    /// # Shapes
    /// - input: `[.., in]`
    /// - outputs: `[.., out]` each
    pub fn together<const N: usize, const D: usize>(
        maps: [&Self; N],
        x: Tensor<D>,
    ) -> [Tensor<D>; N] {
        let quantised = |map: &Self| map.weight.quantised().filter(|_| map.lora().is_none());
        let weights: Vec<_> = maps.iter().filter_map(|map| quantised(map)).collect();
        let Ok(weights) = <[QuantMatrix; N]>::try_from(weights) else {
            return maps.map(|map| map.forward(x.clone()));
        };
        let mut outputs = quantised_linears(x, weights.each_ref()).into_iter();
        maps.map(|map| {
            let output = outputs.next().expect("one output for each map");
            match &map.bias {
                None => output,
                Some(bias) => with_bias(output, bias.tensor()),
            }
        })
    }

    /// Whether the weight is all that this map is made of: no bias, no adapter, not quantised.
    pub fn is_bare(&self) -> bool {
        self.bias.is_none() && self.lora().is_none() && self.weight.quantised().is_none()
    }

    /// The weight of a map that [is bare](Self::is_bare).
    pub fn bare(&self) -> Option<Tensor<2>> {
        self.is_bare().then(|| self.weight.tensor())
    }

    /// `[in, out]`.
    pub fn dims(&self) -> [usize; 2] {
        let [output, input] = self.weight.dims();
        [input, output]
    }

    /// Full name: the weight's without its `.weight`.
    pub fn name(&self) -> &str {
        let name = self.weight.cell().name();
        name.strip_suffix(".weight").unwrap_or(name)
    }

    /// The weight, `[out, in]`.
    pub fn weight(&self) -> &Param<2> {
        &self.weight
    }

    /// The weight with what the adapter adds to it, flat, in `f32`.
    pub(crate) fn merged(&self) -> Tensor<1> {
        let weight = self.weight.cell().value().cast(DType::F32);
        let Some(lora) = self.lora() else { return weight };
        let [down, up] = [&lora.down, &lora.up].map(|p| p.tensor().without_autodiff());
        let update = up.matmul(down).mul_scalar(lora.scale); // [out, in]
        weight + update.flatten(0, 1)
    }

    /// [`merged`](Self::merged), in row-major order.
    pub(crate) fn merged_f32(&self) -> Vec<f32> {
        self.merged().into_data().iter::<f32>().collect()
    }

    /// Freezes weight and bias.
    pub fn freeze(&self) {
        self.weight.cell().set_trainable(false);
        if let Some(bias) = &self.bias {
            bias.cell().set_trainable(false);
        }
    }

    /// Adds (or with `None` removes) an adapter.
    pub fn set_lora(&self, lora: Option<Lora>) {
        *self.lora.write().unwrap_or_else(PoisonError::into_inner) = lora;
    }

    /// The adapter in force.
    pub fn lora(&self) -> Option<Lora> {
        self.lora.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use burn::{Device, Int, TensorData};
    use quintet_weights::Raw;

    use super::*;
    use crate::{Embedding, vars::TensorSource};

    /// Matrices in Q8_0, `[8, 64]`, and biases, whose values depend on their names.
    struct Blocks;

    /// 0.01 in half precision.
    const SCALE: u16 = 0x211f;

    impl Blocks {
        const SHAPE: [usize; 2] = [8, 64];

        fn raw(name: &str) -> Raw {
            let count = Self::SHAPE.iter().product::<usize>() / 32;
            let block = |i: usize| {
                let values = (0..32).map(move |j| (i * 31 + j * 7 + name.len() * 13) as u8);
                SCALE.to_le_bytes().into_iter().chain(values)
            };
            let bytes = (0..count).flat_map(block).collect();
            Raw::new(quintet_weights::DType::Q8_0, Self::SHAPE.into(), bytes).unwrap()
        }
    }

    impl TensorSource for Blocks {
        fn describe(&self) -> String {
            "blocks".into()
        }

        fn names(&self) -> Vec<String> {
            ["a.weight", "bb.weight", "bb.bias"].map(String::from).into()
        }

        fn shape(&self, name: &str) -> Option<Vec<usize>> {
            Some(if name.ends_with("bias") { vec![8] } else { Self::SHAPE.into() })
        }

        fn read(&self, name: &str) -> Result<Vec<f32>> {
            match name.ends_with("bias") {
                true => Ok((0..8).map(|i| i as f32).collect()),
                false => Ok(Self::raw(name).to_f32()),
            }
        }

        fn quantised(&self, name: &str) -> Option<Raw> {
            name.ends_with("weight").then(|| Self::raw(name))
        }
    }

    fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
        (a - b).abs().max().into_scalar()
    }

    #[test]
    fn quantised_maps_together_are_each_alone_and_near_the_unpacked() {
        let vars = Vars::load(Blocks, &Device::flex(), DType::F32);
        let plain = Linear::new(&vars.at("a"), 64, 8, false).unwrap();
        let biased = Linear::new(&vars.at("bb"), 64, 8, true).unwrap();
        let params = vars.finish().unwrap();
        assert!(plain.weight().quantised().is_some());
        for tokens in [1, 3, 40] {
            let x: Vec<f32> = (0..tokens * 64).map(|i| (i as f32 * 0.37).sin()).collect();
            let x = TensorData::new(x, [1, tokens, 64]);
            let x = Tensor::<3>::from_data(x, &Device::flex());
            let together = Linear::together([&plain, &biased], x.clone());
            let alone = [&plain, &biased].map(|map| map.forward(x.clone()));
            for (together, alone) in together.into_iter().zip(alone) {
                assert_eq!(difference(together, alone), 0.0);
            }
        }
        let x = Tensor::<2>::ones([1, 64], &Device::flex());
        let found = biased.forward(x.clone());
        params.unpack();
        // Ones are rounded to bytes without loss.
        assert!(difference(found, biased.forward(x)) < 1e-4);
    }

    #[test]
    fn rows_of_a_quantised_table_are_those_of_the_unpacked() {
        let vars = Vars::load(Blocks, &Device::flex(), DType::F32);
        let table = Embedding::new(&vars.at("a"), 8, 64).unwrap();
        Linear::new(&vars.at("bb"), 64, 8, true).unwrap();
        let ids = TensorData::from([[7, 0, 3]]);
        let ids = Tensor::<2, Int>::from_data(ids, &Device::flex());
        let params = vars.finish().unwrap();
        let found = table.forward(ids.clone());
        params.unpack();
        assert_eq!(difference(found, table.forward(ids)), 0.0);
    }
}
