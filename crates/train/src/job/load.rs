//! What a training step of a stage holds, from the model, the stage and the rows.

use std::collections::BTreeSet;

use quintet_data::scene::Crop;
use quintet_kernels::mean_cross_entropy_values;
use quintet_models::{backbones::Family, encoders::Geometry, multimodal::PARTS};
use quintet_nn::{Linear, Params, param::ParamCell};

use super::Job;
use crate::{
    Precision,
    memory::{Flow, Load, Transformer},
    objectives::DenseScenes,
    preflight::{Report, Span},
    recipe::{ObjectiveKind, Stage},
};

/// Bytes of a parameter and of a pixel value.
const F32: u64 = 4;

/// Values per patch and class in warm-up: scores, their log-softmax, and the gradient.
const DENSE_VALUES: u64 = 3;

/// Micro-batches in memory besides those in the queue: one in the making, one waiting to be
/// queued, and one in use, whose pixels are there a second time as a tensor.
const BATCHES_IN_HAND: usize = 3;

/// Values per supervised token and class where the loss is not computed in one piece with the scores:
/// scores, their log-softmax, and what its gradient needs.
const LOSS_VALUES: u64 = 3;

/// The load of a stage whose parameters are selected. The rows decide how long the sequences are:
/// the longest one counts, as a batch is padded to it. `plain` has the names of the parameters that
/// earlier stages unpack; `baseline` is what the process holds besides the model, with the stage's data
/// opened.
pub(super) fn load(
    job: &Job<'_>,
    stage: &Stage,
    rows: &[Report],
    plain: &BTreeSet<String>,
    baseline: u64,
) -> Load {
    let Job { recipe, model, processor } = job;
    let params = model.params();
    let trainable: u64 = params.trainable().map(|cell| cell.len() as u64).sum();
    let bytes = |cell: &ParamCell| match plain.contains(cell.name()) {
        true => F32 * cell.len() as u64,
        false => cell.bytes() as u64,
    };
    let frozen = params.iter().filter(|cell| !cell.is_trainable());
    let tower = |(name, prefix): (&str, &str), layers: usize| {
        let maps = || params.linears().iter().filter(move |map| map.name().starts_with(prefix));
        let unpacked = |map: &Linear| map.weight().quantised().is_none();
        let ranks = maps().filter_map(|map| Some(map.lora()?.down.dims()[0] as u64));
        Transformer {
            name: name.into(),
            layers: layers as u64,
            keeps_inputs: maps().any(|map| unpacked(map) || map.lora().is_some()),
            adapter_values: ranks.sum::<u64>().div_ceil(layers.max(1) as u64),
            ..Transformer::default()
        }
    };
    let flow = |learns: bool| if learns { Flow::Backward } else { Flow::Forward };
    let longest = |of: fn(&Report) -> Span| {
        rows.iter().filter(|report| report.good > 0).map(|report| of(report).max).max().unwrap_or(0)
    };
    let batch = u64::from(stage.batch);
    let mut load = Load {
        trainable,
        frozen_bytes: frozen.map(|cell| bytes(cell)).sum(),
        batches: (stage.train_config(recipe, 1, Default::default()).prefetch + BATCHES_IN_HAND)
            as u64,
        accumulates: stage.accumulate > 1,
        half_storage: stage.precision == Precision::Half,
        baseline,
        ..Load::default()
    };
    let warm_up = stage.objective == ObjectiveKind::Encoder;
    let mut pictures = 0;
    if let Some(vision) = model.vision() {
        let encoder = vision.encoder();
        let Geometry { width, layers, mlp_width, gated, class_token, image_size, .. } =
            encoder.geometry();
        let per_row = longest(|report| report.media_tokens) / processor.image_tokens.max(1);
        pictures = if warm_up { batch } else { batch * per_row as u64 };
        let tower = Transformer {
            width: width as u64,
            key_width: width as u64,
            mlp_width: mlp_width as u64,
            gated,
            sequences: pictures,
            tokens: (encoder.patch_count() + usize::from(class_token)) as u64,
            flow: flow(learns(params, &PARTS[..1])),
            ..tower(PARTS[0], layers)
        };
        load.batch_bytes += F32 * pictures * 3 * (image_size as u64).pow(2);
        if warm_up {
            // As wide as for marked scenes.
            let dims = DenseScenes::head_dims(model, true).unwrap_or_default();
            let [width, outputs] = dims.map(|size| size as u64);
            load.trainable += outputs * (width + 1);
            let classes = outputs.max(1 + Crop::CLASSES as u64);
            load.logit_values = DENSE_VALUES * pictures * encoder.patch_count() as u64 * classes;
        }
        load.towers.push(tower);
    }
    if warm_up {
        return load;
    }
    let text = model.text_config();
    let supervised = stage.batch as usize * longest(|report| report.supervised);
    load.logit_values = match model.backbone().fuses_loss() {
        true => {
            mean_cross_entropy_values(supervised, text.word_embed_proj_dim, text.vocab_size) as u64
        }
        false => LOSS_VALUES * (supervised * text.vocab_size) as u64,
    };
    load.towers.push(Transformer {
        width: text.hidden_size as u64,
        key_width: (text.num_key_value_heads * text.head_dim) as u64,
        mlp_width: text.intermediate_size as u64,
        gated: text.family != Family::Opt,
        sequences: batch,
        tokens: longest(|report| report.tokens) as u64,
        flow: flow(learns(params, if pictures > 0 { &PARTS } else { &PARTS[2..] })),
        ..tower(PARTS[2], text.num_hidden_layers)
    });
    load
}

/// Whether a parameter of these parts trains.
fn learns(params: &Params, parts: &[(&str, &str)]) -> bool {
    params.trainable().any(|cell| parts.iter().any(|(_, prefix)| cell.name().starts_with(prefix)))
}
