//! Finding and loading a model.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use burn::DType;
use quintet_eval::receipt::digests;
use quintet_models::{Multimodal, Processor};

use crate::device::DeviceArg;

/// Which model, and where it computes.
#[derive(Debug, clap::Args)]
pub struct ModelArgs {
    /// A bundled model, a key of `quintet models`, a path, or a hub name (owner/name)
    #[arg(long, short, default_value = "mini")]
    pub model: String,
    /// A LoRA adapter in PEFT's layout to merge into it, such as those that LoRA stages leave
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceArg,
}

/// A model with what stands before it.
pub struct Loaded {
    /// As it was named, with the adapter.
    pub name: String,
    /// Its folder or file.
    pub path: PathBuf,
    /// The folder of the adapter that was merged into it.
    adapter: Option<PathBuf>,
    pub model: Multimodal,
    pub processor: Processor,
    /// Name of the device it computes on.
    pub device: &'static str,
}

impl ModelArgs {
    /// A model that is named elsewhere than on the command line, as it is.
    pub fn named(model: String, device: DeviceArg) -> Self {
        Self { model, adapter: None, device }
    }

    /// Finds the model, fetching it when needed, and loads it.
    pub fn load(&self) -> anyhow::Result<Loaded> {
        let chosen = self.device.open()?;
        let path = quintet_hub::resolve(&self.model, &quintet_hub::Options::default())?.path;
        let failed = || format!("cannot load model {}", self.model);
        let mut model = Multimodal::load(&path, &chosen.device, DType::F32).with_context(failed)?;
        let processor = Processor::load(&path, &model).with_context(failed)?;
        let (vocabulary, embedded) =
            (processor.tokenizer.vocab_size(), model.text_config().vocab_size);
        anyhow::ensure!(
            vocabulary <= embedded,
            "{}: the tokenizer has {vocabulary} tokens, but the model embeds only {embedded}; the \
             two belong to different models",
            path.display()
        );
        let mut name = self.model.clone();
        if let Some(dir) = &self.adapter {
            model.merge_adapter(dir).with_context(|| format!("cannot adapt model {name}"))?;
            name = format!("{name} with {}", dir.display());
        }
        let (adapter, device) = (self.adapter.clone(), chosen.name);
        Ok(Loaded { name, path, adapter, model, processor, device })
    }
}

impl Loaded {
    /// SHA-256 of each file that decides what it answers.
    pub fn files(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut files = digests(&self.path)?;
        if let Some(dir) = &self.adapter {
            let adapter = digests(dir)?.into_iter();
            files.extend(adapter.map(|(name, digest)| (format!("adapter/{name}"), digest)));
        }
        Ok(files)
    }

    /// Refuses to go on without an encoder.
    pub fn must_see(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.model.vision().is_some(),
            "model {} only reads text; choose one that sees, such as mini",
            self.name
        );
        Ok(())
    }
}
