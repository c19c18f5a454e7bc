//! From an encoder's tokens to the image's embedding.

use burn::Tensor;
use quintet_nn::{LayerNorm, Result, Vars};

use super::conv::Conv;

/// Two convolutions, each normed over the channels.
#[derive(Debug)]
pub struct Neck {
    narrow: Conv,
    norm1: LayerNorm,
    mix: Conv,
    norm2: LayerNorm,
}

impl Neck {
    /// Of the encoder at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, input: usize, output: usize) -> Result<Self> {
        let vars = vars.at("neck");
        Ok(Self {
            narrow: Conv::new(&vars.at(0), [input, output], 1, 1, false)?,
            norm1: LayerNorm::new(&vars.at(1), output, 1e-6)?,
            mix: Conv::new(&vars.at(2), [output, output], 3, 1, false)?,
            norm2: LayerNorm::new(&vars.at(3), output, 1e-6)?,
        })
    }

    /// # Shapes
    /// - input: `[b, g, g, in]`
    /// - output: `[b, g², out]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<3> {
        let x = self.norm1.forward(self.narrow.forward(x));
        let x = self.norm2.forward(self.mix.forward(x));
        x.flatten(1, 2)
    }
}
