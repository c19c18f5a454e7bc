//! Where a layer's parameters come from: a checkpoint or a seeded draw.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use burn::{DType, Device, Tensor, TensorData};
use quintet_kernels::QuantMatrix;
use quintet_weights::Raw;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Error, Linear, Param, Params, Result, param::ParamCell};

/// Named tensors that a model can be built from.
pub trait TensorSource: Send + Sync {
    /// For messages: the file or directory.
    fn describe(&self) -> String;
    /// All names.
    fn names(&self) -> Vec<String>;
    /// The shape, if the tensor exists.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;
    /// The values as `f32`, row-major.
    ///
    /// # Errors
    /// If the file cannot be read there.
    fn read(&self, name: &str) -> Result<Vec<f32>>;
    /// The tensor as it is stored, if it may stay so; only quantised and half-precision matrices do.
    fn quantised(&self, _name: &str) -> Option<Raw> {
        None
    }
}

/// How a parameter starts when there is no checkpoint.
#[derive(Clone, Copy, Debug)]
pub enum Init {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// All this value.
    Constant(f32),
    /// Normal with this standard deviation.
    Normal(f32),
    /// Uniform in ±bound.
    Uniform(f32),
    /// Sines and cosines of the place in a square grid, after `leading` rows of zeros: positions
    /// that are near each other look alike from the start (He et al., 2022, §A.1).
    Grid {
        /// Rows before the grid's.
        leading: usize,
        /// Places along each side.
        side: usize,
        /// Greatest value.
        scale: f32,
    },
}

enum Origin {
    Checkpoint(Box<dyn TensorSource>),
    Seed(Box<Mutex<ChaCha8Rng>>),
    Nothing,
}

struct Shared {
    origin: Origin,
    device: Device,
    dtype: DType,
    built: Mutex<Params>,
}

/// A place in the tree of names, from which layers take their parameters.
#[derive(Clone)]
pub struct Vars {
    shared: Arc<Shared>,
    prefix: String,
}

impl Vars {
    fn new(origin: Origin, device: &Device, dtype: DType) -> Self {
        let shared = Shared { origin, device: device.clone(), dtype, built: Mutex::default() };
        Self { shared: Arc::new(shared), prefix: String::new() }
    }

    /// Parameters from a checkpoint, converted to `dtype`.
    pub fn load(source: impl TensorSource + 'static, device: &Device, dtype: DType) -> Self {
        Self::new(Origin::Checkpoint(Box::new(source)), device, dtype)
    }

    /// Parameters drawn from a seed, in `f32`.
    pub fn random(seed: u64, device: &Device) -> Self {
        let rng = Box::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed)));
        Self::new(Origin::Seed(rng), device, DType::F32)
    }

    /// Parameters that have names and shapes, but no values: what is built of them tells how large it
    /// would be, and cannot compute.
    pub fn shapes(device: &Device) -> Self {
        Self::new(Origin::Nothing, device, DType::F32)
    }

    /// The place `segment` below this one.
    pub fn at(&self, segment: impl std::fmt::Display) -> Self {
        Self { shared: self.shared.clone(), prefix: self.full(&segment.to_string()) }
    }

    /// The full name of this place; empty at the root.
    pub fn path(&self) -> &str {
        &self.prefix
    }

    /// The device the parameters live on.
    pub fn device(&self) -> &Device {
        &self.shared.device
    }

    /// The number kind that the parameters are held in.
    pub fn dtype(&self) -> DType {
        self.shared.dtype
    }

    /// Whether the checkpoint has a tensor here; always true for a seeded draw.
    pub fn has(&self, name: &str) -> bool {
        match &self.shared.origin {
            Origin::Checkpoint(source) => source.shape(&self.full(name)).is_some(),
            Origin::Seed(_) | Origin::Nothing => true,
        }
    }

    /// Takes the parameter `name` of this place.
    ///
    /// # Errors
    /// If the checkpoint lacks it or gives it another shape.
    pub fn param<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        init: Init,
    ) -> Result<Param<D>> {
        let name = self.full(name);
        if let Some(matrix) = self.matrix(&name, &shape) {
            let cell = ParamCell::quantised(name, matrix, self.shared.device.clone());
            self.built().extend([cell.clone()]);
            return Ok(Param::new(cell));
        }
        let values = match &self.shared.origin {
            Origin::Checkpoint(source) => read(source.as_ref(), &name, &shape)?,
            Origin::Seed(rng) => {
                let mut rng = rng.lock().unwrap_or_else(PoisonError::into_inner);
                init.draw(shape.iter().product(), &mut *rng)
            }
            Origin::Nothing => Vec::new(),
        };
        let count = values.len();
        let data = TensorData::new(values, [count]);
        let value = Tensor::from_data(data, (&self.shared.device, self.shared.dtype));
        let cell = ParamCell::new(name, shape.to_vec(), value);
        self.built().extend([cell.clone()]);
        Ok(Param::new(cell))
    }

    /// Ends the building: gives all parameters taken so far.
    ///
    /// # Errors
    /// If the checkpoint has tensors that nobody took.
    pub fn finish(&self) -> Result<Params> {
        let params = std::mem::take(&mut *self.built());
        if let Origin::Checkpoint(source) = &self.shared.origin {
            let taken: BTreeSet<&str> = params.iter().map(|cell| cell.name()).collect();
            let mut extra = source.names();
            extra.retain(|name| !taken.contains(name.as_str()));
            if let Some(first) = extra.first() {
                return Err(Error::Extra {
                    source_name: source.describe(),
                    count: extra.len(),
                    first: first.clone(),
                });
            }
        }
        Ok(params)
    }

    /// Adds a linear map to the list that adapters are wrapped around.
    pub(crate) fn register(&self, linear: &Linear) {
        self.built().push_linear(linear.clone());
    }

    /// A matrix that stays quantised.
    fn matrix(&self, name: &str, shape: &[usize]) -> Option<QuantMatrix> {
        let Shared { origin, device, dtype, .. } = self.shared.as_ref();
        let Origin::Checkpoint(source) = origin else { return None };
        as_stored(source.quantised(name)?, device, *dtype).filter(|matrix| matrix.dims() == shape)
    }

    fn full(&self, name: &str) -> String {
        match (self.prefix.is_empty(), name.is_empty()) {
            (true, _) => name.to_owned(),
            (_, true) => self.prefix.clone(),
            _ => format!("{}.{name}", self.prefix),
        }
    }

    fn built(&self) -> std::sync::MutexGuard<'_, Params> {
        self.shared.built.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The matrix as a model holds it that is loaded on `device` in `dtype`, if it stays as it is stored: in
/// `f32` where this project's kernels run, and of a type that they know.
pub fn as_stored(raw: Raw, device: &Device, dtype: DType) -> Option<QuantMatrix> {
    let here = dtype == DType::F32 && *device == Device::flex();
    here.then(|| QuantMatrix::new(raw)).flatten()
}

fn read(source: &dyn TensorSource, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let found = source.shape(name).ok_or_else(|| Error::Missing {
        source_name: source.describe(),
        name: name.to_owned(),
        expected: shape.to_vec(),
    })?;
    if found != shape {
        return Err(Error::Shape {
            source_name: source.describe(),
            name: name.to_owned(),
            found,
            expected: shape.to_vec(),
        });
    }
    source.read(name)
}

impl Init {
    pub(crate) fn draw(self, len: usize, rng: &mut impl Rng) -> Vec<f32> {
        match self {
            Self::Zeros => vec![0.0; len],
            Self::Ones => vec![1.0; len],
            Self::Constant(value) => vec![value; len],
            Self::Uniform(bound) => (0..len).map(|_| rng.random_range(-bound..=bound)).collect(),
            Self::Normal(std) => (0..len).map(|_| std * standard_normal(rng)).collect(),
            Self::Grid { leading, side, scale } => grid(len, leading, side, scale),
        }
    }
}

/// `[leading + side², d]`: quarters of `sin x`, `cos x`, `sin y`, `cos y`, each with wavelengths
/// from 2π places to 100 times that.
fn grid(len: usize, leading: usize, side: usize, scale: f32) -> Vec<f32> {
    let width = len / (leading + side * side).max(1);
    let quarter = width.div_ceil(4).max(1);
    let value = |place: usize, channel: usize| {
        let [x, y] = [place % side, place / side];
        let along = if channel / quarter < 2 { x } else { y } as f32;
        let angle = along / 100f32.powf((channel % quarter) as f32 / quarter as f32);
        scale * if (channel / quarter).is_multiple_of(2) { angle.sin() } else { angle.cos() }
    };
    let before = std::iter::repeat_n(0.0, leading * width);
    let places = (0..side * side).flat_map(|place| (0..width).map(move |c| value(place, c)));
    before.chain(places).collect()
}

/// One draw from N(0, 1) by Box and Muller's transform.
fn standard_normal(rng: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * rng.random::<f32>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_alone_take_no_memory() {
        let vars = Vars::shapes(&Device::flex());
        let huge = vars.at("block").param("weight", [1 << 30, 1 << 30], Init::Normal(1.0)).unwrap();
        assert_eq!(huge.cell().shape(), [1 << 30, 1 << 30]);
        assert_eq!(vars.finish().unwrap().iter().map(|cell| cell.len()).sum::<usize>(), 1 << 60);
    }

    #[test]
    fn places_near_each_other_start_alike() {
        let (side, width) = (5, 16);
        let values = grid((2 + side * side) * width, 2, side, 0.5);
        let (leading, places) = values.split_at(2 * width);
        assert!(leading.iter().all(|&value| value == 0.0));
        let place = |x: usize, y: usize| &places[(y * side + x) * width..][..width];
        let distance =
            |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
        let from = |x, y| distance(place(2, 2), place(x, y));
        assert!(from(3, 2) > 0.0 && from(3, 2) < from(4, 2) && from(3, 2) < from(3, 3));
        assert!((from(3, 2) - from(2, 3)).abs() < 1e-6);
        assert!(values.iter().all(|value| value.abs() <= 0.5));
    }
}
