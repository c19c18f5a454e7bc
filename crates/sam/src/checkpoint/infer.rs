//! What a file in `segment-anything`'s layout is, told from its tensors.

use quintet_nn::{Activation, vars::TensorSource};

use super::source::Source;
use crate::config::{
    ConvolutionStage, DecoderConfig, EncoderConfig, SamConfig, TinyVitConfig, VitConfig,
    WindowStage,
};

/// The side that MobileSAM's code expects; no tensor tells it.
const MOBILE_IMAGE: usize = 1024;
/// The decoder's heads in every file of this layout; no tensor tells them.
const DECODER_HEADS: usize = 8;

/// Whether the networks use a tensor: TinyViT's classifier is left over from its pretraining.
pub fn keep(name: &str) -> bool {
    let classifier = ["image_encoder.head.", "image_encoder.norm_head."];
    !classifier.iter().any(|prefix| name.starts_with(prefix))
}

/// The sizes; the error is the reason in words.
pub fn config(source: &Source) -> Result<SamConfig, String> {
    let shapes = Shapes(source);
    let tokens = shapes.of("mask_decoder.mask_tokens.weight")?;
    let [masks, width] = tokens[..] else {
        return Err(format!("mask_decoder.mask_tokens.weight has shape {tokens:?}"));
    };
    let (encoder, image_size) = match shapes.has("image_encoder.patch_embed.proj.weight") {
        true => vit(&shapes)?,
        false => (tiny_vit(&shapes)?, MOBILE_IMAGE),
    };
    let block = "mask_decoder.transformer.layers.0";
    let cross = shapes.dim(&format!("{block}.cross_attn_token_to_image.q_proj.weight"), 0)?;
    let iou = "mask_decoder.iou_prediction_head";
    Ok(SamConfig {
        image_size,
        width,
        mask_channels: shapes.dim("prompt_encoder.mask_downscaling.3.weight", 0)?,
        encoder,
        decoder: DecoderConfig {
            layers: shapes.count("mask_decoder.transformer.layers", "norm1.weight"),
            heads: DECODER_HEADS,
            hidden: shapes.dim(&format!("{block}.mlp.lin1.weight"), 0)?,
            downsample: width / cross.max(1),
            masks: masks.saturating_sub(1),
            iou_layers: shapes.count(&format!("{iou}.layers"), "weight"),
            iou_hidden: shapes.dim(&format!("{iou}.layers.0.weight"), 0)?,
            norm_eps: 1e-5,
        },
    })
}

fn vit(shapes: &Shapes<'_>) -> Result<(EncoderConfig, usize), String> {
    let place = "image_encoder";
    let grid = shapes.dim(&format!("{place}.pos_embed"), 1)?;
    let width = shapes.dim(&format!("{place}.patch_embed.proj.weight"), 0)?;
    let patch_size = shapes.dim(&format!("{place}.patch_embed.proj.weight"), 3)?;
    let layers = shapes.count(&format!("{place}.blocks"), "norm1.weight");
    let table =
        |layer: usize, dim| shapes.dim(&format!("{place}.blocks.{layer}.attn.rel_pos_h"), dim);
    let sides = (0..layers).map(|layer| Ok(table(layer, 0)?.div_ceil(2)));
    let sides = sides.collect::<Result<Vec<_>, String>>()?;
    let vit = VitConfig {
        patch_size,
        width,
        layers,
        heads: width / table(0, 1)?.max(1),
        hidden: shapes.dim(&format!("{place}.blocks.0.mlp.lin1.weight"), 0)?,
        window: sides.iter().copied().find(|side| *side != grid).unwrap_or(grid),
        global_layers: (0..layers).filter(|layer| sides.get(*layer) == Some(&grid)).collect(),
        qkv_bias: shapes.has(&format!("{place}.blocks.0.attn.qkv.bias")),
        positions: true,
        relative_positions: true,
        activation: Activation::Gelu,
        norm_eps: 1e-6,
    };
    Ok((EncoderConfig::Vit(vit), grid.saturating_mul(patch_size)))
}

fn tiny_vit(shapes: &Shapes<'_>) -> Result<EncoderConfig, String> {
    let place = "image_encoder.layers";
    let depth = |stage: usize, tensor| shapes.count(&format!("{place}.{stage}.blocks"), tensor);
    let first = format!("{place}.0.blocks.0.conv1.c.weight");
    let stages = shapes.count(place, "blocks.0.attn.attention_biases");
    let stage = |stage: usize| -> Result<WindowStage, String> {
        let block = format!("{place}.{stage}.blocks.0");
        let biases = format!("{block}.attn.attention_biases");
        Ok(WindowStage {
            width: shapes.dim(&format!("{block}.attn.proj.weight"), 0)?,
            depth: depth(stage, "attn.attention_biases"),
            heads: shapes.dim(&biases, 0)?,
            window: shapes.dim(&biases, 1)?.isqrt(),
            hidden: shapes.dim(&format!("{block}.mlp.fc1.weight"), 0)?,
        })
    };
    Ok(EncoderConfig::TinyVit(TinyVitConfig {
        convolutions: ConvolutionStage {
            width: shapes.dim(&first, 1)?,
            depth: depth(0, "conv1.c.weight"),
            hidden: shapes.dim(&first, 0)?,
        },
        stages: (1..=stages).map(stage).collect::<Result<_, _>>()?,
    }))
}

struct Shapes<'a>(&'a Source);

impl Shapes<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.shape(name).is_some()
    }

    fn of(&self, name: &str) -> Result<Vec<usize>, String> {
        self.0.shape(name).ok_or_else(|| {
            format!(
                "tensor '{name}' is missing: expected a file of segment-anything (SAM ViT-B, -L, \
                 -H) or MobileSAM, or a directory with transformers' config.json"
            )
        })
    }

    fn dim(&self, name: &str, dim: usize) -> Result<usize, String> {
        let shape = self.of(name)?;
        shape.get(dim).copied().ok_or_else(|| format!("tensor '{name}' has shape {shape:?}"))
    }

    /// The numbers `N`, of those that follow one another, for which `{stack}.N.{tensor}` is there.
    /// The first may be 0 or 1.
    fn count(&self, stack: &str, tensor: &str) -> usize {
        let has = |i: &usize| self.has(&format!("{stack}.{i}.{tensor}"));
        let first = usize::from(!has(&0));
        (first..).take_while(has).count()
    }
}
