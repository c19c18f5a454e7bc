//! From the image's embedding and a prompt's tokens to masks; reference: `mask_decoder.py` of
//! `segment-anything`.

use std::ops::Range;

use burn::{Int, Tensor, TensorData};
use quintet_nn::{Activation, Init, LayerNorm, Linear, Param, Result, Vars};

use super::{
    conv::Double,
    two_way::{Image, TwoWay},
};
use crate::config::SamConfig;

/// Added to variances among the channels of the image.
const CHANNEL_EPS: f64 = 1e-6;

/// The mask decoder.
#[derive(Debug)]
pub struct MaskDecoder {
    iou_token: Param<2>,
    mask_tokens: Param<2>,
    transformer: TwoWay,
    double: [Double; 2],
    norm: LayerNorm,
    /// From each mask's token to the vector that its pixels are multiplied with.
    pixel_vectors: Vec<Layers>,
    iou: Layers,
    grid: usize,
}

/// Linear maps with ReLU between them.
#[derive(Debug)]
struct Layers(Vec<Linear>);

/// Which of the decoder's masks are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Masks {
    /// The one for prompts that leave no doubt.
    Single,
    /// Those for a prompt that may mean a whole, a part or a part of a part.
    #[default]
    Several,
    /// The single one, then the others.
    All,
}

/// What prompts and image have read in each other.
#[derive(Clone, Debug)]
pub struct Reading {
    /// `[b, t, d]`: one for the scores, one for each mask, then the prompt's.
    tokens: Tensor<3>,
    /// `[b, g², d]`
    image: Tensor<3>,
}

impl Reading {
    /// That of some of the prompts.
    pub fn pick(&self, prompts: &[usize]) -> Self {
        let index: Vec<i64> = prompts.iter().map(|prompt| *prompt as i64).collect();
        let index = TensorData::new(index, [prompts.len()]);
        let index = Tensor::<1, Int>::from_data(index, &self.tokens.device());
        Self {
            tokens: self.tokens.clone().select(0, index.clone()),
            image: self.image.clone().select(0, index),
        }
    }

    /// `[b, 1, d]`
    fn token(&self, i: usize) -> Tensor<3> {
        self.tokens.clone().narrow(1, i, 1)
    }
}

/// What the decoder says to each prompt.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Logits of the masks: `[b, m, 4·g, 4·g]`.
    pub logits: Tensor<4>,
    /// The IoU that is predicted for each: `[b, m]`.
    pub scores: Tensor<2>,
}

impl MaskDecoder {
    /// The decoder at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, config: &SamConfig) -> Result<Self> {
        let (width, decoder) = (config.width, &config.decoder);
        let masks = decoder.masks + 1;
        let tokens =
            |name: &str, count| vars.at(name).param("weight", [count, width], Init::Normal(1.0));
        let (upscaling, head) = (vars.at("output_upscaling"), vars.at("iou_prediction_head"));
        let pixel_vectors = |i| {
            let vars = vars.at("output_hypernetworks_mlps").at(i);
            Layers::new(&vars, [width, width, width / 8], 3)
        };
        Ok(Self {
            iou_token: tokens("iou_token", 1)?,
            mask_tokens: tokens("mask_tokens", masks)?,
            transformer: TwoWay::new(&vars.at("transformer"), width, decoder)?,
            double: [
                Double::new(&upscaling.at(0), width, width / 4)?,
                Double::new(&upscaling.at(3), width / 4, width / 8)?,
            ],
            norm: LayerNorm::new(&upscaling.at(1), width / 4, CHANNEL_EPS)?,
            pixel_vectors: (0..masks).map(pixel_vectors).collect::<Result<_>>()?,
            iou: Layers::new(&head, [width, decoder.iou_hidden, masks], decoder.iou_layers)?,
            grid: config.grid(),
        })
    }

    /// One image for any number of prompts; see [`TwoWay::share`].
    pub fn share(&self, image: Tensor<3>, positions: Tensor<3>) -> Image {
        self.transformer.share(image, positions)
    }

    /// # Shapes
    /// - prompts: `[b, t, d]`; `t` may be 0
    pub fn read(&self, image: &Image, prompts: Tensor<3>) -> Reading {
        let [b, t, d] = prompts.dims();
        let own = Tensor::cat(vec![self.iou_token.tensor(), self.mask_tokens.tensor()], 0);
        let own = own.unsqueeze::<3>().expand([b, 1 + self.pixel_vectors.len(), d]);
        let tokens = if t == 0 { own } else { Tensor::cat(vec![own, prompts], 1) };
        let (tokens, image) = self.transformer.forward(tokens, image);
        Reading { tokens, image }
    }

    /// The IoU that is predicted for each mask: `[b, m]`.
    pub fn scores(&self, reading: &Reading, masks: Masks) -> Tensor<2> {
        let wanted = self.wanted(masks);
        let scores: Tensor<2> = self.iou.forward(reading.token(0)).squeeze_dim(1);
        scores.narrow(1, wanted.start, wanted.len())
    }

    /// Logits of the masks: `[b, m, 4·g, 4·g]`.
    pub fn logits(&self, reading: &Reading, masks: Masks) -> Tensor<4> {
        let vector = |i: usize| self.pixel_vectors[i].forward(reading.token(1 + i));
        let vectors = Tensor::cat(self.wanted(masks).map(vector).collect(), 1); // [b, m, d/8]
        let pixels = self.upscale(reading.image.clone());
        in_rows(vectors.matmul(pixels.swap_dims(1, 2)), self.grid)
    }

    fn wanted(&self, masks: Masks) -> Range<usize> {
        match masks {
            Masks::Single => 0..1,
            Masks::Several => 1..self.pixel_vectors.len(),
            Masks::All => 0..self.pixel_vectors.len(),
        }
    }

    /// `[b, g², d]` to `[b, 16·g², d/8]`, the pixels that each becomes beside one another.
    fn upscale(&self, image: Tensor<3>) -> Tensor<3> {
        let [first, second] = &self.double;
        let x = Activation::Gelu.forward(self.norm.forward(first.forward(image)));
        Activation::Gelu.forward(second.forward(x))
    }
}

/// Brings pixels that were doubled twice into rows: `[b, m, 16·g²]` to `[b, m, 4·g, 4·g]`.
fn in_rows(x: Tensor<3>, grid: usize) -> Tensor<4> {
    let [b, m, _] = x.dims();
    x.reshape([b, m, grid, grid, 2, 2, 2, 2]).permute([0, 1, 2, 4, 6, 3, 5, 7]).reshape([
        b,
        m,
        4 * grid,
        4 * grid,
    ])
}

impl Layers {
    /// `count` maps from `input` over `hidden` to `output`, at `vars`.
    fn new(vars: &Vars, [input, hidden, output]: [usize; 3], count: usize) -> Result<Self> {
        let width = |i| match i {
            0 => input,
            i if i == count => output,
            _ => hidden,
        };
        let layer = |i| Linear::new(&vars.at("layers").at(i), width(i), width(i + 1), true);
        Ok(Self((0..count).map(layer).collect::<Result<_>>()?))
    }

    fn forward(&self, mut x: Tensor<3>) -> Tensor<3> {
        for (i, layer) in self.0.iter().enumerate() {
            x = layer.forward(if i == 0 { x } else { Activation::Relu.forward(x) });
        }
        x
    }
}
