//! LoRA (Hu et al., 2021): low-rank updates of frozen linear maps, read and written in the layout
//! of PEFT (`adapter_config.json`, `adapter_model.safetensors`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use burn::{DType, Device, Tensor, TensorData};
use quintet_weights::{Lazy, SaveDType, Weights, save_safetensors};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Error, Init, Linear, Lora, Param, Params, Result,
    param::ParamCell,
    save::{format_metadata, write_file},
};

/// PEFT's names of the two files.
const CONFIG_FILE: &str = "adapter_config.json";
const WEIGHTS_FILE: &str = "adapter_model.safetensors";

/// What PEFT puts before a module's name in the weight file.
const PREFIX: &str = "base_model.model.";

/// What follows a map's name for `A` and `B`.
const DOWN: &str = ".lora_A.weight";
const UP: &str = ".lora_B.weight";

/// Size and strength of the adapters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Inner width.
    pub rank: usize,
    /// The update is scaled by `alpha / rank`.
    pub alpha: f32,
}

/// The adapters around a model's linear maps.
#[derive(Debug)]
pub struct Adapters {
    config: LoraConfig,
    linears: Vec<Linear>,
}

impl Adapters {
    /// Wraps the maps that the predicate picks by full name. `A` is drawn as PEFT draws it
    /// (uniform in `±1/√in`), `B` is zero, so the model computes what it did before. The adapters
    /// train and join `params`; the maps they wrap are frozen.
    ///
    /// # Errors
    /// If no map is picked, one is wrapped already, or the rank is zero or wider than a map.
    pub fn attach(
        params: &mut Params,
        config: LoraConfig,
        seed: u64,
        pick: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let linears: Vec<Linear> =
            params.linears().iter().filter(|linear| pick(linear.name())).cloned().collect();
        if linears.is_empty() {
            return Err(Error::Config("LoRA: no linear map of the model was picked".to_owned()));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draws = Vec::with_capacity(linears.len());
        for linear in &linears {
            let [input, output] = linear.dims();
            check_free(linear)?;
            if config.rank == 0 || config.rank > input.min(output) {
                return Err(Error::Config(format!(
                    "LoRA: rank {} does not fit '{}', which maps {input} to {output}",
                    config.rank,
                    linear.name()
                )));
            }
            let bound = 1.0 / (input as f32).sqrt();
            let down = Init::Uniform(bound).draw(config.rank * input, &mut rng);
            draws.push(Factors { rank: config.rank, down, up: vec![0.0; output * config.rank] });
        }
        let scale = config.alpha / config.rank as f32;
        for (linear, factors) in linears.iter().zip(draws) {
            wrap(params, linear, factors, scale);
        }
        Ok(Self { config, linears })
    }

    /// The maps that have an adapter.
    pub fn linears(&self) -> &[Linear] {
        &self.linears
    }

    /// Adds the updates to the weights they belong to and removes the adapters. The model
    /// computes what it did with them. Weights that were quantised or in half precision in a file are
    /// unpacked, as rounding them again would lose most of a small update.
    pub fn merge(self, params: &mut Params) {
        for linear in &self.linears {
            let weight = linear.weight().cell();
            weight.set(linear.merged().cast(weight.dtype()));
        }
        self.detach(params);
    }

    /// Removes the adapters and leaves the weights as they were.
    pub fn detach(self, params: &mut Params) {
        let names: BTreeSet<String> = self.linears.iter().flat_map(factor_names).collect();
        params.retain(|name| !names.contains(name));
        for linear in &self.linears {
            linear.set_lora(None);
        }
    }

    /// Writes the adapters of a model whose names are PEFT's to a directory, which is made if need be,
    /// as PEFT does. `base_model` is the name or path under which PEFT finds the model.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, dir: &Path, base_model: &str) -> Result<()> {
        let base_model = Some(base_model);
        let files = AdapterFiles { base_model, whole: &[], rename: &str::to_owned };
        self.save_as(dir, &Params::default(), &files)
    }

    /// As [`save`](Self::save), under other names, and with modules that were trained whole.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save_as(&self, dir: &Path, params: &Params, files: &AdapterFiles<'_>) -> Result<()> {
        std::fs::create_dir_all(dir).map_err(|source| Error::Io {
            path: dir.to_owned(),
            action: "create",
            source,
        })?;
        let rename = files.rename;
        let mut tensors = Vec::new();
        let mut ranks = BTreeMap::new();
        let mut alphas = BTreeMap::new();
        for linear in &self.linears {
            let Some(lora) = linear.lora() else { continue };
            let rank = lora.down.dims()[0];
            let alpha = lora.scale * rank as f32;
            if rank != self.config.rank {
                ranks.insert(rename(linear.name()), rank);
            }
            if (alpha - self.config.alpha).abs() > 1e-5 * alpha.abs() {
                alphas.insert(rename(linear.name()), alpha);
            }
            tensors.extend([lora.down, lora.up].map(|param| param.cell().clone()));
        }
        let within = |module: &str, name: &str| {
            name.strip_prefix(module).is_some_and(|rest| rest.starts_with('.'))
        };
        let whole = |cell: &&Arc<ParamCell>| files.whole.iter().any(|m| within(m, cell.name()));
        tensors.extend(params.iter().filter(whole).cloned());
        let tensors = tensors.iter().map(|cell| {
            (format!("{PREFIX}{}", rename(cell.name())), cell.shape(), Lazy(move || cell.to_f32()))
        });
        let path = dir.join(WEIGHTS_FILE);
        save_safetensors(&path, tensors, SaveDType::F32, &format_metadata())?;
        let targets: Vec<String> = self.linears.iter().map(|l| rename(l.name())).collect();
        let whole: Vec<String> = files.whole.iter().map(|module| rename(module)).collect();
        let config = json!({
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": files.base_model,
            "r": self.config.rank,
            "lora_alpha": self.config.alpha,
            "target_modules": targets,
            "rank_pattern": ranks,
            "alpha_pattern": alphas,
            "lora_dropout": 0.0,
            "bias": "none",
            "fan_in_fan_out": false,
            "init_lora_weights": true,
            "inference_mode": true,
            "use_rslora": false,
            "use_dora": false,
            "modules_to_save": Some(whole).filter(|whole| !whole.is_empty()),
        });
        write_file(&dir.join(CONFIG_FILE), format!("{config:#}\n").as_bytes())
    }

    /// Attaches adapters that PEFT or [`save`](Self::save) wrote of a model whose names are PEFT's. They
    /// are frozen until a stage trains them.
    ///
    /// # Errors
    /// If a file is missing or malformed, an adapter belongs to a map that the model does not
    /// have or has another shape, or the adapter is of a kind other than plain LoRA.
    pub fn load(params: &mut Params, dir: &Path) -> Result<Self> {
        Self::load_as(params, dir, |name| Some(name.to_owned()))
    }

    /// As [`load`](Self::load), where `rename` gives the model's name for a tensor of the base in PEFT's
    /// words. Modules that were trained whole (`modules_to_save`) take the place of the model's.
    ///
    /// # Errors
    /// As [`load`](Self::load); the model is then as it was.
    pub fn load_as(
        params: &mut Params,
        dir: &Path,
        rename: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let peft = PeftConfig::read(&dir.join(CONFIG_FILE))?;
        let path = dir.join(WEIGHTS_FILE);
        let weights = Weights::open(&path)?;
        let fail = |reason: String| Error::Adapter { path: path.clone(), reason };
        // The maps' names here, and in the file.
        let mut names = BTreeMap::new();
        let mut whole = Vec::new();
        for full in weights.names() {
            let inner = full.strip_prefix(PREFIX).unwrap_or(full);
            if let Some(stem) = full.strip_suffix(DOWN).or_else(|| full.strip_suffix(UP)) {
                let module = stem.strip_prefix(PREFIX).unwrap_or(stem);
                let weight = rename(&format!("{module}.weight"));
                let name = weight.as_deref().and_then(|name| name.strip_suffix(".weight"));
                names.insert(name.unwrap_or(module).to_owned(), stem.to_owned());
            } else if peft.saves_whole(inner) {
                let cell = rename(inner)
                    .and_then(|name| params.get(&name))
                    .ok_or_else(|| fail(format!("'{full}' belongs to no part of the model")))?;
                let shape = weights.info(full).map_or(&[][..], |info| info.shape.as_slice());
                if shape != cell.shape() {
                    let own = cell.shape();
                    return Err(fail(format!("'{full}' is {shape:?}, the model's is {own:?}")));
                }
                whole.push((cell.clone(), weights.f32(full)?));
            } else {
                let what = "is neither lora_A nor lora_B of a linear map";
                return Err(fail(format!("'{full}' {what}")));
            }
        }
        let mut found = Vec::new();
        for linear in params.linears() {
            let Some(stem) = names.remove(linear.name()) else { continue };
            check_free(linear)?;
            let factors = read_factors(&weights, linear, &stem)?;
            found.push((linear.clone(), peft.scale(&stem, factors.rank), factors));
        }
        if let Some((first, _)) = names.first_key_value() {
            return Err(fail(format!(
                "{} adapter(s) for maps that the model does not have, first '{first}'",
                names.len()
            )));
        }
        if found.is_empty() {
            return Err(fail("the file holds no adapter".to_owned()));
        }
        let mut linears = Vec::with_capacity(found.len());
        for (linear, scale, factors) in found {
            wrap(params, &linear, factors, scale).set_trainable(false);
            linears.push(linear);
        }
        whole.into_iter().for_each(|(cell, values)| Params::assign(&cell, values));
        Ok(Self { config: LoraConfig { rank: peft.r, alpha: peft.lora_alpha }, linears })
    }
}

/// What an adapter's files say besides its factors.
pub struct AdapterFiles<'a> {
    /// Name or path under which the model is found that is adapted.
    pub base_model: Option<&'a str>,
    /// Modules that were trained whole (PEFT's `modules_to_save`), by their names here.
    pub whole: &'a [&'a str],
    /// PEFT's name of the module or tensor that has this name here.
    pub rename: &'a dyn Fn(&str) -> String,
}

/// Full names of the two parameters of a map's adapter.
pub(crate) fn factor_names(linear: &Linear) -> [String; 2] {
    [DOWN, UP].map(|suffix| format!("{}{suffix}", linear.name()))
}

fn check_free(linear: &Linear) -> Result<()> {
    match linear.lora() {
        None => Ok(()),
        Some(_) => Err(Error::Config(format!(
            "LoRA: '{}' has an adapter already; merge or detach it first",
            linear.name()
        ))),
    }
}

/// Values of an adapter: `A` `[rank, in]` and `B` `[out, rank]`.
struct Factors {
    rank: usize,
    down: Vec<f32>,
    up: Vec<f32>,
}

/// The two new parameters.
struct Wrapped([Arc<ParamCell>; 2]);

impl Wrapped {
    fn set_trainable(&self, trainable: bool) {
        self.0.iter().for_each(|cell| cell.set_trainable(trainable));
    }
}

fn wrap(params: &mut Params, linear: &Linear, factors: Factors, scale: f32) -> Wrapped {
    let [input, output] = linear.dims();
    let device = linear.weight().cell().device();
    let [down_name, up_name] = factor_names(linear);
    let down = new_param(down_name, [factors.rank, input], factors.down, &device);
    let up = new_param(up_name, [output, factors.rank], factors.up, &device);
    let wrapped = Wrapped([down.cell().clone(), up.cell().clone()]);
    wrapped.set_trainable(true);
    params.extend(wrapped.0.iter().cloned());
    linear.freeze();
    linear.set_lora(Some(Lora { down, up, scale }));
    wrapped
}

/// Adapters are small, so they are kept in `f32` whatever the model's number kind.
fn new_param(name: String, shape: [usize; 2], values: Vec<f32>, device: &Device) -> Param<2> {
    let data = TensorData::new(values, [shape[0] * shape[1]]);
    let value = Tensor::from_data(data, (device, DType::F32));
    Param::new(ParamCell::new(name, shape.to_vec(), value))
}

/// The factors whose names begin with `stem`.
fn read_factors(weights: &Weights, linear: &Linear, stem: &str) -> Result<Factors> {
    let [input, output] = linear.dims();
    let find = |suffix: &str| {
        let name = format!("{stem}{suffix}");
        match weights.info(&name) {
            Some(info) => Ok((name, info.shape.as_slice())),
            None => Err(Error::Adapter {
                path: weights.path().to_owned(),
                reason: format!("'{name}' is missing"),
            }),
        }
    };
    let ((down, down_shape), (up, up_shape)) = (find(DOWN)?, find(UP)?);
    let rank = match *down_shape {
        [rank, width] if rank > 0 && width == input && *up_shape == [output, rank] => rank,
        _ => {
            return Err(Error::Adapter {
                path: weights.path().to_owned(),
                reason: format!(
                    "'{down}' {down_shape:?} and '{up}' {up_shape:?} do not fit a map from \
                     {input} to {output}; is the adapter of another model?"
                ),
            });
        }
    };
    Ok(Factors { rank, down: weights.f32(&down)?, up: weights.f32(&up)? })
}

/// The fields of PEFT's `LoraConfig` that change what is computed.
#[derive(Deserialize)]
struct PeftConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f32,
    #[serde(default)]
    alpha_pattern: Option<BTreeMap<String, f32>>,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    fan_in_fan_out: bool,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
}

impl PeftConfig {
    fn read(path: &Path) -> Result<Self> {
        let fail = |reason: String| Error::Adapter { path: path.to_owned(), reason };
        let bytes = std::fs::read(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            action: "read",
            source,
        })?;
        let config: Self =
            serde_json::from_slice(&bytes).map_err(|error| fail(error.to_string()))?;
        if config.peft_type != "LORA" {
            return Err(fail(format!(
                "peft_type is {}; only LORA can be attached",
                config.peft_type
            )));
        }
        let unsupported =
            [("use_dora", config.use_dora), ("fan_in_fan_out", config.fan_in_fan_out)];
        if let Some((name, _)) = unsupported.iter().find(|(_, set)| *set) {
            return Err(fail(format!("{name} is set, which is not supported")));
        }
        // PEFT takes these keys for regular expressions; module names are the usual ones.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let mut keys = config.alpha_pattern.iter().flat_map(BTreeMap::keys);
        if let Some(key) = keys.find(|key| !key.chars().all(plain)) {
            return Err(fail(format!("alpha_pattern '{key}' is no plain module name")));
        }
        Ok(config)
    }

    /// Whether the tensor belongs to a module that is saved whole.
    fn saves_whole(&self, name: &str) -> bool {
        self.modules_to_save.iter().flatten().any(|module| {
            let inner = name.find(&format!("{module}."));
            inner.is_some_and(|at| at == 0 || name[..at].ends_with('.'))
        })
    }

    /// `alpha / rank`, or `alpha / √rank` (Kalajdzievski, 2023) when asked for.
    fn scale(&self, name: &str, rank: usize) -> f32 {
        let fits = |key: &str| {
            name.strip_suffix(key).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let patterns = self.alpha_pattern.iter().flatten();
        let own = patterns.filter(|(key, _)| fits(key)).map(|(_, alpha)| *alpha).next();
        let rank = rank as f32;
        own.unwrap_or(self.lora_alpha) / if self.use_rslora { rank.sqrt() } else { rank }
    }
}
