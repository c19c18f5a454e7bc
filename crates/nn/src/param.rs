//! Parameters: named tensors that a training stage may train or freeze.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use burn::{Device, Gradients, Tensor, TensorData};
use quintet_kernels::QuantMatrix;

use crate::Linear;

/// A named tensor of a model, shared by the layer that uses it and the list that saves it.
///
/// The value is held flat; [`Param::tensor`] gives it its shape (a view). A frozen matrix may stay
/// quantised, as [`Param::quantised`] tells; whoever asks for its tensor gets it unpacked.
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
    Quantised(QuantMatrix, Device),
}

impl Stored {
    /// The value, unpacked if need be.
    fn tensor(&self) -> Tensor<1> {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Quantised(matrix, device) => matrix.tensor(device).flatten(0, 1),
        }
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
        Arc::new(Self { name, shape, value: RwLock::new(Stored::Quantised(matrix, device)) })
    }

    fn read(&self) -> RwLockReadGuard<'_, Stored> {
        // A poisoned lock still holds a whole tensor: values are swapped, never edited.
        self.value.read().unwrap_or_else(PoisonError::into_inner)
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
        matches!(&*self.read(), Stored::Plain(value) if value.is_require_grad())
    }

    /// Trains or freezes the parameter; one that trains is no longer quantised.
    pub fn set_trainable(&self, trainable: bool) {
        // Cloned out first: the lock must be free again when the value is replaced.
        let stored = self.read().clone();
        match stored {
            stored if trainable => {
                self.replace(stored.tensor().without_autodiff().autodiff().require_grad());
            }
            Stored::Plain(value) => self.replace(value.without_autodiff()),
            Stored::Quantised(..) => {}
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
            Stored::Quantised(..) => None,
        }
    }

    /// Holds a quantised matrix as plain numbers from now on.
    fn unpack(&self) {
        if matches!(&*self.read(), Stored::Quantised(..)) {
            self.replace(self.value());
        }
    }

    fn replace(&self, value: Tensor<1>) {
        *self.value.write().unwrap_or_else(PoisonError::into_inner) = Stored::Plain(value);
    }
}

impl<const D: usize> Param<D> {
    pub(crate) fn new(cell: Arc<ParamCell>) -> Self {
        assert_eq!(cell.shape.len(), D, "parameter '{}' has another rank", cell.name);
        Self { cell }
    }

    /// The value in its shape, part of the graph when trainable.
    pub fn tensor(&self) -> Tensor<D> {
        self.cell.read().tensor().reshape(self.dims())
    }

    /// The matrix, if it is held quantised.
    pub fn quantised(&self) -> Option<QuantMatrix> {
        match &*self.cell.read() {
            Stored::Plain(_) => None,
            Stored::Quantised(matrix, _) => Some(matrix.clone()),
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
