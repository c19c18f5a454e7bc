//! Recipes: one TOML file describes one run.
//!
//! ```toml
//! name = "tiny"
//! seed = 1
//!
//! [model]                 # the reader of the recipe says what belongs here and in `data`
//! path = "checkpoints/mini"
//!
//! [data.captions]
//! file = "captions.json"
//!
//! [[stage]]
//! name = "pt"
//! objective = "pretrain"
//! data = { captions = 1.0 }
//! train = ["projector"]
//! epochs = 1.0
//! batch = 32
//! lr = 1e-3
//! warmup_ratio = 0.03
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use toml::Spanned;

use crate::{
    Error, Precision, Result, TrainConfig,
    error::io,
    optim::{AdamWConfig, Group},
    progress::ProgressMode,
    schedule::{Decay, Schedule, Warmup},
    stage::{LoraSpec, Part, Selection},
};

/// A recipe as read, with its text. `M` and `D` say what `[model]` and each `[data.*]` hold.
#[derive(Clone, Debug)]
pub struct Recipe<M = toml::Table, D = toml::Table> {
    /// The file.
    pub path: PathBuf,
    /// Its text. Every checkpoint carries what of it led there.
    pub text: String,
    /// The run's name.
    pub name: String,
    /// Seed of all stages that do not give their own.
    pub seed: u64,
    /// The model.
    pub model: M,
    /// The datasets by name.
    pub data: BTreeMap<String, D>,
    /// The stages, in order.
    pub stages: Vec<Stage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "M: DeserializeOwned, D: DeserializeOwned")]
struct File<M, D> {
    name: String,
    #[serde(default)]
    seed: u64,
    model: M,
    #[serde(default = "BTreeMap::new")]
    data: BTreeMap<String, D>,
    stage: Vec<Spanned<Stage>>,
}

/// What a stage minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectiveKind {
    /// Warm-up of the modality encoder on its own.
    Encoder,
    /// Next-token loss that ties the encoder to the backbone (survey, §3, "PT").
    Pretrain,
    /// Next-token loss on the answers of conversations (survey, §3, "SFT").
    Sft,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name, also that of its directory.
    pub name: String,
    /// What it minimises.
    pub objective: ObjectiveKind,
    /// Datasets and the share each has; all in proportion to their sizes when empty.
    #[serde(default)]
    pub data: BTreeMap<String, f64>,
    /// Parts trained in full.
    #[serde(default)]
    pub train: Vec<String>,
    /// Parts frozen; those that are named nowhere are frozen too.
    #[serde(default)]
    pub frozen: Vec<String>,
    /// Parts adapted.
    pub lora: Option<LoraSpec>,
    /// Optimiser steps; or else `epochs`.
    pub steps: Option<u64>,
    /// Passes over the data; or else `steps`.
    pub epochs: Option<f64>,
    /// Samples per micro-batch.
    pub batch: u32,
    /// Micro-batches per step.
    #[serde(default = "one")]
    pub accumulate: u32,
    /// Peak learning rate.
    pub lr: f64,
    /// Parts with a pace of their own.
    #[serde(default)]
    pub groups: BTreeMap<String, GroupSpec>,
    /// Steps of warm-up; or else `warmup_ratio`.
    pub warmup_steps: Option<u64>,
    /// Share of all steps that warm up; or else `warmup_steps`.
    pub warmup_ratio: Option<f64>,
    /// The course of the learning rate after the warm-up.
    #[serde(default)]
    pub schedule: Decay,
    /// Where it ends, as a share of the peak.
    #[serde(default)]
    pub floor: f64,
    /// Largest norm of the gradient; 0 for no limit.
    #[serde(default = "unit")]
    pub clip: f64,
    /// Weight decay of matrices.
    #[serde(default)]
    pub weight_decay: f64,
    /// How matrices are multiplied.
    #[serde(default)]
    pub precision: Precision,
    /// β₁ and β₂ of AdamW.
    #[serde(default = "betas")]
    pub betas: [f64; 2],
    /// Longest sample, in tokens of the backbone.
    pub max_tokens: usize,
    /// Seed, when another than the recipe's.
    pub seed: Option<u64>,
    /// Steps between lines of the log.
    #[serde(default = "ten")]
    pub log_every: u64,
    /// Steps between checkpoints.
    pub save_every: Option<u64>,
    /// Minutes between checkpoints.
    #[serde(default = "minutes")]
    pub save_minutes: f64,
    /// Checkpoints kept.
    #[serde(default = "two")]
    pub keep: usize,
    /// A dataset held out from training, whose loss and metrics are logged after the last step
    /// and as `evaluate_every` says.
    pub validate: Option<String>,
    /// Micro-batches of it that are measured.
    #[serde(default = "sixteen")]
    pub validate_batches: u64,
    /// Steps between evaluations.
    pub evaluate_every: Option<u64>,
}

/// The pace of one part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    /// Multiplies the stage's learning rate.
    #[serde(default = "unit")]
    pub lr_scale: f64,
    /// Weight decay, of vectors too.
    pub weight_decay: Option<f64>,
}

fn one() -> u32 {
    1
}

fn two() -> usize {
    2
}

fn sixteen() -> u64 {
    16
}

fn ten() -> u64 {
    10
}

fn unit() -> f64 {
    1.0
}

fn minutes() -> f64 {
    10.0
}

/// As usual for language models since GPT-3 (Brown et al., 2020, appendix B).
fn betas() -> [f64; 2] {
    [0.9, 0.95]
}

impl<M: DeserializeOwned, D: DeserializeOwned> Recipe<M, D> {
    /// Reads and checks a recipe.
    ///
    /// # Errors
    /// If the file cannot be read, a key is unknown, missing or of the wrong kind, or values
    /// contradict each other; the message gives the line.
    pub fn load(path: &Path) -> Result<Self> {
        Self::parse(path, std::fs::read_to_string(path).map_err(io(path, "read"))?)
    }

    /// As [`Recipe::load`], from text; `path` is for messages.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn parse(path: &Path, text: String) -> Result<Self> {
        let fail = |at: usize, reason: String| Error::Recipe {
            path: path.to_owned(),
            line: text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1,
            reason,
        };
        let file: File<M, D> = toml::from_str(&text).map_err(|error| {
            fail(error.span().map_or(0, |span| span.start), error.message().to_owned())
        })?;
        if file.stage.is_empty() {
            return Err(fail(0, "no [[stage]]: at least one is needed".to_owned()));
        }
        let mut names = BTreeSet::new();
        for stage in &file.stage {
            let span = stage.span();
            let stage = stage.get_ref();
            let at = |key: &str| key_position(&text, span.clone(), key);
            let named = |reason: String| format!("stage '{}': {reason}", stage.name);
            stage.check().map_err(|(key, reason)| fail(at(key), named(reason)))?;
            if !names.insert(stage.name.as_str()) {
                return Err(fail(at("name"), named("another stage has this name".to_owned())));
            }
            let trained = stage.data.keys().map(|name| ("data", name));
            let mut needed = trained.chain(stage.validate.iter().map(|name| ("validate", name)));
            if let Some((key, unknown)) = needed.find(|(_, name)| !file.data.contains_key(*name)) {
                let known: Vec<&str> = file.data.keys().map(String::as_str).collect();
                let reason = format!("no [data.{unknown}]; the recipe has {known:?}");
                return Err(fail(at(key), named(reason)));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            name: file.name,
            seed: file.seed,
            model: file.model,
            data: file.data,
            stages: file.stage.into_iter().map(Spanned::into_inner).collect(),
            text,
        })
    }
}

impl<M, D> Recipe<M, D> {
    /// The text up to the end of a stage: what the stage's result depends on. Stages after it may
    /// be edited while it runs.
    fn text_through(&self, stage: &str) -> &str {
        let index = self.stages.iter().position(|other| other.name == stage).unwrap_or(0);
        let header = |(at, line): (usize, &str)| line.starts_with("[[stage]]").then_some(at);
        let mut at = 0;
        let lines = self.text.split_inclusive('\n').map(|line| {
            at += line.len();
            (at - line.len(), line)
        });
        let end = lines.filter_map(header).nth(index + 1);
        self.text.get(..end.unwrap_or(self.text.len())).unwrap_or(&self.text)
    }
}

/// Where `key` is set within a stage, or else where the stage begins.
fn key_position(text: &str, stage: Range<usize>, key: &str) -> usize {
    let end = text
        .get(stage.start + 1..)
        .and_then(|rest| rest.find("\n[["))
        .map_or(text.len(), |at| stage.start + 1 + at);
    let mut at = stage.start;
    for line in text.get(stage.start..end).unwrap_or_default().split_inclusive('\n') {
        let rest = line.trim_start().strip_prefix(key);
        if rest.is_some_and(|rest| rest.trim_start().starts_with('=')) {
            return at;
        }
        at += line.len();
    }
    stage.start
}

impl Stage {
    /// What it trains.
    pub fn selection(&self) -> Selection {
        Selection {
            train: self.train.clone(),
            frozen: self.frozen.clone(),
            lora: self.lora.clone(),
        }
    }

    /// Optimiser steps over data of `samples` samples.
    pub fn total_steps(&self, samples: usize) -> u64 {
        let per_step = f64::from(self.batch) * f64::from(self.accumulate);
        let passes = self.epochs.unwrap_or_default();
        self.steps.unwrap_or_else(|| (passes * samples as f64 / per_step).ceil() as u64)
    }

    /// Groups of the optimiser for the parts with a pace of their own.
    ///
    /// # Errors
    /// If the model has no such part.
    pub fn optimiser_groups(&self, parts: &[Part<'_>]) -> Result<Vec<Group>> {
        // The longest prefix comes first, as the first group that fits decides.
        let mut groups = Vec::new();
        for (name, spec) in &self.groups {
            let part = parts.iter().find(|part| part.name == name);
            let part = part.ok_or_else(|| Error::Stage {
                stage: self.name.clone(),
                reason: format!("groups: the model has no part '{name}'"),
            })?;
            groups.push((part.prefix, spec));
        }
        groups.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let group = |(prefix, spec): (&str, &GroupSpec)| {
            Group::prefix(prefix, spec.lr_scale, spec.weight_decay)
        };
        Ok(groups.into_iter().map(group).collect())
    }

    /// Settings of the loop, for data of `samples` samples.
    pub fn train_config<M, D>(
        &self,
        recipe: &Recipe<M, D>,
        samples: usize,
        progress: ProgressMode,
    ) -> TrainConfig {
        TrainConfig {
            label: self.name.clone(),
            steps: self.total_steps(samples),
            accumulate: self.accumulate,
            seed: self.seed.unwrap_or(recipe.seed),
            lr: self.lr,
            optimiser: AdamWConfig {
                beta1: self.betas[0],
                beta2: self.betas[1],
                weight_decay: self.weight_decay,
                ..AdamWConfig::default()
            },
            schedule: Schedule {
                warmup: match self.warmup_ratio {
                    Some(ratio) => Warmup::Ratio(ratio),
                    None => Warmup::Steps(self.warmup_steps.unwrap_or(0)),
                },
                decay: self.schedule,
                floor: self.floor,
            },
            clip: Some(self.clip).filter(|&clip| clip > 0.0),
            precision: self.precision,
            log_every: self.log_every,
            save_every: self.save_every,
            save_after: Some(Duration::from_secs_f64(self.save_minutes * 60.0)),
            keep: self.keep,
            evaluate_every: self.evaluate_every,
            prefetch: 2,
            recipe: recipe.text_through(&self.name).to_owned(),
            progress,
        }
    }

    /// The key at fault and the reason.
    fn check(&self) -> std::result::Result<(), (&'static str, String)> {
        let in_range = |key, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err((key, format!("{key} is {value}, expected {low} to {high}")))
            }
        };
        let whole = |key, value: u64| {
            if value > 0 { Ok(()) } else { Err((key, format!("{key} is 0, at least 1 is needed"))) }
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            let reason = "the name becomes a directory: use letters, digits, '-', '_' and '.'";
            return Err(("name", reason.to_owned()));
        }
        match (self.steps, self.epochs) {
            (Some(_), Some(_)) => {
                return Err(("epochs", "steps and epochs are both set; keep one".to_owned()));
            }
            (None, None) => {
                return Err(("name", "neither steps nor epochs is set; one is needed".to_owned()));
            }
            (Some(steps), None) => whole("steps", steps)?,
            (None, Some(epochs)) => in_range("epochs", epochs, 1e-6, 1e6)?,
        }
        if self.warmup_steps.is_some() && self.warmup_ratio.is_some() {
            let reason = "warmup_steps and warmup_ratio are both set; keep one".to_owned();
            return Err(("warmup_ratio", reason));
        }
        if self.train.is_empty() && self.lora.is_none() {
            let reason = "nothing learns: name parts in `train` or give `lora`".to_owned();
            return Err(("train", reason));
        }
        for (key, value) in [
            ("batch", self.batch.into()),
            ("accumulate", self.accumulate.into()),
            ("max_tokens", self.max_tokens as u64),
            ("log_every", self.log_every),
            ("save_every", self.save_every.unwrap_or(1)),
            ("evaluate_every", self.evaluate_every.unwrap_or(1)),
            ("validate_batches", self.validate_batches),
            ("keep", self.keep as u64),
        ] {
            whole(key, value)?;
        }
        for (key, value, low, high) in [
            ("lr", self.lr, 0.0, 1e3),
            ("warmup_ratio", self.warmup_ratio.unwrap_or(0.0), 0.0, 1.0),
            ("floor", self.floor, 0.0, 1.0),
            ("clip", self.clip, 0.0, f64::MAX),
            ("weight_decay", self.weight_decay, 0.0, 1e3),
            ("betas", self.betas[0], 0.0, 1.0 - 1e-9),
            ("betas", self.betas[1], 0.0, 1.0 - 1e-9),
            ("save_minutes", self.save_minutes, 0.01, 1e6),
        ] {
            in_range(key, value, low, high)?;
        }
        for weight in self.data.values() {
            in_range("data", *weight, 0.0, f64::MAX)?;
        }
        for group in self.groups.values() {
            in_range("groups", group.lr_scale, 0.0, 1e3)?;
            in_range("groups", group.weight_decay.unwrap_or(0.0), 0.0, 1e3)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"name = "tiny"
seed = 7

[model]
path = "somewhere"

[data.captions]
file = "captions.json"

[[stage]]
name = "pt"
objective = "pretrain"
data = { captions = 1.0 }
train = ["projector"]
epochs = 1.5
batch = 32
accumulate = 2
lr = 1e-3
warmup_ratio = 0.03
max_tokens = 512

[[stage]]
name = "sft"
objective = "sft"
frozen = ["encoder"]
lora = { parts = ["backbone"], rank = 8, alpha = 16.0, targets = ["q_proj", "v_proj"] }
steps = 20
batch = 4
lr = 2e-4
clip = 0.0
seed = 9
max_tokens = 512

[stage.groups.projector]
lr_scale = 0.1
weight_decay = 0.0
"#;

    fn parse(text: &str) -> Result<Recipe> {
        Recipe::parse(Path::new("r.toml"), text.to_owned())
    }

    fn message(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from));
        parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn a_recipe_becomes_settings() {
        let recipe = parse(GOOD).unwrap();
        assert_eq!(recipe.model["path"].as_str(), Some("somewhere"));
        let [pt, sft] = recipe.stages.as_slice() else { panic!("two stages") };
        let config = pt.train_config(&recipe, 1000, ProgressMode::Quiet);
        assert_eq!((config.steps, config.seed, config.clip), (24, 7, Some(1.0)));
        assert_eq!(config.schedule.warmup, Warmup::Ratio(0.03));
        let config = sft.train_config(&recipe, 1000, ProgressMode::Quiet);
        assert_eq!((config.steps, config.seed, config.clip), (20, 9, None));
        let parts = [
            Part { name: "projector", prefix: "model.projector." },
            Part { name: "backbone", prefix: "model." },
        ];
        let groups = sft.optimiser_groups(&parts).unwrap();
        assert_eq!(groups.len(), 1);
        assert!((groups[0].pick)("model.projector.fc.weight"));
        assert!(sft.optimiser_groups(&parts[1..]).is_err());
    }

    #[test]
    fn a_stage_depends_on_what_stands_before_its_end() {
        let stage_texts = |text: &str| {
            let recipe = parse(text).unwrap();
            let config = |stage: &Stage| stage.train_config(&recipe, 1000, ProgressMode::Quiet);
            recipe.stages.iter().map(|stage| config(stage).recipe).collect::<Vec<_>>()
        };
        let (before, after) = (stage_texts(GOOD), stage_texts(&GOOD.replace("= 20", "= 30")));
        assert_eq!(before[0], after[0]);
        assert!(before[0].ends_with("max_tokens = 512\n\n"), "{}", before[0]);
        assert_eq!(before[1], GOOD);
        assert_ne!(before[1], after[1]);
        assert_ne!(before[0], stage_texts(&GOOD.replace("seed = 7", "seed = 8"))[0]);
    }

    #[test]
    fn mistakes_name_file_and_line() {
        for (from, to, expected) in [
            ("lr = 1e-3", "lr = 1e-3\nlearning = 1", "r.toml:19: unknown field `learning`"),
            ("lr = 1e-3", "lr = \"fast\"", "r.toml:18: invalid type: string \"fast\""),
            ("lr = 1e-3", "lr = -1.0", "r.toml:18: stage 'pt': lr is -1, expected 0 to 1000"),
            ("epochs = 1.5", "epochs = 1.5\nsteps = 2", "r.toml:15: stage 'pt': steps and epochs"),
            ("steps = 20\n", "", "r.toml:23: stage 'sft': neither steps nor epochs"),
            (
                "data = { captions = 1.0 }",
                "data = { x = 1.0 }",
                "r.toml:13: stage 'pt': no [data.x]",
            ),
            ("\"sft\"\nobj", "\"pt\"\nobj", "r.toml:23: stage 'pt': another stage has this name"),
            ("\"sft\"\nfro", "\"dpo\"\nfro", "r.toml:24: unknown variant `dpo`"),
            ("batch = 4", "batch = 0", "r.toml:28: stage 'sft': batch is 0"),
            ("rank = 8, ", "", "r.toml:26: missing field `rank`"),
        ] {
            let found = message(from, to);
            assert!(found.starts_with(expected), "{found}\n{expected}");
        }
    }
}
