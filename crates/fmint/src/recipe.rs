//! What a training run is: a file.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Duration,
};

use burn::Device;
use quintet_ode::{FAMILIES, Family, families};
use quintet_train::{
    Control, Outcome, Precision, TrainConfig,
    optim::AdamWConfig,
    progress::ProgressMode,
    run,
    schedule::{Decay, Schedule, Warmup},
};
use serde::{Deserialize, Serialize};

use crate::{
    Config, Error, Fmint, Result,
    data::Draw,
    objective::{InContext, OneStep, POINTS, trajectories},
    stepper::{Stepper, StepperConfig},
};

/// A training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of weights and data.
    #[serde(default)]
    pub seed: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// Tasks of a step, or trajectories for a stepper.
    pub batch: u32,
    /// Peak learning rate.
    pub lr: f64,
    /// The model, or
    #[serde(default)]
    pub model: Option<InContextRecipe>,
    /// the stepper.
    #[serde(default)]
    pub stepper: Option<StepperConfig>,
    /// How matrices are multiplied.
    #[serde(default)]
    pub precision: Precision,
}

/// How a model that learns in context is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InContextRecipe {
    /// The model.
    pub config: Config,
    /// A directory with a trained model to go on from, of the same configuration.
    #[serde(default)]
    pub from: Option<PathBuf>,
    /// The families to learn from; those that the paper trains on if none is named.
    #[serde(default)]
    pub families: Vec<String>,
    /// How tasks are drawn.
    pub draw: Draw,
}

/// Trained weights in a run's directory.
pub const MODEL: &str = "model";

impl Recipe {
    /// Reads a recipe and its text.
    ///
    /// # Errors
    /// If the file cannot be read or says something else.
    pub fn load(path: &Path) -> Result<(Self, String)> {
        let fail = |reason: String| Error::File { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        let recipe: Self = toml::from_str(&text).map_err(|error| fail(error.to_string()))?;
        recipe.check().map_err(fail)?;
        Ok((recipe, text))
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.batch == 0 {
            return Err("batch is 0; at least 1".to_owned());
        }
        match (&self.model, &self.stepper) {
            (Some(model), None) => model.check(),
            (None, Some(stepper)) => stepper.family().map(|_| ()).map_err(|e| e.to_string()),
            _ => Err("expected either [model] or [stepper]".to_owned()),
        }
    }

    /// Trains, going on from the newest checkpoint in `out`; the finished model is in [`MODEL`] there.
    ///
    /// # Errors
    /// If the recipe does not fit what is there, or training fails.
    pub fn train(
        &self,
        text: &str,
        out: &Path,
        stop: &AtomicBool,
        progress: ProgressMode,
    ) -> Result<Outcome> {
        let device = Device::flex();
        let config = TrainConfig {
            label: out.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            steps: self.steps,
            accumulate: 1,
            seed: self.seed,
            lr: self.lr,
            optimiser: AdamWConfig { weight_decay: 1e-4, ..AdamWConfig::default() },
            schedule: Schedule { warmup: Warmup::Ratio(0.1), decay: Decay::Cosine, floor: 0.0 },
            clip: Some(1.0),
            precision: self.precision,
            log_every: 20,
            save_every: None,
            save_after: Some(Duration::from_secs(120)),
            keep: 1,
            evaluate_every: None,
            prefetch: 2,
            recipe: text.to_owned(),
            progress,
        };
        let control = Control { stop, evaluate: None };
        let (batch, seed) = (self.batch, self.seed);
        let refuse = |reason| Error::File { path: out.to_owned(), reason };
        if let Some(recipe) = &self.model {
            let (model, params) = match &recipe.from {
                None => Fmint::random(&recipe.config, seed, &device)?,
                Some(dir) => Fmint::load(dir, &device)?,
            };
            if *model.config() != recipe.config {
                let reason = "`from` is a model of another configuration".to_owned();
                return Err(Error::Config(reason));
            }
            params.set_trainable(|_| true);
            let (draw, families) = (&recipe.draw, &recipe.families().map_err(refuse)?[..]);
            let objective = InContext { model: &model, draw, families, batch, seed, device };
            let outcome = run(&objective, &params, &[], &config, out, control)?;
            if outcome.finished {
                model.save(&params, &out.join(MODEL))?;
            }
            return Ok(outcome);
        }
        let Some(stepper) = &self.stepper else {
            return Err(refuse("expected either [model] or [stepper]".to_owned()));
        };
        let first = trajectories(stepper, POINTS, (seed, 0..batch.into()))?;
        let (stepper, params) = Stepper::random(&stepper.with_units(&first)?, seed, &device)?;
        params.set_trainable(|_| true);
        let objective = OneStep { stepper: &stepper, batch, seed, device };
        let outcome = run(&objective, &params, &[], &config, out, control)?;
        if outcome.finished {
            stepper.save(&params, &out.join(MODEL))?;
        }
        Ok(outcome)
    }
}

impl InContextRecipe {
    fn check(&self) -> std::result::Result<(), String> {
        let Draw { demos, points, strides, shifted, batches } = &self.draw;
        if *demos == 0 || (self.config.demos > 0 && *demos > self.config.demos) {
            return Err(format!(
                "draw.demos is {demos}; at least 1, and what the model tells apart"
            ));
        }
        if points[0] == 0 || points[0] > points[1] || points[1] > 1 << 12 {
            return Err(format!("draw.points is {points:?}; two rising numbers of 1 to 4096"));
        }
        if !(strides[0] > 0.0 && strides[0] <= strides[1] && strides[1] <= 100.0) {
            return Err(format!("draw.strides is {strides:?}; two rising numbers up to 100"));
        }
        if !(0.0..=1.0).contains(shifted) {
            return Err(format!("draw.shifted is {shifted}; a share from 0 to 1"));
        }
        if *batches == Some(0) {
            return Err("draw.batches is 0; at least 1".to_owned());
        }
        self.config.check().map_err(|error| error.to_string())?;
        let mut tokens = Vec::new();
        for family in self.families()? {
            let groups = self.config.groups_of(family.info.initial.len());
            tokens.push(groups.map_err(|error| format!("{}: {error}", family.info.name))?);
        }
        // A batch is a tensor.
        match tokens.windows(2).all(|pair| pair[0] == pair[1]) {
            true => Ok(()),
            false => Err(format!(
                "with {} components a token the families take different numbers of tokens",
                self.config.components
            )),
        }
    }

    fn families(&self) -> std::result::Result<Vec<&'static Family>, String> {
        if self.families.is_empty() {
            return Ok(FAMILIES.iter().filter(|family| family.info.seen).collect());
        }
        let known = || FAMILIES.iter().map(|family| family.info.name).collect::<Vec<_>>();
        let find = |name: &String| {
            let unknown = || format!("no family '{name}'; there are {}", known().join(", "));
            families::find(name).ok_or_else(unknown)
        };
        self.families.iter().map(find).collect()
    }
}
