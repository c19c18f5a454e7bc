//! From the image's embedding and a prompt's tokens to masks; reference: `mask_decoder.py` of
//! `segment-anything`.

use burn::Tensor;
use quintet_nn::{Activation, Init, LayerNorm, Linear, Param, Result, Vars};

use super::{conv::Double, two_way::TwoWay};
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

    /// # Shapes
    /// - image: `[1 or b, g², d]`, with what the mask prompts add
    /// - positions: `[1, g², d]`
    /// - prompts: `[b, t, d]`; `t` may be 0
    pub fn forward(
        &self,
        image: Tensor<3>,
        positions: Tensor<3>,
        prompts: Tensor<3>,
        masks: Masks,
    ) -> Decoded {
        let [b, t, d] = prompts.dims();
        let own = Tensor::cat(vec![self.iou_token.tensor(), self.mask_tokens.tensor()], 0);
        let count = self.pixel_vectors.len();
        let wanted = match masks {
            Masks::Single => 0..1,
            Masks::Several => 1..count,
            Masks::All => 0..count,
        };
        let own = own.unsqueeze::<3>().expand([b, 1 + count, d]);
        let tokens = if t == 0 { own } else { Tensor::cat(vec![own, prompts], 1) };
        let (tokens, image) = self.transformer.forward(tokens, image, positions);
        let token = |i| tokens.clone().narrow(1, i, 1); // [b, 1, d]
        let vectors = wanted.clone().map(|i| self.pixel_vectors[i].forward(token(1 + i))).collect();
        let logits = Tensor::cat(vectors, 1).matmul(self.upscale(image).swap_dims(1, 2));
        let scores: Tensor<2> = self.iou.forward(token(0)).squeeze_dim(1);
        let scores = scores.narrow(1, wanted.start, wanted.len());
        Decoded { logits: in_rows(logits, self.grid), scores }
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
