//! Rotary position embedding (Su et al., 2021) and its common scalings.

use std::f64::consts::TAU;

use burn::{DType, Device, Tensor, TensorData};
use quintet_kernels::rotate;
use serde::{Deserialize, Serialize};

/// How frequencies are stretched for contexts longer than a model was trained on, spelled as
/// Hugging Face's `rope_scaling` spells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rope_type", rename_all = "lowercase")]
pub enum RopeScaling {
    /// None.
    #[default]
    Default,
    /// Positions divided by `factor` (Chen et al., 2023).
    Linear {
        /// Ratio of the new context to the old.
        factor: f64,
    },
    /// The base grows with the sequence ("NTK-aware").
    Dynamic {
        /// Ratio of the new context to the old.
        factor: f64,
    },
    /// LLaMA 3.1's: long wavelengths divided by `factor`, short ones kept.
    Llama3 {
        /// Divisor of the lowest frequencies.
        factor: f64,
        /// Wavelengths above `original / low` are divided.
        low_freq_factor: f64,
        /// Wavelengths below `original / high` are kept.
        high_freq_factor: f64,
        /// Context the model was trained on.
        original_max_position_embeddings: usize,
    },
    /// YaRN (Peng et al., 2023).
    Yarn {
        /// Ratio of the new context to the old.
        factor: f64,
        /// Rotations above which a dimension is not interpolated.
        #[serde(default = "yarn_beta_fast")]
        beta_fast: f64,
        /// Rotations below which a dimension is fully interpolated.
        #[serde(default = "yarn_beta_slow")]
        beta_slow: f64,
        /// Scale of cos and sin; by default from `factor` and the two below.
        attention_factor: Option<f64>,
        /// Weight of `ln(factor)` in the scale's numerator, when both are given.
        mscale: Option<f64>,
        /// Weight of `ln(factor)` in the scale's denominator, when both are given.
        mscale_all_dim: Option<f64>,
        /// Whether the blend's ends are rounded to whole dimensions.
        #[serde(default = "yarn_truncate")]
        truncate: bool,
        /// Context the model was trained on; the configuration's when absent.
        original_max_position_embeddings: Option<usize>,
    },
}

fn yarn_beta_fast() -> f64 {
    32.0
}

fn yarn_beta_slow() -> f64 {
    1.0
}

fn yarn_truncate() -> bool {
    true
}

impl RopeScaling {
    /// Positions that a model reads whose configuration says `max_positions`: many that are stretched
    /// keep the number from before.
    pub fn context(&self, max_positions: usize) -> usize {
        let stretched =
            |from: usize, factor: f64| max_positions.max((from as f64 * factor) as usize);
        match self {
            Self::Linear { factor } | Self::Dynamic { factor } => stretched(max_positions, *factor),
            Self::Yarn { factor, original_max_position_embeddings: original, .. } => {
                stretched(original.unwrap_or(max_positions), *factor)
            }
            _ => max_positions,
        }
    }

    /// YaRN with the paper's constants.
    pub fn yarn(factor: f64, original_max_position_embeddings: usize) -> Self {
        Self::Yarn {
            factor,
            beta_fast: yarn_beta_fast(),
            beta_slow: yarn_beta_slow(),
            attention_factor: None,
            mscale: None,
            mscale_all_dim: None,
            truncate: yarn_truncate(),
            original_max_position_embeddings: Some(original_max_position_embeddings),
        }
    }
}

/// YaRN's scale of cos and sin for a context `factor` times as long (Peng et al., 2023, Eq. 22).
fn yarn_scale(factor: f64, weight: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 }
}

/// Rotary embedding of heads of one width.
#[derive(Clone, Debug)]
pub struct Rope {
    head_dim: usize,
    theta: f64,
    max_positions: usize,
    scaling: RopeScaling,
}

/// Cosines and sines for the tokens of one forward pass, shared by all layers.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// `[b or 1, 1, t, k]`
    cos: Tensor<4>,
    /// `[b or 1, 1, t, k]`
    sin: Tensor<4>,
}

impl Rope {
    /// For heads of width `head_dim` with base `theta`.
    pub fn new(head_dim: usize, theta: f64, max_positions: usize, scaling: RopeScaling) -> Self {
        Self { head_dim, theta, max_positions, scaling }
    }

    /// The rotation of tokens at `positions`, one list per row (or one for all rows).
    ///
    /// # Panics
    /// If the lists differ in length.
    pub fn at(&self, positions: &[Vec<usize>], dtype: DType, device: &Device) -> Rotation {
        let tokens = positions.first().map_or(0, Vec::len);
        assert!(positions.iter().all(|row| row.len() == tokens), "rows of unequal length");
        let longest = positions.iter().flatten().max().map_or(0, |last| last + 1);
        let (frequencies, scale) = self.frequencies(longest);
        let mut cos = Vec::with_capacity(positions.len() * tokens * self.head_dim);
        let mut sin = Vec::with_capacity(cos.capacity());
        for &position in positions.iter().flatten() {
            // The two halves of a head share their angles.
            for frequency in frequencies.iter().chain(&frequencies) {
                let angle = position as f32 * frequency;
                cos.push(angle.cos() * scale);
                sin.push(angle.sin() * scale);
            }
        }
        let shape = [positions.len(), 1, tokens, self.head_dim];
        let tensor = |values| Tensor::from_data(TensorData::new(values, shape), (device, dtype));
        Rotation { cos: tensor(cos), sin: tensor(sin) }
    }

    /// Angle per position for each half-head dimension, and the scale of cos and sin.
    fn frequencies(&self, longest: usize) -> (Vec<f32>, f32) {
        let plain = |theta: f64| {
            (0..self.head_dim / 2)
                .map(move |i| theta.powf(-2.0 * i as f64 / self.head_dim as f64))
                .collect::<Vec<f64>>()
        };
        let mut scale = 1.0;
        let frequencies = match self.scaling {
            RopeScaling::Default => plain(self.theta),
            RopeScaling::Linear { factor } => {
                plain(self.theta).into_iter().map(|f| f / factor).collect()
            }
            RopeScaling::Dynamic { factor } => {
                let stretch = longest.max(self.max_positions) as f64 / self.max_positions as f64;
                let dim = self.head_dim as f64;
                let grown = (factor * stretch - (factor - 1.0)).powf(dim / (dim - 2.0));
                plain(self.theta * grown)
            }
            RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                let original = original_max_position_embeddings as f64;
                let blend = |frequency: f64| {
                    let rotations = original * frequency / TAU;
                    let kept = (rotations - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    let kept = kept.clamp(0.0, 1.0);
                    kept * frequency + (1.0 - kept) * frequency / factor
                };
                plain(self.theta).into_iter().map(blend).collect()
            }
            RopeScaling::Yarn {
                factor,
                beta_fast,
                beta_slow,
                attention_factor,
                mscale,
                mscale_all_dim,
                truncate,
                original_max_position_embeddings,
            } => {
                let weights = mscale.zip(mscale_all_dim).filter(|&(a, b)| a != 0.0 && b != 0.0);
                scale = attention_factor.unwrap_or_else(|| match weights {
                    None => yarn_scale(factor, 1.0),
                    Some((up, down)) => yarn_scale(factor, up) / yarn_scale(factor, down),
                });
                let original = original_max_position_embeddings.unwrap_or(self.max_positions);
                let dim = self.head_dim as f64;
                // The dimension that turns `rotations` times over the original context.
                let turning = |rotations: f64| {
                    dim * (original as f64 / (rotations * TAU)).ln() / (2.0 * self.theta.ln())
                };
                let (mut low, mut high) = (turning(beta_fast), turning(beta_slow));
                if truncate {
                    (low, high) = (low.floor(), high.ceil());
                }
                let (low, high) = (low.max(0.0), high.min(dim - 1.0));
                // A context too short for a single turn gives a negative span: nothing blends.
                let span = if high == low { 0.001 } else { high - low };
                let blend = |(i, frequency): (usize, f64)| {
                    let interpolated = ((i as f64 - low) / span).clamp(0.0, 1.0);
                    frequency / factor * interpolated + frequency * (1.0 - interpolated)
                };
                plain(self.theta).into_iter().enumerate().map(blend).collect()
            }
        };
        (frequencies.into_iter().map(|f| f as f32).collect(), scale as f32)
    }
}

impl Rotation {
    /// Rotates queries or keys.
    ///
    /// # Shapes
    /// - input and output: `[b, h, t, k]`
    pub fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        rotate(x, &self.cos, &self.sin)
    }
}

#[cfg(test)]
mod tests {
    use super::RopeScaling;

    #[test]
    fn a_stretched_context_is_longer_than_the_configuration_says() {
        assert_eq!(RopeScaling::Default.context(2048), 2048);
        // Vicuna 1.5 16k; Qwen2.5 with YaRN; a YaRN whose configuration has the new number.
        assert_eq!(RopeScaling::Linear { factor: 4.0 }.context(4096), 16_384);
        assert_eq!(RopeScaling::yarn(4.0, 32_768).context(32_768), 131_072);
        assert_eq!(RopeScaling::yarn(4.0, 32_768).context(131_072), 131_072);
    }
}
