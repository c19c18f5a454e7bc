//! Demos that were read once, for any number of queries.

use burn::{Device, Tensor, TensorData};
use quintet_nn::KvCache;

use crate::{
    Answer, Error, Fmint, Result, Scale,
    model::ids,
    tokens::{Part, Trajectory},
};

/// Queries that go through the model together.
const BATCH: usize = 16;

/// Demos as the model has read them.
#[derive(Clone, Debug)]
pub struct Prompt {
    times: Vec<f64>,
    scale: Scale,
    parts: Vec<Part>,
    demos: usize,
    cache: KvCache,
    device: Device,
}

/// Trajectories of one system whose errors are known.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The times, the first state's included, `[m + 1]`.
    pub times: &'a [f64],
    /// Coarse solutions, `[demos, m + 1, d]`.
    pub coarse: &'a [f64],
    /// What they lack at each time but the first, `[demos, m, d]`.
    pub errors: &'a [f64],
    /// Components of a state, `d`.
    pub dimension: usize,
}

impl Prompt {
    /// Reads demos.
    ///
    /// # Errors
    /// If there are none, more than the model can tell apart, or their parts do not fit each other.
    pub fn new(model: &Fmint, shown: Shown<'_>, device: &Device) -> Result<Self> {
        let (config, d) = (model.config(), shown.dimension);
        let m = shown.times.len().saturating_sub(1);
        let demos = shown.coarse.len() / ((m + 1) * d).max(1);
        let refuse = |what, found, expected: String| Err(Error::Shape { what, found, expected });
        if m == 0 || demos == 0 {
            return refuse("demos", demos * m, "at least one, with two times".to_owned());
        }
        if config.demos > 0 && demos > config.demos {
            return refuse("demos", demos, format!("at most {}", config.demos));
        }
        for (what, found, expected) in [
            ("numbers of coarse solutions", shown.coarse.len(), demos * (m + 1) * d),
            ("numbers of errors", shown.errors.len(), demos * m * d),
        ] {
            if found != expected {
                return refuse(what, found, expected.to_string());
            }
        }
        let g = config.groups_of(d)?;
        let scale = Scale::new(shown.coarse, shown.errors, m + 1, d);
        let parts: Vec<Part> = (0..demos).flat_map(|pair| config.demo_parts(pair)).collect();
        let (mut features, mut kinds) = (Vec::new(), Vec::new());
        for &part in &parts {
            let coarse = &shown.coarse[part.pair * (m + 1) * d..][..(m + 1) * d];
            let errors = &shown.errors[part.pair * m * d..][..m * d];
            let answer = answers(config.answer, coarse, errors, d);
            let trajectory = Trajectory { coarse, answer: Some(&answer) };
            config.write(part, trajectory, (shown.times, &scale), &mut features);
            kinds.extend(config.kind_ids(part, m, g));
        }
        let t = kinds.len();
        let mut cache = model.new_cache();
        let bias = config.bias(&parts, &parts, m * g);
        let bias = Tensor::from_data(TensorData::new(bias, [1, 1, t, t]), device);
        let features = TensorData::new(features, [1, t, config.features()]);
        let features = Tensor::from_data(features, device);
        model.hidden(features, ids(kinds, device), &bias, Some(&mut cache));
        let (times, device) = (shown.times.to_vec(), device.clone());
        Ok(Self { times, scale, parts, demos, cache, device })
    }

    /// What coarse solutions `[n, m + 1, d]` lack at each time but the first, `[n, m, d]`.
    ///
    /// # Errors
    /// If these are not as many numbers as that.
    pub fn errors(&self, model: &Fmint, coarse: &[f64]) -> Result<Vec<f64>> {
        let (config, d) = (model.config(), self.scale.middle.len());
        let (m, row) = (self.times.len() - 1, self.times.len() * d);
        if !coarse.len().is_multiple_of(row) {
            let (found, expected) = (coarse.len(), format!("a multiple of {row}"));
            return Err(Error::Shape { what: "numbers of queries", found, expected });
        }
        let g = config.groups_of(d)?;
        let asked = config.query_parts(self.demos);
        let all: Vec<Part> = self.parts.iter().chain(&asked).copied().collect();
        let (t, s) = (asked.len() * m * g, all.len() * m * g);
        let bias = config.bias(&asked, &all, m * g);
        let bias = Tensor::from_data(TensorData::new(bias, [1, 1, t, s]), &self.device);
        let kinds: Vec<i32> = asked.iter().flat_map(|&part| config.kind_ids(part, m, g)).collect();
        let kinds = ids(kinds, &self.device);
        let mut errors = Vec::with_capacity(coarse.len());
        for coarse in coarse.chunks(BATCH * row) {
            let rows = coarse.len() / row;
            let mut features = Vec::new();
            for coarse in coarse.chunks(row) {
                for &part in &asked {
                    let trajectory = Trajectory { coarse, answer: None };
                    config.write(part, trajectory, (&self.times, &self.scale), &mut features);
                }
            }
            let features = TensorData::new(features, [rows, t, config.features()]);
            let features = Tensor::from_data(features, &self.device);
            let mut cache = self.cache.repeated(rows);
            let hidden = model.hidden(features, kinds.clone(), &bias, Some(&mut cache));
            let given = model.answers(hidden.narrow(1, t - m * g, m * g)); // [rows, m * g, c]
            let given: Vec<f32> = given.into_data().iter::<f32>().collect();
            let width = g * config.components;
            for (given, coarse) in given.chunks(m * width).zip(coarse.chunks(row)) {
                for (point, given) in given.chunks(width).enumerate() {
                    let state = &coarse[(point + 1) * d..][..d];
                    errors.extend(given.iter().zip(state).enumerate().map(
                        |(c, (given, state))| {
                            let answer = config.restore(f64::from(*given), c, &self.scale);
                            match config.answer {
                                Answer::Error => answer,
                                Answer::Solution => answer - state,
                            }
                        },
                    ));
                }
            }
        }
        Ok(errors)
    }
}

/// What is to be predicted of a coarse solution `[m + 1, d]` that lacks `[m, d]`.
pub(crate) fn answers(answer: Answer, coarse: &[f64], errors: &[f64], d: usize) -> Vec<f64> {
    match answer {
        Answer::Error => errors.to_vec(),
        Answer::Solution => coarse[d..].iter().zip(errors).map(|(u, e)| u + e).collect(),
    }
}
