//! From tensors to slices, and operations with a backward pass of their own.

use std::{borrow::Cow, fmt};

use burn::{DType, Shape, Tensor, TensorData};
use burn_autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn_backend::{TensorMetadata, tensor::FloatTensor};
use burn_flex::{Flex, FlexTensor};

use crate::storage::{Values, rounded};

/// A tensor of the CPU backend, part of a graph or not.
pub(crate) type Tracked = FloatTensor<Autodiff<Flex>>;

/// An operation on `N` tensors with a backward pass written by hand.
pub(crate) trait Kernel<const N: usize>: BackwardPass<N> {
    /// The output, and what to keep when a gradient will be asked for.
    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved);
}

/// The backward pass of an operation.
pub(crate) trait BackwardPass<const N: usize>: Clone + fmt::Debug + Send + 'static {
    /// What the backward pass needs.
    type Saved: Clone + fmt::Debug + Send + 'static;

    /// The gradients of the inputs that `wanted` names; others may be `None`. They are `f32`, however
    /// the inputs are stored.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

#[derive(Debug)]
struct Step<K>(K);

impl<K: BackwardPass<N>, const N: usize> Backward<Flex, N> for Step<K> {
    type State = K::Saved;

    fn backward(self, ops: Ops<K::Saved, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = self.0.backward(ops.state, gradient, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some((parent, gradient)) = parent.zip(gradient) {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// The tensor as this crate computes with it; `None` when it is on another device, of another number
/// kind than `f32` and `bf16`, or belongs to a graph that recomputes activations.
pub(crate) fn input<const D: usize>(tensor: &Tensor<D>) -> Option<Tracked> {
    if ![DType::F32, DType::BF16].contains(&tensor.dtype()) {
        return None;
    }
    let tensor = tensor.clone();
    match tensor.clone().try_into_primitive::<Autodiff<Flex>>() {
        Ok(tracked) => Some(tracked),
        Err(_) => tensor.try_into_primitive::<Flex>().ok().map(Tracked::new),
    }
}

/// Runs a kernel and enters it into the graph.
pub(crate) fn run<K: Kernel<N>, const N: usize, const D: usize>(
    kernel: K,
    inputs: [Tracked; N],
) -> Tensor<D> {
    run_as(kernel.clone(), inputs, |inputs| kernel.forward(inputs))
}

/// As [`run`], with `forward` for the forward pass.
pub(crate) fn run_as<K: BackwardPass<N>, const N: usize, const D: usize>(
    kernel: K,
    inputs: [Tracked; N],
    forward: impl FnOnce([FlexTensor; N]) -> (FlexTensor, K::Saved),
) -> Tensor<D> {
    let tracked = inputs.iter().any(Tracked::is_tracked);
    let nodes = inputs.each_ref().map(Tracked::node);
    let values = inputs.map(Tracked::into_primitive);
    if !tracked {
        return Tensor::from_primitive::<Flex>(forward(values).0);
    }
    let output = match Step(kernel).prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let (output, saved) = forward(values);
            prep.finish(saved, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(forward(values).0),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

/// The values in row-major order; copied only where the tensor is stored in `bf16`, or is a view out
/// of order.
pub(crate) fn values(tensor: &FlexTensor) -> Cow<'_, [f32]> {
    Values::of(tensor).all()
}

/// `len` values that `write` sets.
///
/// # Safety
/// `write` must set every value and read none before: they are not initialised.
pub(crate) unsafe fn written<T>(len: usize, write: impl FnOnce(&mut [T])) -> Vec<T> {
    let mut values = Box::<[T]>::new_uninit_slice(len);
    // SAFETY: the memory is allocated for `len` values, and the caller promises to set them.
    unsafe {
        write(std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), len));
        values.assume_init().into_vec()
    }
}

/// As [`written`], for two.
///
/// # Safety
/// As for [`written`].
pub(crate) unsafe fn written_both(
    len: usize,
    write: impl FnOnce(&mut [f32], &mut [f32]),
) -> [Vec<f32>; 2] {
    let mut second = Vec::new();
    // SAFETY: the caller's promise.
    let first =
        unsafe { written(len, |first| second = written(len, |second| write(first, second))) };
    [first, second]
}

/// A tensor from values in row-major order.
pub(crate) fn tensor(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// As [`tensor`], stored as numbers of this kind: `f32` or `bf16`.
pub(crate) fn stored(values: Vec<f32>, shape: Shape, dtype: DType) -> FlexTensor {
    match dtype {
        DType::BF16 => FlexTensor::from_data(TensorData::new(rounded(&values), shape)),
        _ => tensor(values, shape),
    }
}

/// Length of the last dimension.
pub(crate) fn last_dim(tensor: &FlexTensor) -> usize {
    let shape = tensor.shape();
    shape.num_dims().checked_sub(1).map_or(1, |last| shape[last])
}
