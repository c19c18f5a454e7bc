//! Parameters: named tensors that a training stage may train or freeze.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use burn::{DType, Device, Gradients, Tensor, TensorData};
use quintet_kernels::QuantMatrix;

use crate::{Linear, lora::factor_names};

/// A named tensor of a model, shared by the layer that uses it and the list that saves it.
///
/// The value is held flat; [`Param::tensor`] gives it its shape (a view). A frozen matrix may stay
/// quantised, as [`Param::quantised`] tells; whoever asks for its tensor gets it unpacked. One that
/// trains is unpacked for good when the model first computes with it.
#[derive(Clone, Debug)]
pub struct Param<const D: usize> {
    cell: Arc<ParamCell>,
}

/// A parameter of any rank, as savers and optimisers see it.
#[derive(Debug)]
pub struct ParamCell {
    name: String,
    shape: Vec<usize>,
    value: RwLock<Stored>,
}

/// How a value is held.
#[derive(Clone, Debug)]
enum Stored {
    Plain(Tensor<1>),
    Quantised { matrix: QuantMatrix, device: Device, trains: bool },
}

impl Stored {
    /// The value, unpacked if need be.
    fn tensor(&self) -> Tensor<1> {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Quantised { matrix, device, .. } => matrix.tensor(device).flatten(0, 1),
        }
    }

    /// Whether the value trains and is still to be unpacked.
    fn is_packed_and_trains(&self) -> bool {
        matches!(self, Self::Quantised { trains: true, .. })
    }
}

impl ParamCell {
    /// Wraps a frozen value.
    pub(crate) fn new(name: String, shape: Vec<usize>, value: Tensor<1>) -> Arc<Self> {
        Arc::new(Self { name, shape, value: RwLock::new(Stored::Plain(value)) })
    }

    /// Wraps a frozen matrix that stays quantised.
    pub(crate) fn quantised(name: String, matrix: QuantMatrix, device: Device) -> Arc<Self> {
        let shape = matrix.dims().into();
        let value = RwLock::new(Stored::Quantised { matrix, device, trains: false });
        Arc::new(Self { name, shape, value })
    }

    fn read(&self) -> RwLockReadGuard<'_, Stored> {
        // A poisoned lock still holds a whole tensor: values are swapped, never edited.
        self.value.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Stored> {
        self.value.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the model computes with, part of the graph when trainable.
    fn live(&self) -> Tensor<1> {
        if self.read().is_packed_and_trains() {
            let mut stored = self.write();
            // Another thread may have been faster, and its tensor is the one that gets the gradient.
            if stored.is_packed_and_trains() {
                *stored = Stored::Plain(stored.tensor().autodiff().require_grad());
            }
        }
        self.read().tensor()
    }

    /// Full name, as the checkpoint spells it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shape, in the checkpoint's layout.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the backward pass leaves a gradient here.
    pub fn is_trainable(&self) -> bool {
        match &*self.read() {
            Stored::Plain(value) => value.is_require_grad(),
            Stored::Quantised { trains, .. } => *trains,
        }
    }

    /// Trains or freezes the parameter; one that trains counts as no longer quantised.
    pub fn set_trainable(&self, trainable: bool) {
        match &mut *self.write() {
            Stored::Plain(value) => {
                let plain = value.clone().without_autodiff();
                *value = if trainable { plain.autodiff().require_grad() } else { plain };
            }
            Stored::Quantised { trains, .. } => *trains = trainable,
        }
    }

    /// Bytes that the value takes: as it is stored while it stays quantised, else in plain numbers.
    pub fn bytes(&self) -> usize {
        let stored = match &*self.read() {
            Stored::Quantised { matrix, trains: false, .. } => Some(matrix.bytes()),
            _ => None,
        };
        stored.unwrap_or_else(|| self.len() * self.dtype().size())
    }

    /// Whether the value lies in a mapped file.
    pub fn is_mapped(&self) -> bool {
        matches!(&*self.read(), Stored::Quantised { matrix, .. } if matrix.is_mapped())
    }

    /// The device that the value lives on.
    pub fn device(&self) -> Device {
        match &*self.read() {
            Stored::Plain(value) => value.device().without_autodiff(),
            Stored::Quantised { device, .. } => device.clone(),
        }
    }

    /// The number kind that the model computes with here.
    pub fn dtype(&self) -> DType {
        match &*self.read() {
            Stored::Plain(value) => value.dtype(),
            Stored::Quantised { .. } => DType::F32,
        }
    }

    /// The value, flat and outside any graph.
    pub fn value(&self) -> Tensor<1> {
        self.read().tensor().without_autodiff()
    }

    /// The value as `f32`, in row-major order.
    pub fn to_f32(&self) -> Vec<f32> {
        self.value().into_data().iter::<f32>().collect()
    }

    /// Sets a new value, keeping the trainable flag.
    ///
    /// # Panics
    /// If the number of values differs.
    pub fn set(&self, value: Tensor<1>) {
        self.update(|_| value);
    }

    /// Sets what `change` makes of the value, which is nobody else's meanwhile, so that its memory
    /// can be used again.
    ///
    /// # Panics
    /// If the number of values differs.
    pub fn update(&self, change: impl FnOnce(Tensor<1>) -> Tensor<1>) {
        let trainable = self.is_trainable();
        let value = self.value();
        self.replace(Tensor::empty([0], &value.device()));
        let value = change(value);
        assert_eq!(value.dims()[0], self.len(), "parameter '{}' changed size", self.name);
        let value = value.without_autodiff();
        self.replace(if trainable { value.autodiff().require_grad() } else { value });
    }

    /// The gradient that a backward pass left, flat; `None` when frozen or not reached.
    pub fn take_grad(&self, grads: &mut Gradients) -> Option<Tensor<1>> {
        match &*self.read() {
            Stored::Plain(value) => value.grad_remove(grads),
            Stored::Quantised { .. } => None,
        }
    }

    /// Holds a quantised matrix as plain numbers from now on.
    fn unpack(&self) {
        let packed = matches!(&*self.read(), Stored::Quantised { .. });
        if packed {
            let value = self.live();
            self.replace(value);
        }
    }

    fn replace(&self, value: Tensor<1>) {
        *self.write() = Stored::Plain(value);
    }
}

impl<const D: usize> Param<D> {
    pub(crate) fn new(cell: Arc<ParamCell>) -> Self {
        assert_eq!(cell.shape.len(), D, "parameter '{}' has another rank", cell.name);
        Self { cell }
    }

    /// The value in its shape, part of the graph when trainable.
    pub fn tensor(&self) -> Tensor<D> {
        self.cell.live().reshape(self.dims())
    }

    /// The matrix, if it is held quantised.
    pub fn quantised(&self) -> Option<QuantMatrix> {
        match &*self.cell.read() {
            Stored::Quantised { matrix, trains: false, .. } => Some(matrix.clone()),
            _ => None,
        }
    }

    /// The shape.
    pub fn dims(&self) -> [usize; D] {
        std::array::from_fn(|i| self.cell.shape[i])
    }

    /// The rank-free view.
    pub fn cell(&self) -> &Arc<ParamCell> {
        &self.cell
    }
}

/// All parameters of a model, in the order they were built.
#[derive(Clone, Debug, Default)]
pub struct Params {
    cells: Vec<Arc<ParamCell>>,
    linears: Vec<Linear>,
}

impl Params {
    pub(crate) fn push_linear(&mut self, linear: Linear) {
        self.linears.push(linear);
    }

    /// The linear maps, which adapters can wrap.
    pub fn linears(&self) -> &[Linear] {
        &self.linears
    }

    /// Every parameter.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ParamCell>> {
        self.cells.iter()
    }

    /// Those that train.
    pub fn trainable(&self) -> impl Iterator<Item = &Arc<ParamCell>> {
        self.cells.iter().filter(|cell| cell.is_trainable())
    }

    /// The one with this full name.
    pub fn get(&self, name: &str) -> Option<&Arc<ParamCell>> {
        self.cells.iter().find(|cell| cell.name() == name)
    }

    /// The parameters of the model without adapters, each with the adapted map whose weight it is.
    pub(crate) fn plain(&self) -> impl Iterator<Item = (&ParamCell, Option<&Linear>)> {
        let adapted: Vec<&Linear> = self.linears.iter().filter(|l| l.lora().is_some()).collect();
        let factors: BTreeSet<String> = adapted.iter().flat_map(|l| factor_names(l)).collect();
        let weights: BTreeMap<&str, &Linear> =
            adapted.into_iter().map(|linear| (linear.weight().cell().name(), linear)).collect();
        let plain = self.cells.iter().filter(move |cell| !factors.contains(cell.name()));
        plain.map(move |cell| (cell.as_ref(), weights.get(cell.name()).copied()))
    }

    /// Adds parameters made after the model was built (LoRA).
    pub fn extend(&mut self, cells: impl IntoIterator<Item = Arc<ParamCell>>) {
        self.cells.extend(cells);
    }

    /// Drops the parameters that the predicate does not pick by full name.
    pub fn retain(&mut self, pick: impl Fn(&str) -> bool) {
        self.cells.retain(|cell| pick(cell.name()));
    }

    /// Trains what the predicate picks by full name and freezes the rest.
    pub fn set_trainable(&self, pick: impl Fn(&str) -> bool) {
        for cell in &self.cells {
            cell.set_trainable(pick(cell.name()));
        }
    }

    /// Holds quantised matrices as plain numbers from now on: products no longer round their
    /// operands, at several times the memory.
    pub fn unpack(&self) {
        self.cells.iter().for_each(|cell| cell.unpack());
    }

    /// Number of values in all parameters.
    pub fn count(&self) -> usize {
        self.cells.iter().map(|cell| cell.len()).sum()
    }

    /// Sets a parameter from `f32` values in row-major order.
    ///
    /// # Panics
    /// If the number of values differs from the parameter's.
    pub fn assign(cell: &ParamCell, values: Vec<f32>) {
        let old = cell.value();
        let data = TensorData::new(values, [cell.len()]);
        cell.set(Tensor::from_data(data, (&old.device(), old.dtype())));
    }
}
