//! `[model]` of a recipe: an existing checkpoint, or parts to start from nothing.

use std::{path::PathBuf, sync::Arc};

use burn::{DType, Device};
use quintet_data::{
    chat::{ChatTemplate, EncodeOptions},
    image_processor::{ImageProcessor, Kind, Size},
    scene::tasks,
    tokenizer::{BpeOptions, Tokenizer, train_bpe},
};
use quintet_models::{Multimodal, Processor, multimodal::MultimodalConfig};
use quintet_nn::{Vars, as_stored};
use quintet_weights::Weights;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::start::StartSpec;
use crate::{
    BoxError,
    memory::{self, Load},
};

/// What a run starts from.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum ModelSpec {
    /// A checkpoint: a directory, a key of `quintet models`, or a hub name.
    Checkpoint {
        /// Which.
        path: String,
    },
    /// New parts.
    New(Box<NewModel>),
}

/// Parts to start from nothing, spelled as in Hugging Face configurations.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewModel {
    /// `vision_config`.
    pub vision: Map<String, Value>,
    /// `text_config`, without the vocabulary size.
    pub text: Map<String, Value>,
    /// Fields of `config.json` besides, such as `vision_feature_layer`.
    #[serde(default)]
    pub join: Map<String, Value>,
    /// The vocabulary.
    pub tokenizer: TokenizerSpec,
    /// How the backbone's layers start; by the families' custom when absent.
    pub start: Option<StartSpec>,
}

/// A vocabulary trained on the scene tasks' texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerSpec {
    /// Tokens, at most.
    pub vocab_size: usize,
    /// Whether every word of the texts is one token.
    #[serde(default)]
    pub whole_words: bool,
    /// The chat template (Jinja).
    pub chat_template: String,
    /// Tokens that the template uses, besides those for begin, end and image.
    pub special_tokens: Vec<String>,
}

const BEGIN: &str = "<s>";
const END: &str = "</s>";
const PAD: &str = "<pad>";
const IMAGE: &str = "<image>";

impl ModelSpec {
    /// The model and its processor.
    ///
    /// # Errors
    /// If the checkpoint cannot be found or read, or the parts do not fit.
    pub fn build(&self, seed: u64, device: &Device) -> Result<(Multimodal, Processor), BoxError> {
        match self {
            Self::Checkpoint { path } => {
                let dir: PathBuf = quintet_hub::resolve(path, &Default::default())?.path;
                let bytes = size(&Weights::open(&dir)?, device);
                must_fit(bytes).map_err(|error| format!("{}: {error}", dir.display()))?;
                let model = Multimodal::load(&dir, device, DType::F32)?;
                let processor = Processor::load(&dir, &model)?;
                Ok((model, processor))
            }
            Self::New(new) => {
                let NewModel { vision, text, join, tokenizer, start } = new.as_ref();
                let (tokenizer, template) = tokenizer.build()?;
                let image_token = tokenizer.id(IMAGE).ok_or("the vocabulary lacks <image>")?;
                let special = tokenizer.special();
                let id = |token: &Option<quintet_data::tokenizer::Special>| {
                    token.as_ref().map_or(Value::Null, |token| json!(token.id))
                };
                let mut text = text.clone();
                text.insert("vocab_size".into(), json!(tokenizer.vocab_size()));
                text.insert("bos_token_id".into(), id(&special.bos));
                text.insert("eos_token_id".into(), id(&special.eos));
                text.insert("pad_token_id".into(), id(&special.pad));
                let mut config = join.clone();
                config.insert("model_type".into(), json!("llava"));
                config.insert("vision_config".into(), Value::Object(vision.clone()));
                config.insert("text_config".into(), Value::Object(text));
                config.insert("image_token_index".into(), json!(image_token));
                let config = MultimodalConfig::from_json(&Value::Object(config))?;
                let planned = Multimodal::new(&Vars::shapes(device), &config)?;
                must_fit(planned.params().iter().map(|cell| cell.bytes() as u64).sum())
                    .map_err(|error| format!("[model]: {error}"))?;
                let model = Multimodal::new(&Vars::random(seed, device), &config)?;
                if let Some(start) = start {
                    start.apply(&model);
                }
                let vision = model.vision().ok_or("a new model has an encoder")?;
                let side = u32::try_from(vision.encoder().image_size())?;
                let images = ImageProcessor {
                    size: Size::Exact { height: side, width: side },
                    ..ImageProcessor::new(Kind::Siglip)
                };
                let processor = Processor {
                    tokenizer,
                    template: Arc::new(template),
                    images: Some(images),
                    image_tokens: vision.image_tokens(),
                    options: EncodeOptions {
                        max_len: model.text_config().max_position_embeddings,
                        ..EncodeOptions::default()
                    },
                };
                Ok((model, processor))
            }
        }
    }
}

/// Bytes that the parameters of a checkpoint take in a model on `device`: matrices that stay as they are
/// stored, and the others in `f32`.
fn size(weights: &Weights, device: &Device) -> u64 {
    let bytes = |name: &str| {
        let stored = weights.share(name).ok().and_then(|raw| as_stored(raw, device, DType::F32));
        let values = || weights.info(name).map_or(0, |info| info.shape.iter().product::<usize>());
        stored.map_or_else(|| DType::F32.size() * values(), |matrix| matrix.bytes()) as u64
    };
    weights.names().map(bytes).sum()
}

/// Refuses a model whose parameters alone, so many bytes, are more than what is free.
fn must_fit(frozen_bytes: u64) -> crate::Result<()> {
    let load = Load { frozen_bytes, ..Load::default() };
    memory::check(&memory::predict(&load), memory::available())
}

impl TokenizerSpec {
    fn build(&self) -> Result<(Tokenizer, ChatTemplate), BoxError> {
        let mut special: Vec<String> = [PAD, BEGIN, END, IMAGE].map(String::from).into();
        special.extend(self.special_tokens.iter().cloned());
        let options = BpeOptions {
            vocab_size: self.vocab_size,
            special_tokens: special,
            largest_number: 100,
            whole_words: self.whole_words,
        };
        let texts: Vec<String> = tasks::corpus().collect();
        let tokenizer = train_bpe(texts.iter().map(String::as_str), &options)?.with_roles(&[
            ("bos_token", BEGIN),
            ("eos_token", END),
            ("pad_token", PAD),
            ("image_token", IMAGE),
        ])?;
        Ok((tokenizer, ChatTemplate::new(self.chat_template.as_str(), "chat_template")?))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;

    /// The smallest new model.
    pub(crate) const TINY: &str = r#"
        vision = { model_type = "siglip_vision_model", hidden_size = 32, intermediate_size = 64, num_hidden_layers = 1, num_attention_heads = 2, image_size = 32, patch_size = 16, vision_use_head = false }
        text = { model_type = "llama", hidden_size = 64, intermediate_size = 96, num_hidden_layers = 2, num_attention_heads = 4, num_key_value_heads = 2, head_dim = 32, max_position_embeddings = 256, tie_word_embeddings = true }
        join = { vision_feature_layer = -1, vision_feature_select_strategy = "full", image_seq_length = 4 }
        tokenizer = { vocab_size = 600, special_tokens = [], chat_template = "{{ messages }}" }
        start = { mimetic_layers = 1, mimetic_heads = 1 }
    "#;

    #[test]
    fn a_half_precision_checkpoint_is_counted_as_it_is_held() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/llava/clip");
        let device = Device::flex();
        let counted = size(&Weights::open(&dir).unwrap(), &device);
        let model = Multimodal::load(&dir, &device, DType::F32).unwrap();
        let params = model.params();
        assert_eq!(counted, params.iter().map(|cell| cell.bytes() as u64).sum::<u64>());
        assert!(counted < 3 * params.count() as u64, "{counted} for {} values", params.count());
        // What trains is held in plain numbers.
        params.set_trainable(|_| true);
        let bytes: usize = params.iter().map(|cell| cell.bytes()).sum();
        assert_eq!(bytes, 4 * params.count());
    }
}
