//! MobileSAM's image encoder; reference: `tiny_vit_sam.py` of MobileSAM. Batch norms are part of the
//! convolutions before them.

use burn::Tensor;
use quintet_nn::{Activation, LayerNorm, Linear, Mlp, Result, Vars};

use super::{
    biased::BiasedAttention,
    conv::Conv,
    neck::Neck,
    window::{join, partition},
};
use crate::config::{TinyVitConfig, WindowStage};

/// Added to variances, as PyTorch does by default.
const NORM_EPS: f64 = 1e-5;

/// A stem and a stage of convolutions, stages of window attention, and a neck.
#[derive(Debug)]
pub struct TinyVit {
    stem: [Conv; 2],
    bottlenecks: Vec<Bottleneck>,
    stages: Vec<Stage>,
    neck: Neck,
}

/// The inverted bottleneck with a convolution of each channel (Sandler et al., 2018).
#[derive(Debug)]
struct Bottleneck {
    widen: Conv,
    mix: Conv,
    narrow: Conv,
}

#[derive(Debug)]
struct Stage {
    merging: Merging,
    blocks: Vec<Block>,
}

/// What brings a stage's output to the next stage's width and resolution.
#[derive(Debug)]
struct Merging {
    widen: Conv,
    mix: Conv,
    out: Conv,
}

#[derive(Debug)]
struct Block {
    attention: BiasedAttention,
    local: Conv,
    norm: LayerNorm,
    mlp: Mlp,
    window: usize,
}

impl TinyVit {
    /// The encoder at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match.
    pub fn new(vars: &Vars, config: &TinyVitConfig, output: usize) -> Result<Self> {
        let first = &config.convolutions;
        let layers = vars.at("layers");
        let stem = vars.at("patch_embed.seq");
        let bottleneck =
            |i: usize| Bottleneck::new(&layers.at(0).at("blocks").at(i), first.width, first.hidden);
        let mut stages = Vec::with_capacity(config.stages.len());
        let mut width = first.width;
        for (i, stage) in config.stages.iter().enumerate() {
            // The last stage keeps the resolution.
            let stride = if i + 1 == config.stages.len() { 1 } else { 2 };
            let merging = layers.at(i).at("downsample");
            stages.push(Stage {
                merging: Merging::new(&merging, [width, stage.width], stride)?,
                blocks: (0..stage.depth)
                    .map(|block| Block::new(&layers.at(i + 1).at("blocks").at(block), stage))
                    .collect::<Result<_>>()?,
            });
            width = stage.width;
        }
        Ok(Self {
            stem: [
                Conv::new(&stem.at("0.c"), [3, first.width / 2], 3, 2, true)?,
                Conv::new(&stem.at("2.c"), [first.width / 2, first.width], 3, 2, true)?,
            ],
            bottlenecks: (0..first.depth).map(bottleneck).collect::<Result<_>>()?,
            stages,
            neck: Neck::new(vars, width, output)?,
        })
    }

    /// # Shapes
    /// - pixels: `[b, 3, s, s]`
    /// - output: `[b, g², d]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let [first, second] = &self.stem;
        let mut x = gelu(first.forward(pixels.permute([0, 2, 3, 1])));
        x = second.forward(x);
        for bottleneck in &self.bottlenecks {
            x = bottleneck.forward(x);
        }
        for stage in &self.stages {
            x = stage.merging.forward(x);
            for block in &stage.blocks {
                x = block.forward(x);
            }
        }
        self.neck.forward(x)
    }
}

impl Bottleneck {
    fn new(vars: &Vars, width: usize, hidden: usize) -> Result<Self> {
        Ok(Self {
            widen: Conv::new(&vars.at("conv1.c"), [width, hidden], 1, 1, true)?,
            mix: Conv::depthwise(&vars.at("conv2.c"), hidden, 1)?,
            narrow: Conv::new(&vars.at("conv3.c"), [hidden, width], 1, 1, true)?,
        })
    }

    /// `[b, h, w, d]` to the same.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let wide = gelu(self.widen.forward(x.clone()));
        let mixed = gelu(self.mix.forward(wide));
        gelu(self.narrow.forward(mixed) + x)
    }
}

impl Merging {
    fn new(vars: &Vars, [input, output]: [usize; 2], stride: usize) -> Result<Self> {
        Ok(Self {
            widen: Conv::new(&vars.at("conv1.c"), [input, output], 1, 1, true)?,
            mix: Conv::depthwise(&vars.at("conv2.c"), output, stride)?,
            out: Conv::new(&vars.at("conv3.c"), [output, output], 1, 1, true)?,
        })
    }

    /// `[b, h, w, in]` to `[b, h/stride, w/stride, out]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.out.forward(gelu(self.mix.forward(gelu(self.widen.forward(x)))))
    }
}

impl Block {
    fn new(vars: &Vars, stage: &WindowStage) -> Result<Self> {
        let width = stage.width;
        let mlp = vars.at("mlp");
        let up = Linear::new(&mlp.at("fc1"), width, stage.hidden, true)?;
        let down = Linear::new(&mlp.at("fc2"), stage.hidden, width, true)?;
        let (heads, window) = (stage.heads, stage.window);
        Ok(Self {
            attention: BiasedAttention::new(&vars.at("attn"), width, heads, window, NORM_EPS)?,
            local: Conv::depthwise(&vars.at("local_conv.c"), width, 1)?,
            norm: LayerNorm::new(&mlp.at("norm"), width, NORM_EPS)?,
            mlp: Mlp::new(up, down, Activation::Gelu),
            window,
        })
    }

    /// `[b, h, w, d]` to the same.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [b, h, w, _] = x.dims();
        let windows = partition(x.clone(), self.window);
        let x = x + join(self.attention.forward(windows), self.window, [b, h, w]);
        let x = self.local.forward(x);
        x.clone() + self.mlp.forward(self.norm.forward(x))
    }
}

fn gelu(x: Tensor<4>) -> Tensor<4> {
    Activation::Gelu.forward(x)
}
