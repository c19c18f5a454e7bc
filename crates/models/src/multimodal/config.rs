//! The configuration of a joined model: LLaVA's `config.json`, and its extension to other
//! projectors.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Error, Result,
    backbones::DecoderConfig,
    encoders::{EncoderConfig, FeatureSelect, Geometry},
    input_projectors::{ProjectorConfig, mlp::MlpConfig},
};

/// Which parts, and how they are joined.
#[derive(Clone, Debug, PartialEq)]
pub struct MultimodalConfig {
    /// The modality encoder.
    pub vision: EncoderConfig,
    /// The input projector.
    pub projector: ProjectorConfig,
    /// The LLM backbone.
    pub text: DecoderConfig,
    /// Id of the placeholder token.
    pub image_token: u32,
    /// Which hidden state of the encoder the features are, counted as LLaVA counts.
    pub feature_layer: i64,
    /// Which tokens of it.
    pub select: FeatureSelect,
}

/// `config.json` as `LlavaConfig` writes it.
#[derive(Serialize, Deserialize)]
struct Layout {
    model_type: String,
    vision_config: EncoderConfig,
    text_config: DecoderConfig,
    #[serde(alias = "image_token_id")]
    image_token_index: u32,
    #[serde(default = "second_to_last")]
    vision_feature_layer: Value,
    #[serde(default)]
    vision_feature_select_strategy: FeatureSelect,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    projector_hidden_act: Option<quintet_nn::Activation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    multimodal_projector_bias: Option<bool>,
    /// Only in models that LLaVA's layout has no words for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    projector_config: Option<ProjectorConfig>,
}

fn second_to_last() -> Value {
    json!(-2)
}

impl MultimodalConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// If the file is missing, malformed, or describes another kind of model.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        let fail = |reason: String| Error::Config { path: path.to_owned(), reason };
        let layout: Layout =
            serde_json::from_slice(&bytes).map_err(|error| fail(error.to_string()))?;
        Self::from_layout(layout).map_err(fail)
    }

    /// As [`load`](Self::load), from JSON at hand.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_json(value: &Value) -> Result<Self> {
        let fail = |reason: String| Error::Config { path: PathBuf::from("config.json"), reason };
        let layout = Layout::deserialize(value).map_err(|error| fail(error.to_string()))?;
        Self::from_layout(layout).map_err(fail)
    }

    fn from_layout(layout: Layout) -> std::result::Result<Self, String> {
        let feature_layer = layout.vision_feature_layer.as_i64().ok_or_else(|| {
            format!(
                "vision_feature_layer is {}; one layer number is supported",
                layout.vision_feature_layer
            )
        })?;
        let projector = match (layout.model_type.as_str(), layout.projector_config) {
            ("llava", None) => MlpConfig {
                input_dim: layout.vision_config.width(),
                output_dim: layout.text_config.hidden_size,
                projector_hidden_act: layout
                    .projector_hidden_act
                    .unwrap_or(quintet_nn::Activation::Gelu),
                multimodal_projector_bias: layout.multimodal_projector_bias.unwrap_or(true),
            }
            .into(),
            ("quintet", Some(projector)) => projector,
            ("quintet", None) => return Err("model_type quintet needs a projector_config".into()),
            (other, _) => {
                return Err(format!("model_type is '{other}'; expected 'llava' or 'quintet'"));
            }
        };
        Ok(Self {
            vision: layout.vision_config,
            projector,
            text: layout.text_config,
            image_token: layout.image_token_index,
            feature_layer,
            select: layout.vision_feature_select_strategy,
        })
    }

    /// The content of `config.json`. With an MLP projector it is LLaVA's, which `transformers`
    /// loads; other projectors are named in an added `projector_config`.
    ///
    /// # Errors
    /// If a part cannot be written as JSON.
    pub fn to_json(&self) -> Result<Value> {
        let (model_type, act, bias, projector) = match &self.projector {
            ProjectorConfig::MlpConfig(mlp) => {
                ("llava", Some(mlp.projector_hidden_act), Some(mlp.multimodal_projector_bias), None)
            }
            other => ("quintet", None, None, Some(other.clone())),
        };
        let layout = Layout {
            model_type: model_type.into(),
            vision_config: self.vision.clone(),
            text_config: self.text.clone(),
            image_token_index: self.image_token,
            vision_feature_layer: json!(self.feature_layer),
            vision_feature_select_strategy: self.select,
            projector_hidden_act: act,
            multimodal_projector_bias: bias,
            projector_config: projector,
        };
        let fail = |error: serde_json::Error| Error::Request(error.to_string());
        let mut value = serde_json::to_value(layout).map_err(fail)?;
        if model_type == "llava" {
            value["architectures"] = json!(["LlavaForConditionalGeneration"]);
            value["tie_word_embeddings"] = json!(self.text.tie_word_embeddings);
            value["dtype"] = json!("float32");
        }
        Ok(value)
    }

    /// The content of `processor_config.json`: how `LlavaProcessor` counts the tokens of a
    /// picture. Projectors that change their number are unknown to it.
    pub fn processor_json(&self, image_token: &str) -> Value {
        let Geometry { patch_size, class_token, .. } = self.vision.geometry();
        json!({
            "processor_class": "LlavaProcessor",
            "image_token": image_token,
            "patch_size": patch_size,
            "num_additional_image_tokens": u32::from(class_token),
            "vision_feature_select_strategy": self.select,
        })
    }

    /// Checks that the parts' widths meet.
    ///
    /// # Errors
    /// If they do not, or the placeholder is outside the vocabulary.
    pub fn validate(&self) -> Result<()> {
        if self.image_token as usize >= self.text.vocab_size {
            return Err(Error::Config {
                path: PathBuf::from("config.json"),
                reason: format!(
                    "image_token_index {} is outside the vocabulary of {}",
                    self.image_token, self.text.vocab_size
                ),
            });
        }
        Ok(())
    }

    /// The model's name for a tensor of a checkpoint, or `None` for one that holds no parameter
    /// of its own.
    ///
    /// LLaVA files come in two spellings: `language_model.model.…` (the hub's, and what
    /// `transformers` saves) and `model.language_model.…` with `lm_head` outside (how some
    /// versions name their modules).
    pub fn parameter_name(&self, name: &str) -> Option<String> {
        let name = name.strip_prefix("model.").filter(|rest| is_part(rest)).map_or_else(
            || name.to_owned(),
            |rest| match rest.strip_prefix("language_model.") {
                Some(rest) if !rest.starts_with("model.") && !rest.starts_with("lm_head.") => {
                    format!("language_model.model.{rest}")
                }
                _ => rest.to_owned(),
            },
        );
        let name = match name.strip_prefix("lm_head.") {
            Some(rest) => format!("language_model.lm_head.{rest}"),
            None => name,
        };
        if name.ends_with(".embeddings.position_ids") {
            return None;
        }
        match name.strip_prefix("language_model.") {
            Some(rest) => Some(format!("language_model.{}", self.text.parameter_name(rest)?)),
            None => Some(name),
        }
    }
}

fn is_part(name: &str) -> bool {
    super::PARTS.iter().any(|(_, prefix)| name.starts_with(prefix))
}
