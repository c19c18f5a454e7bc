//! A small regression that trains in a moment, with everything a run must reproduce: seeded data,
//! noise drawn by the device, accumulation.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use burn::{Device, Distribution, Tensor, TensorData};
use quintet_nn::{Linear, Params, Vars};
use quintet_train::{
    BoxError, Control, LossParts, Objective, Outcome, Precision, TrainConfig,
    optim::{AdamWConfig, Group},
    progress::ProgressMode,
    schedule::{Decay, Schedule, Warmup},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub const STEPS: u64 = 40;
const INPUT: usize = 64;
const HIDDEN: usize = 2048;
const ROWS: usize = 8;

pub struct Tiny {
    up: Linear,
    down: Linear,
    pub params: Params,
    /// The step (from 0) whose batch holds an infinite value.
    pub poisoned: Option<u64>,
}

impl Tiny {
    pub fn new() -> Self {
        let vars = Vars::random(5, &Device::flex());
        let up = Linear::new(&vars.at("up"), INPUT, HIDDEN, true).unwrap();
        let down = Linear::new(&vars.at("down"), HIDDEN, 1, true).unwrap();
        let params = vars.finish().unwrap();
        params.set_trainable(|_| true);
        Self { up, down, params, poisoned: None }
    }
}

impl Objective for Tiny {
    type Batch = (TensorData, TensorData);

    fn batch(&self, step: u64, micro: u32) -> Result<Self::Batch, BoxError> {
        let mut rng = ChaCha8Rng::seed_from_u64(step << 8 | u64::from(micro));
        let mut x: Vec<f32> = (0..ROWS * INPUT).map(|_| rng.random_range(-1.0..1.0)).collect();
        let y: Vec<f32> = x.chunks(INPUT).map(|row| row.iter().sum::<f32>().sin()).collect();
        if self.poisoned == Some(step) {
            x[0] = f32::INFINITY;
        }
        Ok((TensorData::new(x, [ROWS, INPUT]), TensorData::new(y, [ROWS, 1])))
    }

    fn loss(&self, (x, y): Self::Batch) -> Result<LossParts, BoxError> {
        let device = Device::flex();
        let x = Tensor::<2>::from_data(x, &device);
        let noise = Tensor::<2>::random(x.dims(), Distribution::Normal(0.0, 0.05), &device);
        let hidden = burn::activation::relu(self.up.forward(x + noise));
        let error = self.down.forward(hidden) - Tensor::<2>::from_data(y, &device);
        let worst = error.clone().abs().max().into_scalar::<f32>();
        let loss = (error.clone() * error).mean();
        let metrics = vec![("worst", worst)];
        Ok(LossParts { loss, weight: ROWS as f64, samples: ROWS as u64, tokens: 0, metrics })
    }
}

pub fn config() -> TrainConfig {
    TrainConfig {
        label: "tiny".into(),
        steps: STEPS,
        accumulate: 2,
        seed: 11,
        lr: 3e-3,
        optimiser: AdamWConfig::default(),
        schedule: Schedule { warmup: Warmup::Steps(4), decay: Decay::Cosine, floor: 0.1 },
        clip: Some(1.0),
        precision: Precision::Single,
        log_every: 3,
        save_every: Some(2),
        save_after: None,
        keep: 2,
        evaluate_every: Some(10),
        prefetch: 2,
        recipe: "name = \"tiny\"\n".into(),
        progress: ProgressMode::Quiet,
    }
}

/// The device's random generator belongs to the whole process, so runs take turns.
static ONE_RUN: Mutex<()> = Mutex::new(());

/// Trains in `out`; `stop_after` stops as Ctrl-C would, once that many steps are done.
pub fn train(
    tiny: &Tiny,
    config: &TrainConfig,
    out: &Path,
    stop_after: Option<u64>,
) -> quintet_train::Result<Outcome> {
    let _turn = ONE_RUN.lock().unwrap_or_else(PoisonError::into_inner);
    let stop = AtomicBool::new(false);
    let mut evaluate = |step| {
        stop.store(stop_after == Some(step), Ordering::Relaxed);
        Ok([("half".to_owned(), step as f64 / 2.0)].into())
    };
    let groups = [Group::prefix("down.", 0.5, None)];
    let control = Control { stop: &stop, evaluate: Some(&mut evaluate) };
    quintet_train::run(tiny, &tiny.params, &groups, config, out, control)
}

/// What must be the same bits after any history: the files of the last checkpoint.
pub fn final_bits(out: &Path) -> [Vec<u8>; 2] {
    let last = out.join(format!("step-{STEPS:06}"));
    ["weights.safetensors", "optimizer.safetensors"]
        .map(|name| std::fs::read(last.join(name)).unwrap())
}

/// The log without what depends on the clock.
pub fn logged(out: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| {
            let mut row: serde_json::Map<_, _> = serde_json::from_str(line).unwrap();
            row.retain(|key, _| key != "seconds" && !key.ends_with("_per_s"));
            row.into()
        })
        .collect()
}

/// Names of the checkpoints in `out`, unfinished ones too.
pub fn steps_in(out: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(out) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("step-")).collect();
    names.sort();
    names
}

/// Trains without interruption in a fresh directory.
pub fn uninterrupted(dir: &Path) -> PathBuf {
    let out = dir.join("straight");
    let outcome = train(&Tiny::new(), &config(), &out, None).unwrap();
    assert!(outcome.finished);
    out
}
