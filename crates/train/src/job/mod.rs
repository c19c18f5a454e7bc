//! A whole run: from a recipe to a trained model directory.

mod adapter;
mod check;
mod data;
mod load;
mod model;
mod start;

use std::{path::Path, sync::atomic::AtomicBool};

use burn::Device;
use quintet_models::{Multimodal, Processor, multimodal::PARTS};
use quintet_nn::{Adapters, Linear, Params, Vars};
use quintet_weights::SaveDType;

pub use check::{Depth, SAMPLE, StageReport};
pub use data::{DataSpec, MarkedSpec, Scenes, ScenesSpec};
pub use model::ModelSpec;
#[cfg(test)]
pub(crate) use model::tests;
pub use start::StartSpec;

use crate::{
    Control, Outcome, Result, TrainConfig,
    checkpoint::latest,
    error::job,
    looper::Evaluate,
    objectives::{Built, Conversations, DenseScenes, HEAD},
    optim::Group,
    progress::ProgressMode,
    recipe::{ObjectiveKind, Stage},
    run,
    stage::Part,
    validation::measure,
};

/// A recipe of this crate's models and datasets.
pub type Recipe = crate::recipe::Recipe<ModelSpec, DataSpec>;

/// The parts of a model with an encoder.
pub const MODEL_PARTS: [Part<'static>; 3] = [
    Part { name: PARTS[0].0, prefix: PARTS[0].1 },
    Part { name: PARTS[1].0, prefix: PARTS[1].1 },
    Part { name: PARTS[2].0, prefix: PARTS[2].1 },
];

/// A recipe and the model that it starts from.
pub struct Job<'a> {
    recipe: &'a Recipe,
    model: Multimodal,
    processor: Processor,
}

impl<'a> Job<'a> {
    /// Loads the model, or makes it.
    ///
    /// # Errors
    /// If it cannot be found or read, its parts do not fit, or it is larger than what is free.
    pub fn build(recipe: &'a Recipe, device: &Device) -> Result<Self> {
        let (model, processor) = recipe.model.build(recipe.seed, device).map_err(job)?;
        Ok(Self { recipe, model, processor })
    }

    /// Whether training in `out` would go on from a checkpoint.
    ///
    /// # Errors
    /// If `out` cannot be read.
    pub fn begun(&self, out: &Path) -> Result<bool> {
        for dir in self.recipe.stages.iter().map(|stage| out.join(&stage.name)) {
            if dir.is_dir() && latest(&dir)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Trains all stages in order, into `out/STAGE`, and writes the model to `out/model`. A LoRA stage
    /// also leaves its adapters, in PEFT's layout, in `out/STAGE/adapter`.
    ///
    /// A run that was interrupted goes on where it stopped. Gives `false` if it was stopped again.
    ///
    /// # Errors
    /// If the data cannot be read, a stage does not fit them or the model, or training fails.
    pub fn train(self, out: &Path, progress: ProgressMode, stop: &AtomicBool) -> Result<bool> {
        let Self { recipe, mut model, mut processor } = self;
        let mut adapted: Option<Adapters> = None;
        for (number, stage) in recipe.stages.iter().enumerate() {
            // Merged only when a stage goes on from there: merged weights take more memory than those of
            // a half-precision file, and saving merges one at a time.
            if let Some(adapters) = adapted.take() {
                adapters.merge(model.params_mut());
            }
            processor.options.max_len = stage.max_tokens;
            let dir = out.join(&stage.name);
            adapted = select(stage, &mut model, stage.seed.unwrap_or(recipe.seed))?;
            let train = match stage.objective {
                ObjectiveKind::Encoder => encoder_stage,
                ObjectiveKind::Pretrain | ObjectiveKind::Sft => language_stage,
            };
            if !train(recipe, stage, &model, &processor, &dir, progress, stop)?.finished {
                return Ok(false);
            }
            if let Some(adapters) = &adapted {
                let (whole, base) = adapter::beside(recipe, number);
                let dir = dir.join("adapter");
                model.save_adapter(adapters, &dir, base, &whole).map_err(job)?;
            }
        }
        let dir = out.join("model");
        model.save(&dir, SaveDType::F32).map_err(job)?;
        processor.options.max_len = model.text_config().max_position_embeddings;
        processor.save(&dir, &model).map_err(job)?;
        Ok(true)
    }
}

/// The stage's parameters: what the selection trains, less what no loss reaches.
fn select(stage: &Stage, model: &mut Multimodal, seed: u64) -> Result<Option<Adapters>> {
    let applied = stage.selection().apply(&stage.name, &MODEL_PARTS, model.params_mut(), seed)?;
    for cell in model.params().trainable().filter(|cell| !model.takes_part(cell.name())) {
        cell.set_trainable(false);
    }
    Ok(applied.adapters)
}

fn encoder_stage(
    recipe: &Recipe,
    stage: &Stage,
    model: &Multimodal,
    processor: &Processor,
    dir: &Path,
    progress: ProgressMode,
    stop: &AtomicBool,
) -> Result<Outcome> {
    let seed = stage.seed.unwrap_or(recipe.seed);
    let unreached = |name: &str| !DenseScenes::reaches(model, name);
    let unreached: Vec<_> =
        model.params().trainable().filter(|cell| unreached(cell.name())).collect();
    for cell in unreached {
        cell.set_trainable(false);
    }
    let Some(images) = &processor.images else {
        return Err(job("an encoder stage needs a model with an encoder"));
    };
    let name = stage.data.keys().next().or_else(|| recipe.data.keys().next());
    let scenes = scenes(recipe, name)?;
    let built = scenes.built().map_err(job)?;
    let vars = Vars::random(seed ^ 1, model.device());
    let [width, outputs] = DenseScenes::head_dims(model, built.marker.is_some()).map_err(job)?;
    let head = Linear::new(&vars.at(HEAD), width, outputs, true).map_err(job)?;
    let mut params = Params::default();
    params.extend(model.params().trainable().cloned());
    let head_params = vars.finish().map_err(job)?;
    head_params.set_trainable(|_| true);
    params.extend(head_params.iter().cloned());
    let objective = |built: Built, accumulate, seed| {
        let size = [stage.batch, accumulate];
        let reads = (images, &processor.tokenizer);
        DenseScenes::new(model, reads, head.clone(), built, size, seed).map_err(job)
    };
    let held_out = match &stage.validate {
        None => None,
        Some(name) => {
            let held_out = self::scenes(recipe, Some(name))?;
            let held_out_built = held_out.built().map_err(job)?;
            if held_out_built.marker.is_some() != built.marker.is_some() {
                return Err(job(
                    "an encoder stage is measured on scenes of the kind it learns from",
                ));
            }
            Some(objective(held_out_built, 1, held_out.seed())?)
        }
    };
    let objective = objective(built, stage.accumulate, seed)?;
    let config = stage.train_config(recipe, scenes.count(), progress);
    let mut measure = held_out
        .as_ref()
        .map(|held_out| |_| measure(held_out, stage.validate_batches, stage.precision));
    let control = Control { stop, evaluate: measure.as_mut().map(|measure| measure as Evaluate) };
    run(&objective, &params, &stage.optimiser_groups(&MODEL_PARTS)?, &config, dir, control)
}

/// A dataset of scenes, whose patches can be labelled.
fn scenes<'a>(recipe: &'a Recipe, name: Option<&String>) -> Result<Scenes<'a>> {
    let spec = name.and_then(|name| recipe.data.get(name));
    spec.and_then(DataSpec::scenes).ok_or_else(|| {
        job("an encoder stage needs a dataset of kind 'scenes' or 'marked', which has labels for \
             each patch")
    })
}

fn language_stage(
    recipe: &Recipe,
    stage: &Stage,
    model: &Multimodal,
    processor: &Processor,
    dir: &Path,
    progress: ProgressMode,
    stop: &AtomicBool,
) -> Result<Outcome> {
    let seed = stage.seed.unwrap_or(recipe.seed);
    let sources = data::sources(recipe, stage).map_err(job)?;
    let samples = sources.iter().map(|source| source.dataset.len()).sum();
    let config: TrainConfig = stage.train_config(recipe, samples, progress);
    let groups: Vec<Group> = stage.optimiser_groups(&MODEL_PARTS)?;
    let conversations = |sources, accumulate| Conversations {
        model,
        processor,
        sources,
        batch: stage.batch,
        accumulate,
        seed,
    };
    let held_out = data::held_out(recipe, stage).map_err(job)?;
    let held_out = held_out.map(|source| conversations(vec![source], 1));
    let mut measure = held_out
        .as_ref()
        .map(|held_out| |_| measure(held_out, stage.validate_batches, stage.precision));
    let evaluate = measure.as_mut().map(|measure| measure as Evaluate);
    let objective = conversations(sources, stage.accumulate);
    run(&objective, model.params(), &groups, &config, dir, Control { stop, evaluate })
}
