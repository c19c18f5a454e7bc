//! The paper's baselines that learn one family and take one step at a time.

use std::path::Path;

use burn::{DType, Device, Tensor, TensorData, activation::gelu};
use quintet_nn::{Checkpoint, Init, Linear, Param, Params, Vars};
use quintet_ode::{Ensemble, Family, Task, families};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    model::{WEIGHTS, read_config, save},
    scale::{mean, rms, usable},
};

/// What the network is to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// What a coarse step lacks: NeurVec (Huang et al., 2022), one hidden layer with a learned
    /// rational activation.
    Neurvec,
    /// The slope, of which a step of RK4 as long as the coarse one is taken: a neural ODE (Chen et
    /// al., 2018), two hidden layers.
    NeuralOde,
}

/// What a stepper is built from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepperConfig {
    /// What the network is.
    pub baseline: Role,
    /// The family that it knows.
    pub family: String,
    /// Width of hidden layers.
    pub width: usize,
    /// Units that numbers are measured in; taken from the first tasks.
    #[serde(default)]
    pub units: Units,
}

/// Middle and spread of the states, and the size of what is added to them in a step, `[d]` each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Units {
    middle: Vec<f64>,
    spread: Vec<f64>,
    step: Vec<f64>,
}

/// A network that makes steps of one family.
#[derive(Debug)]
pub struct Stepper {
    config: StepperConfig,
    layers: Vec<Linear>,
    /// Coefficients of numerator and denominator.
    rational: Option<[Param<1>; 2]>,
}

/// Rational functions start as the best approximation of a rectifier (Boullé et al., 2020).
const NUMERATOR: [f32; 4] = [0.0218, 0.5, 1.5957, 1.1915];
const DENOMINATOR: [f32; 2] = [0.0, 2.383];

/// States `[n, d]` before and after a coarse step each.
pub struct Steps {
    /// Before, in units.
    pub before: Tensor<2>,
    /// What the network is to add, in units.
    pub added: Tensor<2>,
}

/// States before a step, what a coarse step makes of them, and where they really go; `[n, d]` each.
#[derive(Clone, Debug, Default)]
struct Pairs {
    before: Vec<f64>,
    coarse: Vec<f64>,
    after: Vec<f64>,
}

impl StepperConfig {
    /// Its family.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn family(&self) -> Result<&'static Family> {
        let unknown = || Error::Config(format!("no family '{}'", self.family));
        families::find(&self.family).ok_or_else(unknown)
    }

    /// Takes units from tasks.
    ///
    /// # Errors
    /// If they cannot be solved.
    pub fn with_units(&self, tasks: &[Task]) -> Result<Self> {
        let pairs = self.pairs(tasks)?;
        let d = self.family()?.info.initial.len();
        let each = |f: &dyn Fn(usize) -> f64| (0..d).map(f).collect::<Vec<f64>>();
        let column = |values: &[f64], c: usize| -> Vec<f64> {
            values.iter().skip(c).step_by(d).copied().collect()
        };
        let added = self.added(&pairs);
        let middle = each(&|c| mean(&column(&pairs.before, c)));
        let spread = each(&|c| {
            let deviations = column(&pairs.before, c).into_iter().map(|value| value - middle[c]);
            usable(rms(deviations), middle[c].abs())
        });
        let step = each(&|c| usable(rms(column(&added, c).into_iter()), 0.0));
        Ok(Self { units: Units { middle, spread, step }, ..self.clone() })
    }

    /// All coarse steps of tasks that share their times, from states of their fine solutions.
    fn pairs(&self, tasks: &[Task]) -> Result<Pairs> {
        let family = self.family()?;
        let mut pairs = Pairs::default();
        let Some(first) = tasks.first() else { return Ok(pairs) };
        let (d, row) = (first.dimension, first.times.len() * first.dimension);
        let rows = || tasks.iter().flat_map(|task| task.fine.chunks(row));
        let parameters: Vec<f64> =
            tasks.iter().flat_map(|task| task.parameters.repeat(task.fine.len() / row)).collect();
        for (j, times) in first.times.windows(2).enumerate() {
            let states = |j: usize| rows().flat_map(move |row| &row[j * d..][..d]).copied();
            let before: Vec<f64> = states(j).collect();
            let (start, times, initial) = (times[0], &times[1..], &before[..]);
            let ensemble = Ensemble { start, times, initial, parameters: &parameters };
            let coarse = family.system.solve(&ensemble, family.info.scheme.steps(1))?.states;
            pairs.coarse.extend(coarse);
            pairs.after.extend(states(j + 1));
            pairs.before.extend(before);
        }
        Ok(pairs)
    }

    /// What the network is to add.
    fn added(&self, pairs: &Pairs) -> Vec<f64> {
        let from = match self.baseline {
            Role::Neurvec => &pairs.coarse,
            Role::NeuralOde => &pairs.before,
        };
        pairs.after.iter().zip(from).map(|(after, from)| after - from).collect()
    }

    /// The steps of tasks, in units.
    ///
    /// # Errors
    /// If they cannot be solved.
    pub fn steps(&self, tasks: &[Task], device: &Device) -> Result<Steps> {
        let pairs = self.pairs(tasks)?;
        let Units { middle, spread, step } = &self.units;
        let d = middle.len();
        let added = self.added(&pairs);
        let before = in_units(&pairs.before, |u, c| (u - middle[c]) / spread[c], d);
        let added = in_units(&added, |u, c| u / step[c], d);
        let tensor = |values: Vec<f32>| {
            let shape = [values.len() / d, d];
            Tensor::<2>::from_data(TensorData::new(values, shape), device)
        };
        Ok(Steps { before: tensor(before), added: tensor(added) })
    }
}

impl Stepper {
    /// The network at `vars`.
    ///
    /// # Errors
    /// If the family is unknown or the checkpoint does not match.
    pub fn new(vars: &Vars, config: &StepperConfig) -> Result<Self> {
        let d = config.family()?.info.initial.len();
        let width = config.width;
        if width == 0 || width > 1 << 16 {
            return Err(Error::Config(format!("width is {width}; 1 to 65536 are possible")));
        }
        let Units { middle, spread, step } = &config.units;
        if [middle, spread, step].iter().any(|of| of.len() != d) {
            return Err(Error::Config(format!("units: expected {d} numbers of each kind")));
        }
        let sizes = match config.baseline {
            Role::Neurvec => vec![d, width, d],
            Role::NeuralOde => vec![d, width, width, d],
        };
        let layer = |(i, ends): (usize, &[usize])| {
            Linear::new(&vars.at("layers").at(i), ends[0], ends[1], true)
        };
        let layers = sizes.windows(2).enumerate().map(layer).collect::<quintet_nn::Result<_>>()?;
        let rational = match config.baseline {
            Role::NeuralOde => None,
            Role::Neurvec => Some([
                vars.param("numerator", [NUMERATOR.len()], Init::Zeros)?,
                vars.param("denominator", [DENOMINATOR.len()], Init::Zeros)?,
            ]),
        };
        Ok(Self { config: config.clone(), layers, rational })
    }

    /// A network of random weights.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn random(config: &StepperConfig, seed: u64, device: &Device) -> Result<(Self, Params)> {
        let vars = Vars::random(seed, device);
        let stepper = Self::new(&vars, config)?;
        if let Some([numerator, denominator]) = &stepper.rational {
            numerator.cell().set(Tensor::from_data(NUMERATOR, device));
            denominator.cell().set(Tensor::from_data(DENOMINATOR, device));
        }
        for layer in &stepper.layers {
            // The states are in their spreads: weights that keep them so.
            let weight = layer.weight().cell();
            let scale = 50.0 / (layer.dims()[0] as f64).sqrt();
            weight.update(|value| value.mul_scalar(scale));
        }
        Ok((stepper, vars.finish()?))
    }

    /// Loads a directory that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// If a file is missing or unreadable, or the weights do not fit.
    pub fn load(dir: &Path, device: &Device) -> Result<(Self, Params)> {
        let config: StepperConfig = read_config(dir)?;
        let checkpoint = Checkpoint::open(&dir.join(WEIGHTS), |name| Some(name.to_owned()))?;
        let vars = Vars::load(checkpoint, device, DType::F32);
        Ok((Self::new(&vars, &config)?, vars.finish()?))
    }

    /// Writes configuration and weights.
    ///
    /// # Errors
    /// If the directory cannot be written to.
    pub fn save(&self, params: &Params, dir: &Path) -> Result<()> {
        save(dir, &self.config, params)
    }

    /// What it was built from.
    pub fn config(&self) -> &StepperConfig {
        &self.config
    }

    /// What is added to states in a step, both in units, `[n, d]`.
    pub fn added(&self, u: Tensor<2>) -> Tensor<2> {
        if self.config.baseline == Role::Neurvec {
            return self.network(u);
        }
        // RK4 over a step of length 1; a slope of 1 adds the size of a usual step.
        let Units { spread, step, .. } = &self.config.units;
        let ratio: Vec<f32> = step.iter().zip(spread).map(|(a, b)| (a / b) as f32).collect();
        let ratio = Tensor::<1>::from_data(&ratio[..], &u.device()).unsqueeze::<2>();
        let go = |k: &Tensor<2>, by: f64| u.clone() + k.clone() * ratio.clone().mul_scalar(by);
        let k1 = self.network(u.clone());
        let k2 = self.network(go(&k1, 0.5));
        let k3 = self.network(go(&k2, 0.5));
        let k4 = self.network(go(&k3, 1.0));
        (k1 + (k2 + k3).mul_scalar(2.0) + k4).div_scalar(6.0)
    }

    fn network(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            if i + 1 < self.layers.len() {
                x = match &self.rational {
                    None => gelu(x),
                    Some([numerator, denominator]) => {
                        rational(x, numerator.tensor(), denominator.tensor())
                    }
                };
            }
        }
        x
    }

    /// Trajectories of a family from first states `[n, d]` at times from the first on, `[n, m, d]`.
    ///
    /// # Errors
    /// If the system cannot be solved.
    pub fn roll(
        &self,
        times: &[f64],
        initial: &[f64],
        parameters: &[f64],
        device: &Device,
    ) -> Result<Vec<f64>> {
        let family = self.config.family()?;
        let Units { middle, spread, step } = &self.config.units;
        let d = middle.len();
        let (n, m) = (initial.len() / d, times.len() - 1);
        let mut states = initial.to_vec();
        let mut all = vec![0.0; n * m * d];
        for (j, times) in times.windows(2).enumerate() {
            let units = in_units(&states, |u, c| (u - middle[c]) / spread[c], d);
            let units = Tensor::from_data(TensorData::new(units, [n, d]), device);
            let added: Vec<f32> = self.added(units).into_data().iter::<f32>().collect();
            if self.config.baseline == Role::Neurvec {
                let (start, times, initial) = (times[0], &times[1..], &states[..]);
                let ensemble = Ensemble { start, times, initial, parameters };
                states = family.system.solve(&ensemble, family.info.scheme.steps(1))?.states;
            }
            for (i, (state, added)) in states.iter_mut().zip(added).enumerate() {
                *state += f64::from(added) * step[i % d];
            }
            for (into, state) in all.chunks_mut(m * d).zip(states.chunks(d)) {
                into[j * d..][..d].copy_from_slice(state);
            }
        }
        Ok(all)
    }
}

/// `P(x) / (1 + |Q(x)|)` of third and second degree, without poles (Molina et al., 2020, Eq. 3).
fn rational(x: Tensor<2>, numerator: Tensor<1>, denominator: Tensor<1>) -> Tensor<2> {
    let share = |of: &Tensor<1>, i: usize| of.clone().narrow(0, i, 1).unsqueeze::<2>();
    let horner = |degrees: std::ops::Range<usize>, of: &Tensor<1>| {
        degrees.rev().fold(x.zeros_like(), |sum, i| sum * x.clone() + share(of, i))
    };
    let above = horner(0..NUMERATOR.len(), &numerator);
    let below = horner(0..DENOMINATOR.len(), &denominator) * x.clone();
    above / below.abs().add_scalar(1.0)
}

fn in_units(values: &[f64], unit: impl Fn(f64, usize) -> f64, d: usize) -> Vec<f32> {
    values.iter().enumerate().map(|(i, value)| unit(*value, i % d) as f32).collect()
}
