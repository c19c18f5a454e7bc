//! `SamModel` of `transformers`: its `config.json`, and its names.

use quintet_nn::Activation;
use quintet_weights::Weights;
use serde::Deserialize;

use crate::config::{DecoderConfig, EncoderConfig, SamConfig, VitConfig};

/// `SamConfig`; absent fields take the defaults of `transformers`.
#[derive(Deserialize)]
#[serde(default)]
struct Config {
    model_type: String,
    vision_config: Vision,
    prompt_encoder_config: Prompts,
    mask_decoder_config: Decoder,
}

#[derive(Deserialize)]
#[serde(default)]
struct Vision {
    hidden_size: usize,
    output_channels: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_channels: usize,
    image_size: usize,
    patch_size: usize,
    hidden_act: Activation,
    layer_norm_eps: f64,
    qkv_bias: bool,
    mlp_ratio: f64,
    use_abs_pos: bool,
    use_rel_pos: bool,
    window_size: usize,
    global_attn_indexes: Vec<usize>,
    num_pos_feats: usize,
    mlp_dim: Option<usize>,
}

#[derive(Deserialize)]
#[serde(default)]
struct Prompts {
    hidden_size: usize,
    image_size: usize,
    patch_size: usize,
    mask_input_channels: usize,
    num_point_embeddings: usize,
    hidden_act: Activation,
}

#[derive(Deserialize)]
#[serde(default)]
struct Decoder {
    hidden_size: usize,
    hidden_act: Activation,
    mlp_dim: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    attention_downsample_rate: usize,
    num_multimask_outputs: usize,
    iou_head_depth: usize,
    iou_head_hidden_dim: usize,
    layer_norm_eps: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model_type: "sam".into(),
            vision_config: Vision::default(),
            prompt_encoder_config: Prompts::default(),
            mask_decoder_config: Decoder::default(),
        }
    }
}

impl Default for Vision {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            output_channels: 256,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 1024,
            patch_size: 16,
            hidden_act: Activation::Gelu,
            layer_norm_eps: 1e-6,
            qkv_bias: true,
            mlp_ratio: 4.0,
            use_abs_pos: true,
            use_rel_pos: true,
            window_size: 14,
            global_attn_indexes: vec![2, 5, 8, 11],
            num_pos_feats: 128,
            mlp_dim: None,
        }
    }
}

impl Default for Prompts {
    fn default() -> Self {
        Self {
            hidden_size: 256,
            image_size: 1024,
            patch_size: 16,
            mask_input_channels: 16,
            num_point_embeddings: 4,
            hidden_act: Activation::Gelu,
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            hidden_size: 256,
            hidden_act: Activation::Relu,
            mlp_dim: 2048,
            num_hidden_layers: 2,
            num_attention_heads: 8,
            attention_downsample_rate: 2,
            num_multimask_outputs: 3,
            iou_head_depth: 3,
            iou_head_hidden_dim: 256,
            layer_norm_eps: 1e-6,
        }
    }
}

/// The sizes; the error is the reason in words.
pub fn config(text: &str) -> Result<SamConfig, String> {
    let config: Config = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Config { vision_config: vision, prompt_encoder_config: prompts, .. } = config;
    let decoder = config.mask_decoder_config;
    if config.model_type != "sam" {
        return Err(format!("model_type is '{}': expected 'sam'", config.model_type));
    }
    let width = decoder.hidden_size;
    let alike = [
        ("vision_config.output_channels", vision.output_channels, width),
        ("prompt_encoder_config.hidden_size", prompts.hidden_size, width),
        ("prompt_encoder_config.image_size", prompts.image_size, vision.image_size),
        ("prompt_encoder_config.patch_size", prompts.patch_size, vision.patch_size),
        ("prompt_encoder_config.num_point_embeddings", prompts.num_point_embeddings, 4),
        ("vision_config.num_channels", vision.num_channels, 3),
        ("vision_config.num_pos_feats", vision.num_pos_feats, width / 2),
    ];
    if let Some((name, found, expected)) = alike.into_iter().find(|(_, a, b)| a != b) {
        return Err(format!("{name} is {found}: expected {expected}, as the other sizes say"));
    }
    for (name, found, expected) in [
        ("prompt_encoder_config", prompts.hidden_act, Activation::Gelu),
        ("mask_decoder_config", decoder.hidden_act, Activation::Relu),
    ] {
        if found != expected {
            return Err(format!("{name}.hidden_act is {found:?}: expected {expected:?}"));
        }
    }
    let hidden = (vision.hidden_size as f64 * vision.mlp_ratio) as usize;
    let vit = VitConfig {
        patch_size: vision.patch_size,
        width: vision.hidden_size,
        layers: vision.num_hidden_layers,
        heads: vision.num_attention_heads,
        hidden: vision.mlp_dim.unwrap_or(hidden),
        window: vision.window_size,
        global_layers: vision.global_attn_indexes,
        qkv_bias: vision.qkv_bias,
        positions: vision.use_abs_pos,
        relative_positions: vision.use_rel_pos,
        activation: vision.hidden_act,
        norm_eps: vision.layer_norm_eps,
    };
    Ok(SamConfig {
        image_size: vision.image_size,
        width,
        mask_channels: prompts.mask_input_channels,
        encoder: EncoderConfig::Vit(vit),
        decoder: DecoderConfig {
            layers: decoder.num_hidden_layers,
            heads: decoder.num_attention_heads,
            hidden: decoder.mlp_dim,
            downsample: decoder.attention_downsample_rate,
            masks: decoder.num_multimask_outputs,
            iou_layers: decoder.iou_head_depth,
            iou_hidden: decoder.iou_head_hidden_dim,
            norm_eps: decoder.layer_norm_eps,
        },
    })
}

/// Parts of names in `transformers`, and in the networks here. The first that a name begins with, or
/// has in its middle, is replaced.
const BEGINNINGS: [(&str, &str); 17] = [
    ("shared_image_embedding.positional_embedding", FREQUENCIES),
    ("vision_encoder.patch_embed.projection.", "image_encoder.patch_embed.proj."),
    ("vision_encoder.layers.", "image_encoder.blocks."),
    ("vision_encoder.neck.conv1.", "image_encoder.neck.0."),
    ("vision_encoder.neck.layer_norm1.", "image_encoder.neck.1."),
    ("vision_encoder.neck.conv2.", "image_encoder.neck.2."),
    ("vision_encoder.neck.layer_norm2.", "image_encoder.neck.3."),
    ("vision_encoder.", "image_encoder."),
    ("prompt_encoder.mask_embed.conv1.", "prompt_encoder.mask_downscaling.0."),
    ("prompt_encoder.mask_embed.layer_norm1.", "prompt_encoder.mask_downscaling.1."),
    ("prompt_encoder.mask_embed.conv2.", "prompt_encoder.mask_downscaling.3."),
    ("prompt_encoder.mask_embed.layer_norm2.", "prompt_encoder.mask_downscaling.4."),
    ("prompt_encoder.mask_embed.conv3.", "prompt_encoder.mask_downscaling.6."),
    ("prompt_encoder.point_embed.", "prompt_encoder.point_embeddings."),
    ("mask_decoder.upscale_conv1.", "mask_decoder.output_upscaling.0."),
    ("mask_decoder.upscale_layer_norm.", "mask_decoder.output_upscaling.1."),
    ("mask_decoder.upscale_conv2.", "mask_decoder.output_upscaling.3."),
];
const FREQUENCIES: &str = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix";
/// The same tensor as the shared one; some files have it twice.
const TIED: &str = "prompt_encoder.shared_embedding.positional_embedding";

/// The networks' name of a tensor.
pub fn name(name: &str, weights: &Weights) -> Option<String> {
    if name == TIED {
        return None;
    }
    let beginning = BEGINNINGS.iter().find(|(theirs, _)| name.starts_with(theirs));
    let name = match beginning {
        Some((theirs, ours)) => format!("{ours}{}", &name[theirs.len()..]),
        None => name.to_owned(),
    };
    let name = name
        .replace(".layer_norm_final_attn.", ".norm_final_attn.")
        .replace(".layer_norm", ".norm");
    Some(layer(&name, weights).unwrap_or(name))
}

/// The name of a layer of the decoder's heads, whose first and last layer have names of their own.
fn layer(name: &str, weights: &Weights) -> Option<String> {
    let heads = ["mask_decoder.output_hypernetworks_mlps.", "mask_decoder.iou_prediction_head."];
    heads.iter().find(|head| name.starts_with(*head))?;
    if let Some((head, rest)) = name.split_once(".proj_in.") {
        return Some(format!("{head}.layers.0.{rest}"));
    }
    if let Some((head, rest)) = name.split_once(".proj_out.") {
        let middle =
            (0..).take_while(|i| weights.info(&format!("{head}.layers.{i}.weight")).is_some());
        return Some(format!("{head}.layers.{}.{rest}", middle.count() + 1));
    }
    let (head, rest) = name.split_once(".layers.")?;
    let (number, rest) = rest.split_once('.')?;
    Some(format!("{head}.layers.{}.{rest}", number.parse::<u32>().ok()?.checked_add(1)?))
}
