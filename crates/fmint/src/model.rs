//! The decoder.

use std::path::Path;

use burn::{DType, Device, Int, Tensor, TensorData};
use quintet_models::backbones::Block;
use quintet_nn::{
    Checkpoint, Embedding, KvCache, LayerNorm, Linear, Params, Vars, in_dtype, write_file,
};
use quintet_weights::{Format, SaveDType, Weights};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Config, Error, Result, Tokens};

/// Added to variances.
const EPS: f64 = 1e-5;
/// The files of a checkpoint.
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";

/// A decoder over trajectories.
#[derive(Debug)]
pub struct Fmint {
    config: Config,
    embed: Linear,
    kinds: Embedding,
    layers: Vec<Block>,
    /// Where norms come first.
    norm: Option<LayerNorm>,
    answer: Linear,
}

impl Fmint {
    /// The model at `vars`.
    ///
    /// # Errors
    /// If the configuration is impossible or the checkpoint does not match it.
    pub fn new(vars: &Vars, config: &Config) -> Result<Self> {
        config.check()?;
        let decoder = config.decoder();
        let layer = |i: usize| Block::new(&vars.at("layers").at(i), &decoder, i);
        let norm = match config.tokens {
            Tokens::Published => None,
            Tokens::Joined => Some(LayerNorm::new(&vars.at("norm"), config.width, EPS)?),
        };
        Ok(Self {
            embed: Linear::new(&vars.at("embed"), config.features(), config.width, true)?,
            kinds: Embedding::new(&vars.at("kinds"), config.kinds(), config.width)?,
            layers: (0..config.layers).map(layer).collect::<quintet_nn::Result<_>>()?,
            norm,
            answer: Linear::new(&vars.at("answer"), config.width, config.components, true)?,
            config: config.clone(),
        })
    }

    /// A model of random weights.
    ///
    /// # Errors
    /// If the configuration is impossible.
    pub fn random(config: &Config, seed: u64, device: &Device) -> Result<(Self, Params)> {
        let vars = Vars::random(seed, device);
        Ok((Self::new(&vars, config)?, vars.finish()?))
    }

    /// Loads a directory that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// If a file is missing or unreadable, or the weights do not fit the configuration.
    pub fn load(dir: &Path, device: &Device) -> Result<(Self, Params)> {
        let config: Config = read_config(dir)?;
        let checkpoint = Checkpoint::open(&dir.join(WEIGHTS), |name| Some(name.to_owned()))?;
        let vars = Vars::load(checkpoint, device, DType::F32);
        Ok((Self::new(&vars, &config)?, vars.finish()?))
    }

    /// The small model that comes with this crate; `recipes/fmint/small.toml` trains it.
    ///
    /// # Errors
    /// None that a build can have.
    pub fn bundled(device: &Device) -> Result<Self> {
        const CONFIG: &[u8] = include_bytes!("../bundled/config.json");
        const WEIGHTS: &[u8] = include_bytes!("../bundled/model.safetensors");
        let path = Path::new("the bundled model");
        let fail = |reason: String| Error::File { path: path.to_owned(), reason };
        let config: Config =
            serde_json::from_slice(CONFIG).map_err(|error| fail(error.to_string()))?;
        let weights = Weights::from_bytes(path, WEIGHTS.to_vec(), Format::Safetensors)?;
        let checkpoint = Checkpoint::new(path, weights, |name, _| Some(name.to_owned()));
        let vars = Vars::load(checkpoint, device, DType::F32);
        let model = Self::new(&vars, &config)?;
        vars.finish()?;
        Ok(model)
    }

    /// Writes configuration and weights.
    ///
    /// # Errors
    /// If the directory cannot be written to.
    pub fn save(&self, params: &Params, dir: &Path) -> Result<()> {
        save(dir, &self.config, params)
    }

    /// What it was built from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// An empty cache.
    pub fn new_cache(&self) -> KvCache {
        KvCache::new(self.layers.len())
    }

    /// What the layers make of tokens. With a cache, the tokens continue those in it.
    ///
    /// # Shapes
    /// - features: `[b, t, f]`
    /// - kinds: `[1, t]`, each below [`Config::kinds`]
    /// - bias: `[1, 1, t, s]`, where `s` counts cached tokens too
    /// - output: `[b, t, width]`
    pub fn hidden(
        &self,
        features: Tensor<3>,
        kinds: Tensor<2, Int>,
        bias: &Tensor<4>,
        mut cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        let mut x = self.embed.forward(features) + self.kinds.forward(kinds);
        for (i, layer) in self.layers.iter().enumerate() {
            let cache = cache.as_deref_mut().and_then(|cache| cache.layers.get_mut(i));
            x = layer.forward(x, Some(bias), None, cache);
        }
        match &self.norm {
            None => x,
            Some(norm) => norm.forward(x),
        }
    }

    /// The answers at tokens that ask.
    ///
    /// # Shapes
    /// - hidden: `[b, t, width]`
    /// - output: `[b, t, components]`
    pub fn answers(&self, hidden: Tensor<3>) -> Tensor<3> {
        in_dtype(self.answer.forward(hidden), DType::F32)
    }
}

/// Reads the configuration in a directory.
pub(crate) fn read_config<T: DeserializeOwned>(dir: &Path) -> Result<T> {
    let path = dir.join(CONFIG);
    let read = || -> std::result::Result<T, Box<dyn std::error::Error>> {
        Ok(serde_json::from_slice(&std::fs::read(&path)?)?)
    };
    read().map_err(|error| Error::File { path: path.clone(), reason: error.to_string() })
}

/// Writes a configuration and weights into a directory.
pub(crate) fn save(dir: &Path, config: &impl Serialize, params: &Params) -> Result<()> {
    let path = dir.join(CONFIG);
    let fail = |reason: String| Error::File { path: path.clone(), reason };
    std::fs::create_dir_all(dir).map_err(|error| fail(error.to_string()))?;
    let text = serde_json::to_vec_pretty(config).map_err(|error| fail(error.to_string()))?;
    params.save(&dir.join(WEIGHTS), SaveDType::F32, |_| true)?;
    Ok(write_file(&path, &text)?)
}

/// Ids as a tensor `[1, t]`.
pub(crate) fn ids(ids: Vec<i32>, device: &Device) -> Tensor<2, Int> {
    let shape = [1, ids.len()];
    Tensor::from_data(TensorData::new(ids, shape), device)
}
