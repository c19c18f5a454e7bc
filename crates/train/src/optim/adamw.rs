//! AdamW: Adam with decoupled weight decay (Loshchilov and Hutter, 2019, Algorithm 2).

use std::{borrow::Cow, collections::BTreeMap, path::Path, sync::Arc};

use burn::{DType, Device, Tensor, TensorData};
use quintet_nn::{Params, param::ParamCell};
use quintet_weights::{SaveDType, Weights, save_safetensors};
use rayon::prelude::*;

use super::{
    CHUNK, GradientSum,
    gradients::{Gradient, values, values_mut},
};
use crate::{Error, Result};

/// The algorithm's constants; the learning rate comes with every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the running mean of gradients.
    pub beta1: f64,
    /// Decay of the running mean of squared gradients.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Decoupled weight decay λ of matrices. Vectors (biases, norms) have none.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    /// The constants of `torch.optim.AdamW`.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 }
    }
}

/// Parameters that learn at their own pace. The first group that picks a parameter has it.
pub struct Group {
    /// Whether the parameter of this full name belongs to the group.
    pub pick: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// Multiplies the learning rate.
    pub lr_scale: f64,
    /// Weight decay of all the group's parameters, vectors too; `None` for the default rule.
    pub weight_decay: Option<f64>,
}

impl Group {
    /// All parameters whose name starts with `prefix`.
    pub fn prefix(prefix: impl Into<String>, lr_scale: f64, weight_decay: Option<f64>) -> Self {
        let prefix = prefix.into();
        Self { pick: Box::new(move |name| name.starts_with(&prefix)), lr_scale, weight_decay }
    }
}

/// The optimiser and its state over the parameters that were trainable when it was made.
///
/// On the CPU a step is one parallel pass over parameter, gradient and moments; on other devices
/// it is made of tensor operations there.
pub struct AdamW {
    config: AdamWConfig,
    slots: Vec<Slot>,
}

struct Slot {
    cell: Arc<ParamCell>,
    lr_scale: f64,
    weight_decay: f64,
    /// Updates so far. Own to the parameter, as one that a step does not reach is left alone.
    steps: u64,
    moments: Option<Moments>,
}

/// Running means of the gradient (`m`) and of its square (`v`).
enum Moments {
    Host { m: Vec<f32>, v: Vec<f32> },
    Device(Box<[Tensor<1>; 2]>),
}

/// The scalars of one parameter's update.
#[derive(Clone, Copy)]
struct Coefficients {
    grad_scale: f32,
    keep: f32,
    beta2: f32,
    mean_rate: f32,
    square_rate: f32,
    step_size: f32,
    inv_root_correction: f32,
    eps: f32,
}

impl AdamW {
    /// An optimiser over `params.trainable()`.
    pub fn new(params: &Params, config: AdamWConfig, groups: &[Group]) -> Self {
        let slot = |cell: &Arc<ParamCell>| {
            let group = groups.iter().find(|group| (group.pick)(cell.name()));
            let usual = if cell.shape().len() <= 1 { 0.0 } else { config.weight_decay };
            Slot {
                cell: cell.clone(),
                lr_scale: group.map_or(1.0, |group| group.lr_scale),
                weight_decay: group.and_then(|group| group.weight_decay).unwrap_or(usual),
                steps: 0,
                moments: None,
            }
        };
        Self { config, slots: params.trainable().map(slot).collect() }
    }

    /// An empty sum of gradients over this optimiser's parameters.
    pub fn gradients(&self) -> GradientSum {
        GradientSum::new(self.slots.iter().map(|slot| slot.cell.clone()).collect())
    }

    /// Updates the parameters with gradients made by [`AdamW::gradients`], scaled down so that
    /// their norm is at most `clip` (as `torch.nn.utils.clip_grad_norm_` does).
    ///
    /// Gives the norm before clipping. When it is not finite, nothing is changed.
    pub fn step(&mut self, gradients: GradientSum, lr: f64, clip: Option<f64>) -> f64 {
        let norm = gradients.norm();
        if !norm.is_finite() {
            return norm;
        }
        let clipped = clip.map_or(1.0, |max| (max / (norm + 1e-6)).min(1.0));
        let scale = gradients.mean_scale() * clipped;
        let config = self.config;
        self.slots.par_iter_mut().zip(gradients.sums).for_each(|(slot, gradient)| {
            if let Some(gradient) = gradient {
                slot.update(gradient, lr, scale, &config);
            }
        });
        norm
    }

    /// Writes the state: `<parameter>.m`, `<parameter>.v`, and the number of updates as metadata.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut tensors = Vec::new();
        let mut metadata = BTreeMap::new();
        for slot in &self.slots {
            let Some((m, v)) = slot.moments.as_ref().map(Moments::to_f32) else { continue };
            let name = slot.cell.name();
            tensors.push((format!("{name}.m"), slot.cell.shape().to_vec(), m));
            tensors.push((format!("{name}.v"), slot.cell.shape().to_vec(), v));
            metadata.insert(name.to_owned(), slot.steps.to_string());
        }
        Ok(save_safetensors(path, tensors, SaveDType::F32, &metadata)?)
    }

    /// Takes over a state written by [`AdamW::save`], bit for bit.
    ///
    /// # Errors
    /// If the file cannot be read or belongs to other parameters; nothing is changed then.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        let file = Weights::open(path)?;
        let bad = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let mut steps = BTreeMap::new();
        for (name, value) in file.metadata() {
            let count = value.as_str().and_then(|text| text.parse::<u64>().ok());
            let count = count.ok_or_else(|| bad(format!("the update count of '{name}' is bad")))?;
            steps.insert(name.as_str(), count);
        }
        let names = |slot: &Slot| ["m", "v"].map(|kind| format!("{}.{kind}", slot.cell.name()));
        let kept: Vec<bool> =
            self.slots.iter().map(|slot| steps.contains_key(slot.cell.name())).collect();
        let expected: Vec<_> = self.slots.iter().zip(&kept).filter(|(_, kept)| **kept).collect();
        let expected: Vec<_> = expected
            .iter()
            .flat_map(|(slot, _)| names(slot).map(|name| (name, slot.cell.shape())))
            .collect();
        file.check(expected.iter().map(|(name, shape)| (name.as_str(), *shape)))?;
        for slot in &mut self.slots {
            let Some(&count) = steps.get(slot.cell.name()) else {
                (slot.steps, slot.moments) = (0, None);
                continue;
            };
            let [m, v] = names(slot);
            slot.steps = count;
            slot.moments = Some(Moments::new(&slot.cell, file.f32(&m)?, file.f32(&v)?));
        }
        Ok(())
    }
}

impl Slot {
    fn update(&mut self, gradient: Gradient, lr: f64, grad_scale: f64, config: &AdamWConfig) {
        self.steps += 1;
        let lr = lr * self.lr_scale;
        let steps = self.steps as f64;
        let k = Coefficients {
            grad_scale: grad_scale as f32,
            keep: (1.0 - lr * self.weight_decay) as f32,
            beta2: config.beta2 as f32,
            mean_rate: (1.0 - config.beta1) as f32,
            square_rate: (1.0 - config.beta2) as f32,
            step_size: (lr / (1.0 - config.beta1.powf(steps))) as f32,
            inv_root_correction: (1.0 - config.beta2.powf(steps)).sqrt().recip() as f32,
            eps: config.eps as f32,
        };
        let len = self.cell.len();
        self.cell.update(|value| {
            let (device, dtype) = (value.device(), value.dtype());
            match gradient {
                Gradient::Host(grad) => {
                    let fresh = || Moments::Host { m: vec![0.0; len], v: vec![0.0; len] };
                    let Moments::Host { m, v } = self.moments.get_or_insert_with(fresh) else {
                        unreachable!("moments live where the parameter does")
                    };
                    let mut value = value.into_data_dtype(DType::F32);
                    update_slices(values_mut(&mut value), values(&grad), m, v, k);
                    Tensor::from_data(value, (&device, dtype))
                }
                Gradient::Device(grad) => {
                    let zeros = || Tensor::zeros([len], (&device, DType::F32));
                    let fresh = || Moments::Device(Box::new([zeros(), zeros()]));
                    let Moments::Device(moments) = self.moments.get_or_insert_with(fresh) else {
                        unreachable!("moments live where the parameter does")
                    };
                    let [m, v] = moments.as_mut();
                    let value = value.cast(DType::F32);
                    update_tensors(value, grad.cast(DType::F32), m, v, k).cast(dtype)
                }
            }
        });
    }
}

/// One pass that reads and writes every value once.
fn update_slices(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], k: Coefficients) {
    p.par_chunks_mut(CHUNK)
        .zip(g.par_chunks(CHUNK))
        .zip(m.par_chunks_mut(CHUNK))
        .zip(v.par_chunks_mut(CHUNK))
        .for_each(|(((p, g), m), v)| {
            for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                let g = g * k.grad_scale;
                *m += (g - *m) * k.mean_rate;
                *v = *v * k.beta2 + g * g * k.square_rate;
                *p = *p * k.keep - k.step_size * (*m / (v.sqrt() * k.inv_root_correction + k.eps));
            }
        });
}

/// The same update in tensor operations.
fn update_tensors(
    p: Tensor<1>,
    g: Tensor<1>,
    m: &mut Tensor<1>,
    v: &mut Tensor<1>,
    k: Coefficients,
) -> Tensor<1> {
    let g = g.mul_scalar(k.grad_scale);
    *m = m.clone() + (g.clone() - m.clone()).mul_scalar(k.mean_rate);
    *v = v.clone().mul_scalar(k.beta2) + (g.clone() * g).mul_scalar(k.square_rate);
    let denominator = v.clone().sqrt().mul_scalar(k.inv_root_correction).add_scalar(k.eps);
    p.mul_scalar(k.keep) - (m.clone() / denominator).mul_scalar(k.step_size)
}

impl Moments {
    /// Moments where `cell` lives.
    fn new(cell: &ParamCell, m: Vec<f32>, v: Vec<f32>) -> Self {
        let device = cell.device();
        if device == Device::flex() {
            return Self::Host { m, v };
        }
        let tensor = |values: Vec<f32>| {
            let data = TensorData::new(values, [cell.len()]);
            Tensor::from_data(data, (&device, DType::F32))
        };
        Self::Device(Box::new([m, v].map(tensor)))
    }

    fn to_f32(&self) -> (Cow<'_, [f32]>, Cow<'_, [f32]>) {
        match self {
            Self::Host { m, v } => (Cow::Borrowed(m), Cow::Borrowed(v)),
            Self::Device(moments) => {
                let host = |tensor: &Tensor<1>| {
                    Cow::Owned(values(&tensor.to_data_dtype(DType::F32)).to_vec())
                };
                let [m, v] = moments.as_ref();
                (host(m), host(v))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_and_tensors_are_updated_alike() {
        let len = CHUNK + 37;
        let wave = |f: f32| (0..len).map(|i| (i as f32 * f).sin()).collect::<Vec<_>>();
        let (mut p, g, mut m, v) = (wave(0.1), wave(0.3), wave(0.7), wave(0.9));
        let mut v: Vec<f32> = v.iter().map(|x| x * x).collect();
        let k = Coefficients {
            grad_scale: 0.5,
            keep: 0.99,
            beta2: 0.95,
            mean_rate: 0.1,
            square_rate: 0.05,
            step_size: 0.01,
            inv_root_correction: 1.3,
            eps: 1e-8,
        };
        let tensor = |x: &[f32]| Tensor::<1>::from_floats(x, &Device::flex());
        let (mut tm, mut tv) = (tensor(&m), tensor(&v));
        let tp = update_tensors(tensor(&p), tensor(&g), &mut tm, &mut tv, k);
        update_slices(&mut p, &g, &mut m, &mut v, k);
        for (host, device) in [(p, tp), (m, tm), (v, tv)] {
            let device: Vec<f32> = device.into_data().iter::<f32>().collect();
            let worst = host.iter().zip(&device).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-6, "{worst}");
        }
    }
}
