//! Training data: tasks of many systems, made as they are needed.

use burn::{Device, Int, Tensor, TensorData};
use quintet_ode::{Family, Protocol, Task, Tasks};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    Config, Error, Result, Scale,
    model::ids,
    prompt::answers,
    tokens::{Kind, Trajectory},
};

/// Tries to draw a task of finite numbers.
const TRIES: usize = 100;

/// What tasks are drawn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draw {
    /// Demos of a task, beside the query.
    pub demos: usize,
    /// From how many to how many coarse steps trajectories are long.
    pub points: [usize; 2],
    /// From where to where the stride is, in strides of the family; even on a logarithmic scale.
    pub strides: [f64; 2],
    /// The share of tasks whose errors are the shifted ones of the paper's tables.
    pub shifted: f64,
    /// Batches that differ, which then come again: how few data there are. All differ if it is absent.
    #[serde(default)]
    pub batches: Option<u64>,
}

/// Tasks side by side, as tokens.
pub struct Batch {
    /// `[b, t, f]`
    pub features: Tensor<3>,
    /// `[1, t]`
    pub kinds: Tensor<2, Int>,
    /// `[1, 1, t, t]`
    pub bias: Tensor<4>,
    /// What is asked for, `[b, asked, components]`.
    pub targets: Tensor<3>,
    /// 1 where a token has a component, 0 where it has none.
    pub weights: Tensor<3>,
    /// Where the tokens that ask are, in runs.
    pub asked: Vec<std::ops::Range<usize>>,
    /// Numbers that are asked for.
    pub count: usize,
}

impl Draw {
    /// The tasks of one batch, which `seed` and `number` decide.
    ///
    /// # Errors
    /// If no task of finite numbers comes up.
    pub fn tasks(
        &self,
        families: &[&Family],
        (seed, number): (u64, u64),
        size: usize,
    ) -> Result<Vec<Task>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(self.batches.map_or(number, |batches| number % batches));
        let points = rng.random_range(self.points[0]..=self.points[1]);
        let mut tasks = Vec::with_capacity(size);
        for _ in 0..size * TRIES {
            if tasks.len() == size {
                break;
            }
            let family = families[rng.random_range(0..families.len())];
            let [low, high] = self.strides.map(f64::ln);
            let factor = (low + (high - low) * rng.random::<f64>()).exp();
            let stride = (family.info.stride as f64 * factor).round().max(2.0) as usize;
            let protocol = match rng.random_bool(self.shifted) {
                true => Protocol::Shifted,
                false => Protocol::Aligned,
            };
            let draw = Tasks {
                family,
                points,
                trajectories: self.demos + 1,
                stride: Some(stride),
                protocol,
                seed: rng.random(),
            };
            let finite = |task: &Task| task.errors().iter().all(|error| error.is_finite());
            tasks.extend(draw.draw(0..1)?.into_iter().filter(finite));
        }
        if tasks.len() < size {
            let what = "tasks of finite numbers; draw shorter strides";
            return Err(Error::Shape { what, found: tasks.len(), expected: size.to_string() });
        }
        Ok(tasks)
    }
}

impl Batch {
    /// Tasks of as many points and components as each other. What numbers are measured in comes from
    /// some of the demos of each, as prompts have any number of them.
    ///
    /// # Errors
    /// If a state has more components than the model reads.
    pub fn new(config: &Config, tasks: &[Task], seed: u64, device: &Device) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let first = &tasks[0];
        let (d, m) = (first.dimension, first.times.len() - 1);
        let g = config.groups_of(d)?;
        let pairs = first.coarse.len() / ((m + 1) * d);
        let parts = config.training_parts(pairs);
        let len = m * g;
        let asked: Vec<_> = parts
            .iter()
            .enumerate()
            .filter(|(_, part)| part.kind == Kind::Key)
            .map(|(i, _)| i * len..(i + 1) * len)
            .collect();
        let (mut features, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for task in tasks {
            let errors = task.errors();
            let d = task.dimension;
            let rows = |row: usize, pair: usize| pair * row..(pair + 1) * row;
            let shown = rng.random_range(1..pairs);
            let scale =
                Scale::new(&task.coarse[..shown * (m + 1) * d], &errors[..shown * m * d], m + 1, d);
            for &part in &parts {
                let coarse = &task.coarse[rows((m + 1) * d, part.pair)];
                let errors = &errors[rows(m * d, part.pair)];
                let answer = answers(config.answer, coarse, errors, d);
                let trajectory = Trajectory { coarse, answer: Some(&answer) };
                config.write(part, trajectory, (&task.times, &scale), &mut features);
                if part.kind != Kind::Key {
                    continue;
                }
                for answer in answer.chunks(d) {
                    for c in 0..g * config.components {
                        let known = answer.get(c).map(|e| config.normal(*e, c, &scale) as f32);
                        targets.push(known.unwrap_or(0.0));
                        weights.push(if known.is_some() { 1.0 } else { 0.0 });
                    }
                }
            }
        }
        let (b, t) = (tasks.len(), parts.len() * len);
        let tensor = |values: Vec<f32>, shape: [usize; 3]| {
            Tensor::<3>::from_data(TensorData::new(values, shape), device)
        };
        let kinds = parts.iter().flat_map(|part| config.kind_ids(*part, m, g)).collect();
        let bias = config.bias(&parts, &parts, len);
        let shape = [b, asked.len() * len, config.components];
        let count = weights.iter().filter(|weight| **weight > 0.0).count();
        Ok(Self {
            features: tensor(features, [b, t, config.features()]),
            kinds: ids(kinds, device),
            bias: Tensor::from_data(TensorData::new(bias, [1, 1, t, t]), device),
            targets: tensor(targets, shape),
            weights: tensor(weights, shape),
            asked,
            count,
        })
    }
}
