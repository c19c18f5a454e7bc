//! From points, boxes and masks to tokens; reference: `prompt_encoder.py` of `segment-anything`.

use burn::{Int, Tensor, TensorData};
use quintet_nn::{Activation, Init, LayerNorm, Param, Result, Vars};

use super::conv::Conv;
use crate::config::SamConfig;

/// What a point of a prompt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointKind {
    /// Nothing: it ends a prompt that has no box.
    Padding = 0,
    /// Not part of the object.
    Background = 1,
    /// Part of the object.
    Foreground = 2,
    /// The upper left corner of a box.
    UpperLeft = 3,
    /// The lower right corner of a box.
    LowerRight = 4,
}

/// A point in pixels of the encoder's image, from the centre of the upper left pixel.
pub type PlacedPoint = ([f32; 2], PointKind);

/// Embeds prompts.
#[derive(Debug)]
pub struct PromptEncoder {
    /// Frequencies of the random Fourier features (Tancik et al., 2020), `[2, d / 2]`.
    frequencies: Param<2>,
    /// One vector for each kind of point, `[1, d]`.
    kinds: [Param<2>; 5],
    no_mask: Param<2>,
    mask: MaskEmbedding,
    image_size: usize,
    grid: usize,
}

#[derive(Debug)]
struct MaskEmbedding {
    halve: [Conv; 2],
    norms: [LayerNorm; 2],
    widen: Conv,
}

impl PromptEncoder {
    /// The encoder at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, config: &SamConfig) -> Result<Self> {
        let width = config.width;
        let vector = |name: &str| vars.at(name).param("weight", [1, width], Init::Normal(1.0));
        let name = "positional_encoding_gaussian_matrix";
        Ok(Self {
            frequencies: vars.at("pe_layer").param(name, [2, width / 2], Init::Normal(1.0))?,
            kinds: [
                vector("not_a_point_embed")?,
                vector("point_embeddings.0")?,
                vector("point_embeddings.1")?,
                vector("point_embeddings.2")?,
                vector("point_embeddings.3")?,
            ],
            no_mask: vector("no_mask_embed")?,
            mask: MaskEmbedding::new(&vars.at("mask_downscaling"), config.mask_channels, width)?,
            image_size: config.image_size,
            grid: config.grid(),
        })
    }

    /// Tokens of prompts that all have the same number of points.
    ///
    /// # Shapes
    /// - output: `[prompts, points, d]`
    ///
    /// # Panics
    /// If the numbers of points differ.
    pub fn points(&self, prompts: &[Vec<PlacedPoint>]) -> Tensor<3> {
        let count = prompts.first().map_or(0, Vec::len);
        assert!(prompts.iter().all(|points| points.len() == count), "prompts of unlike lengths");
        if count == 0 {
            let frequencies = self.frequencies.tensor();
            let shape = [prompts.len(), 0, 2 * frequencies.dims()[1]];
            return Tensor::zeros(shape, (&frequencies.device(), frequencies.dtype()));
        }
        let all = || prompts.iter().flatten();
        let side = self.image_size as f32;
        let places: Vec<f32> =
            all().flat_map(|([x, y], _)| [(x + 0.5) / side, (y + 0.5) / side]).collect();
        let kinds: Vec<i64> = all().map(|(_, kind)| *kind as i64).collect();
        let real: Vec<f32> =
            all().map(|(_, kind)| f32::from(*kind != PointKind::Padding)).collect();
        let table = Tensor::cat(self.kinds.iter().map(Param::tensor).collect(), 0);
        let (device, total) = (table.device(), kinds.len());
        let places =
            Tensor::from_data(TensorData::new(places, [total, 2]), (&device, table.dtype()));
        let real = Tensor::from_data(TensorData::new(real, [total, 1]), (&device, table.dtype()));
        let kinds = Tensor::<1, Int>::from_data(TensorData::new(kinds, [total]), &device);
        let tokens = self.encode(places) * real + table.clone().select(0, kinds);
        tokens.reshape([prompts.len(), count, table.dims()[1]])
    }

    /// What is added to the image's embedding for want of a mask prompt: `[1, 1, d]`.
    pub fn no_mask(&self) -> Tensor<3> {
        self.no_mask.tensor().unsqueeze()
    }

    /// What is added to the image's embedding for mask prompts.
    ///
    /// # Shapes
    /// - logits: `[b, 4·g, 4·g]`
    /// - output: `[b, g², d]`
    pub fn masks(&self, logits: Tensor<3>) -> Tensor<3> {
        self.mask.forward(logits.unsqueeze_dim(3)).flatten(1, 2)
    }

    /// The positions of the image's tokens: `[1, g², d]`.
    pub fn positions(&self) -> Tensor<3> {
        let centre = |i: usize| (i as f32 + 0.5) / self.grid as f32;
        let places = (0..self.grid * self.grid)
            .flat_map(|i| [centre(i % self.grid), centre(i / self.grid)])
            .collect::<Vec<f32>>();
        let frequencies = self.frequencies.tensor();
        let places = TensorData::new(places, [self.grid * self.grid, 2]);
        let places = Tensor::from_data(places, (&frequencies.device(), frequencies.dtype()));
        self.encode(places).unsqueeze()
    }

    /// Places within the unit square, `[n, 2]`, to `[n, d]`.
    fn encode(&self, places: Tensor<2>) -> Tensor<2> {
        let centred = places.mul_scalar(2.0).sub_scalar(1.0);
        let angles = centred.matmul(self.frequencies.tensor()).mul_scalar(std::f64::consts::TAU);
        Tensor::cat(vec![angles.clone().sin(), angles.cos()], 1)
    }
}

impl MaskEmbedding {
    fn new(vars: &Vars, channels: usize, width: usize) -> Result<Self> {
        let quarter = channels / 4;
        Ok(Self {
            halve: [
                Conv::new(&vars.at(0), [1, quarter], 2, 2, true)?,
                Conv::new(&vars.at(3), [quarter, channels], 2, 2, true)?,
            ],
            norms: [
                LayerNorm::new(&vars.at(1), quarter, 1e-6)?,
                LayerNorm::new(&vars.at(4), channels, 1e-6)?,
            ],
            widen: Conv::new(&vars.at(6), [channels, width], 1, 1, true)?,
        })
    }

    /// `[b, 4·g, 4·g, 1]` to `[b, g, g, d]`
    fn forward(&self, mut x: Tensor<4>) -> Tensor<4> {
        for (halve, norm) in self.halve.iter().zip(&self.norms) {
            x = Activation::Gelu.forward(norm.forward(halve.forward(x)));
        }
        self.widen.forward(x)
    }
}
