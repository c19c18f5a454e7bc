//! Reading and writing model directories in the Hugging Face layout.

use std::path::Path;

use burn::{DType, Device};
use quintet_data::formats::atomic;
use quintet_nn::{Checkpoint, Vars};
use quintet_weights::SaveDType;
use serde_json::Value;

use super::{Multimodal, MultimodalConfig};
use crate::{Error, Result, backbones::Decoder};

impl Multimodal {
    /// Loads a model directory, or a GGUF file of a plain LLM.
    ///
    /// # Errors
    /// If a file is missing or unreadable, or the weights do not fit the configuration.
    pub fn load(path: &Path, device: &Device, dtype: DType) -> Result<Self> {
        let json = path.join("config.json");
        if !json.is_file() || !is_multimodal(&json)? {
            let (backbone, params) = Decoder::load(path, device, dtype)?;
            return Ok(Self::text_only(backbone, params, device));
        }
        let config = MultimodalConfig::load(&json)?;
        let source = Checkpoint::open(path, |name| config.parameter_name(name))?;
        Self::new(&Vars::load(source, device, dtype), &config)
    }

    /// Writes `config.json` and `model.safetensors` into a directory; tokenizer and processor
    /// are written by [`Processor::save`](crate::Processor::save). Adapters are written as if they were
    /// merged, so that the model can be loaded without them.
    ///
    /// # Errors
    /// If a file cannot be written; what was there before is then still whole.
    pub fn save(&self, dir: &Path, dtype: SaveDType) -> Result<()> {
        let json = |error: serde_json::Error| Error::Request(error.to_string());
        std::fs::create_dir_all(dir)
            .map_err(|source| Error::Io { path: dir.to_owned(), source })?;
        self.params().save(&dir.join("model.safetensors"), dtype, |_| true)?;
        let config = match self.vision() {
            Some(vision) => vision.config().to_json()?,
            None => serde_json::to_value(self.text_config()).map_err(json)?,
        };
        atomic::write_json(&dir.join("config.json"), &config)?;
        Ok(())
    }
}

/// Whether `config.json` describes a model with an encoder.
fn is_multimodal(path: &Path) -> Result<bool> {
    let bytes =
        std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let config: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Error::Config { path: path.to_owned(), reason: error.to_string() })?;
    Ok(config.get("vision_config").is_some())
}
