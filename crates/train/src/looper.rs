//! The training loop: accumulate, clip, step, log, evaluate, save, resume.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use burn::Device;
use quintet_kernels::on_workers;
use quintet_nn::Params;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Error, LossParts, Objective, Result,
    checkpoint::{Checkpoint, Checkpoints},
    error::BoxError,
    log::{Kind, MetricLog, Metrics},
    optim::{AdamW, AdamWConfig, GradientSum, Group},
    prefetch::{Batches, with_batches},
    progress::{Progress, ProgressMode, Shown},
    schedule::Schedule,
    state::State,
};

/// How a run is trained.
#[derive(Clone, Debug)]
pub struct TrainConfig {
    /// Shown before the progress.
    pub label: String,
    /// Optimiser steps in all.
    pub steps: u64,
    /// Micro-batches per step.
    pub accumulate: u32,
    /// Seed of everything random in the forward pass; the objective seeds its data itself.
    pub seed: u64,
    /// Peak learning rate.
    pub lr: f64,
    /// The optimiser's constants.
    pub optimiser: AdamWConfig,
    /// The course of the learning rate.
    pub schedule: Schedule,
    /// Largest norm of the gradient.
    pub clip: Option<f64>,
    /// How matrices are multiplied.
    pub precision: Precision,
    /// Steps between lines of the log.
    pub log_every: u64,
    /// Steps between checkpoints.
    pub save_every: Option<u64>,
    /// Longest time between checkpoints.
    pub save_after: Option<Duration>,
    /// Checkpoints kept.
    pub keep: usize,
    /// Steps between evaluations.
    pub evaluate_every: Option<u64>,
    /// Micro-batches made ahead.
    pub prefetch: usize,
    /// The recipe's text, copied into each checkpoint. A run resumes only under the same text.
    pub recipe: String,
    /// What a person sees.
    pub progress: ProgressMode,
}

/// How matrices are multiplied in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// In `f32`.
    #[default]
    Single,
    /// Operands rounded to `bf16` and sums in `f32`, where the processor multiplies `bf16` in
    /// hardware; in `f32` elsewhere. Weights and optimiser state stay `f32`.
    Mixed,
    /// As [`Mixed`](Self::Mixed), and most of what the backward pass reads is stored in `bf16`, in little
    /// more than half of the memory, on the CPU.
    Half,
}

impl Precision {
    /// Runs `f` with operations as this says.
    pub fn within<T>(self, f: impl FnOnce() -> T) -> T {
        match self {
            Self::Single => f(),
            Self::Mixed => quintet_kernels::mixed_precision(f),
            Self::Half => quintet_kernels::mixed_precision(|| quintet_kernels::half_storage(f)),
        }
    }
}

/// Evaluates the model as it stands after a step.
pub type Evaluate<'a> = &'a mut dyn FnMut(u64) -> std::result::Result<Metrics, BoxError>;

/// What reaches into a run from outside.
pub struct Control<'a> {
    /// Set (by Ctrl-C) to save and stop before the next micro-batch.
    pub stop: &'a AtomicBool,
    /// Called as [`TrainConfig::evaluate_every`] says, and after the last step.
    pub evaluate: Option<Evaluate<'a>>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Where it stands.
    pub state: State,
    /// Its newest checkpoint.
    pub checkpoint: PathBuf,
    /// Whether all steps are done; otherwise it was stopped and can be resumed.
    pub finished: bool,
    /// The step that this sitting resumed from.
    pub resumed_from: Option<u64>,
}

/// Trains the trainable parameters, from the newest checkpoint in `out` if there is one.
///
/// A run that was killed and resumed ends with the same bits as one that was not. A run that is
/// finished is only loaded.
///
/// # Errors
/// If the settings are impossible, the checkpoint is of another recipe or model, the objective
/// fails, the loss is not finite, or writing fails. The newest complete checkpoint is always
/// whole.
pub fn run<O: Objective>(
    objective: &O,
    params: &Params,
    groups: &[Group],
    config: &TrainConfig,
    out: &Path,
    mut control: Control<'_>,
) -> Result<Outcome> {
    config.check()?;
    let Some(device) = params.trainable().next().map(|cell| cell.device()) else {
        return Err(Error::Settings("no parameter is trainable".into()));
    };
    let checkpoints = Checkpoints::open(out, config.keep)?;
    let mut optimiser = AdamW::new(params, config.optimiser, groups);
    let mut state = State {
        steps: config.steps,
        seed: config.seed,
        recipe_sha256: hex(&Sha256::digest(&config.recipe)),
        ..State::default()
    };
    let saved = checkpoints.latest()?;
    if let Some(saved) = &saved {
        check_same_run(saved, &state)?;
        saved.restore(params, &mut optimiser)?;
        state = saved.state.clone();
    }
    let resumed_from = saved.as_ref().map(|saved| saved.state.step);
    let saved = saved.map(|saved| (saved.state.step, saved.path));
    if let Some((step, checkpoint)) = &saved
        && *step == config.steps
    {
        let checkpoint = checkpoint.clone();
        return Ok(Outcome { state, checkpoint, finished: true, resumed_from });
    }
    let steps = state.step..config.steps;
    let mut run = Run {
        objective,
        params,
        config,
        device,
        log: MetricLog::open(out, state.step)?,
        progress: Progress::new(config.progress, &config.label, state.step, config.steps),
        checkpoints,
        saved,
        optimiser,
        earlier: state.seconds,
        state,
        started: Instant::now(),
        first: true,
        speed: Speed::default(),
    };
    if let Some(step) = resumed_from {
        run.progress.note(&format!("resumed after step {step}"));
    }
    let checkpoint =
        with_batches(objective, steps, config.accumulate, config.prefetch, |batches| {
            run.train(&batches, &mut control)
        })?;
    let finished = run.state.step == config.steps;
    Ok(Outcome { state: run.state, checkpoint, finished, resumed_from })
}

/// A run in progress.
struct Run<'a, O> {
    objective: &'a O,
    params: &'a Params,
    config: &'a TrainConfig,
    device: Device,
    log: MetricLog,
    progress: Progress,
    checkpoints: Checkpoints,
    /// Step and directory of the newest checkpoint.
    saved: Option<(u64, PathBuf)>,
    optimiser: AdamW,
    state: State,
    /// Seconds of earlier sittings.
    earlier: f64,
    started: Instant,
    /// Whether this sitting has made no step yet.
    first: bool,
    speed: Speed,
}

/// Work done since the last line of the log, in this sitting.
#[derive(Default)]
struct Speed {
    seconds: f64,
    samples: u64,
    tokens: u64,
}

/// The micro-batches of a step, summed up.
struct Step {
    gradients: GradientSum,
    /// Means of loss and metrics with the weights they count by.
    means: Vec<(&'static str, f64, f64)>,
    loss: f64,
    samples: u64,
    tokens: u64,
}

impl<O: Objective> Run<'_, O> {
    /// Trains to the end or until stopped; gives the newest checkpoint.
    fn train(&mut self, batches: &Batches<O::Batch>, control: &mut Control<'_>) -> Result<PathBuf> {
        let mut last_save = Instant::now();
        while self.state.step < self.config.steps {
            let begun = Instant::now();
            let Some(step) = self.forward_backward(batches, control.stop)? else {
                self.progress.note(&format!("stopped after step {}", self.state.step));
                return self.save();
            };
            self.update(step, begun)?;
            let done = self.state.step;
            let last = done == self.config.steps;
            let due = |every: Option<u64>| every.is_some_and(|every| done.is_multiple_of(every));
            if due(Some(self.config.log_every)) || last {
                self.write_log()?;
            }
            if let Some(evaluate) = control.evaluate.as_mut()
                && (last || due(self.config.evaluate_every))
            {
                let metrics =
                    evaluate(done).map_err(|source| Error::Evaluate { step: done, source })?;
                self.log.write(Kind::Eval, done, &metrics)?;
                self.progress.note(&format!("after step {done}: {metrics:?}"));
                self.progress.skip();
            }
            let late = self.config.save_after.is_some_and(|after| last_save.elapsed() >= after);
            if !last && (late || due(self.config.save_every)) {
                self.save()?;
                self.progress.skip();
                last_save = Instant::now();
            }
        }
        self.save()
    }

    /// The gradients of one step; `None` when asked to stop, which leaves no trace of the step.
    fn forward_backward(
        &self,
        batches: &Batches<O::Batch>,
        stop: &AtomicBool,
    ) -> Result<Option<Step>> {
        let index = self.state.step;
        let mut step = Step {
            gradients: self.optimiser.gradients(),
            means: Vec::new(),
            loss: 0.0,
            samples: 0,
            tokens: 0,
        };
        let mut unit = None;
        let mut weights = 0.0;
        for micro in 0..self.config.accumulate {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let failed = |source| Error::Objective { step: index + 1, micro, source };
            let batch = batches.next(index, micro)?;
            self.device.seed(mix(self.config.seed, index, micro));
            let precision = self.config.precision;
            let parts = on_workers(|| precision.within(|| self.objective.loss(batch)));
            let LossParts { loss, weight, samples, tokens, metrics } = parts.map_err(failed)?;
            let value = f64::from(loss.clone().into_scalar::<f32>());
            if !value.is_finite() {
                return Err(Error::NonFinite { step: index + 1, what: "the loss", value });
            }
            if weight.is_nan() || weight <= 0.0 {
                return Err(failed(format!("a loss over {weight} terms").into()));
            }
            // Relative to the first micro-batch, so that a step of one is not rescaled at all.
            let relative = weight / *unit.get_or_insert(weight);
            on_workers(|| {
                let loss = if relative == 1.0 { loss } else { loss.mul_scalar(relative) };
                step.gradients.add(&mut loss.backward(), relative);
            });
            step.loss += value * weight;
            weights += weight;
            step.samples += samples;
            step.tokens += tokens;
            step.means
                .extend(metrics.into_iter().map(|(name, value)| (name, f64::from(value), weight)));
        }
        step.loss /= weights;
        Ok(Some(step))
    }

    fn update(&mut self, step: Step, begun: Instant) -> Result<()> {
        if self.first
            && let Some(name) = step.gradients.unreached().next()
        {
            let count = step.gradients.unreached().count();
            tracing::warn!("{count} trainable parameter(s) got no gradient, first '{name}'");
        }
        self.first = false;
        let lr = self.config.lr * self.config.schedule.factor(self.state.step, self.config.steps);
        let norm = on_workers(|| self.optimiser.step(step.gradients, lr, self.config.clip));
        self.state.step += 1;
        if !norm.is_finite() {
            let what = "the norm of the gradients";
            return Err(Error::NonFinite { step: self.state.step, what, value: norm });
        }
        self.state.samples += step.samples;
        self.state.tokens += step.tokens;
        let window = &mut self.state.window;
        window.add("loss", step.loss, 1.0);
        window.add("grad_norm", norm, 1.0);
        for (name, value, weight) in step.means {
            window.add(name, value, weight);
        }
        self.speed.seconds += begun.elapsed().as_secs_f64();
        self.speed.samples += step.samples;
        self.speed.tokens += step.tokens;
        self.progress.step(Shown {
            step: self.state.step,
            loss: step.loss,
            lr,
            samples: step.samples,
            tokens: step.tokens,
        });
        Ok(())
    }

    fn write_log(&mut self) -> Result<()> {
        let done = self.state.step;
        let speed = std::mem::take(&mut self.speed);
        let mut metrics = self.state.window.take();
        let lr = self.config.lr * self.config.schedule.factor(done - 1, self.config.steps);
        metrics.extend(
            [
                ("lr", lr),
                ("samples", self.state.samples as f64),
                ("tokens", self.state.tokens as f64),
                ("seconds", self.seconds()),
                ("samples_per_s", speed.samples as f64 / speed.seconds),
                ("tokens_per_s", speed.tokens as f64 / speed.seconds),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        self.log.write(Kind::Train, done, &metrics)
    }

    /// Saves the state unless it is the newest checkpoint already; gives the checkpoint.
    fn save(&mut self) -> Result<PathBuf> {
        let step = self.state.step;
        if let Some((saved, path)) = &self.saved
            && *saved == step
        {
            return Ok(path.clone());
        }
        self.state.seconds = self.seconds();
        self.log.sync()?;
        let recipe = &self.config.recipe;
        let path = self.checkpoints.save(&self.state, self.params, &self.optimiser, recipe)?;
        self.saved = Some((step, path.clone()));
        Ok(path)
    }

    fn seconds(&self) -> f64 {
        self.earlier + self.started.elapsed().as_secs_f64()
    }
}

impl TrainConfig {
    fn check(&self) -> Result<()> {
        let positive = [
            ("steps", self.steps),
            ("accumulate", self.accumulate.into()),
            ("log_every", self.log_every),
            ("save_every", self.save_every.unwrap_or(1)),
            ("evaluate_every", self.evaluate_every.unwrap_or(1)),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(Error::Settings(format!("{name} is 0, at least 1 is needed"))),
            None => Ok(()),
        }
    }
}

fn check_same_run(saved: &Checkpoint, fresh: &State) -> Result<()> {
    let old = &saved.state;
    let differs = if old.recipe_sha256 != fresh.recipe_sha256 {
        "of another recipe (its own copy lies in it as recipe.toml)".to_owned()
    } else if old.steps != fresh.steps {
        format!("of a run of {} steps, not {}", old.steps, fresh.steps)
    } else if old.seed != fresh.seed {
        format!("of a run with seed {}, not {}", old.seed, fresh.seed)
    } else {
        return Ok(());
    };
    Err(Error::Checkpoint {
        path: saved.path.clone(),
        reason: format!(
            "this checkpoint is {differs}; name another output directory, or restore the recipe"
        ),
    })
}

/// One number from three, by the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(seed: u64, step: u64, micro: u32) -> u64 {
    [step, micro.into()].into_iter().fold(seed, |state, word| {
        let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_add(word);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
