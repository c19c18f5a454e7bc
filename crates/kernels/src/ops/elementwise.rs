//! Non-linearities, alone and as gates.

use std::ops::Range;

use burn::{DType, Tensor, activation};
use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;

use crate::{
    bridge::{BackwardPass, Kernel, input, run},
    lanes::{normal, sigmoid, widest},
    storage::{Values, written_in_pieces},
};

/// Functions of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointwise {
    /// `x Φ(x)` (Hendrycks and Gimpel, 2016).
    Gelu,
    /// GELU by the tanh formula.
    GeluTanh,
    /// `x · sigmoid(1.702 x)`.
    QuickGelu,
    /// `x · sigmoid(x)`.
    Silu,
    /// `max(0, x)`.
    Relu,
}

/// Applies the function to each value.
pub fn pointwise<const D: usize>(function: Pointwise, x: Tensor<D>) -> Tensor<D> {
    match input(&x) {
        Some(x) => run(Apply(function), [x]),
        None => reference(function, x),
    }
}

/// `f(gate) · up`, the middle of a gated MLP (Shazeer, 2020).
///
/// # Shapes
/// - gate, up and output: the same
pub fn gated<const D: usize>(function: Pointwise, gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    match (input(&gate), input(&up)) {
        (Some(gate), Some(up)) => run(Gate(function), [gate, up]),
        _ => reference(function, gate) * up,
    }
}

fn reference<const D: usize>(function: Pointwise, x: Tensor<D>) -> Tensor<D> {
    match function {
        Pointwise::Gelu => activation::gelu(x),
        Pointwise::GeluTanh => activation::gelu_approximate(x),
        Pointwise::QuickGelu => x.clone() * activation::sigmoid(x.mul_scalar(1.702)),
        Pointwise::Silu => x.clone() * activation::sigmoid(x),
        Pointwise::Relu => activation::relu(x),
    }
}

/// `f(x)` and `f'(x)`.
#[inline(always)]
fn value_and_slope(function: Pointwise, x: f32) -> (f32, f32) {
    match function {
        Pointwise::Gelu => {
            let (below, density) = normal(x);
            (x * below, below + x * density)
        }
        Pointwise::GeluTanh => {
            // (1 + tanh u) / 2 is sigmoid(2 u).
            let scale = 2.0 * 0.797_884_6;
            let s = sigmoid(scale * (x + 0.044_715 * x * x * x));
            (x * s, s + x * s * (1.0 - s) * scale * (1.0 + 3.0 * 0.044_715 * x * x))
        }
        Pointwise::QuickGelu => {
            let s = sigmoid(1.702 * x);
            (x * s, s + 1.702 * x * s * (1.0 - s))
        }
        Pointwise::Silu => {
            let s = sigmoid(x);
            (x * s, s + x * s * (1.0 - s))
        }
        Pointwise::Relu => {
            if x > 0.0 {
                (x, 1.0)
            } else {
                (0.0, 0.0)
            }
        }
    }
}

/// Makes the loop of each function its own, so that each is vectorised.
macro_rules! each_function {
    ($function:expr, $f:ident => $body:expr) => {
        match $function {
            Pointwise::Gelu => {
                const $f: Pointwise = Pointwise::Gelu;
                $body
            }
            Pointwise::GeluTanh => {
                const $f: Pointwise = Pointwise::GeluTanh;
                $body
            }
            Pointwise::QuickGelu => {
                const $f: Pointwise = Pointwise::QuickGelu;
                $body
            }
            Pointwise::Silu => {
                const $f: Pointwise = Pointwise::Silu;
                $body
            }
            Pointwise::Relu => {
                const $f: Pointwise = Pointwise::Relu;
                $body
            }
        }
    };
}

widest! {
    fn apply(function: Pointwise, x: &[f32], y: &mut [f32]) {
        each_function!(function, F => for (y, x) in y.iter_mut().zip(x) {
            *y = value_and_slope(F, *x).0;
        });
    }
}

widest! {
    fn apply_backward(function: Pointwise, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        each_function!(function, F => for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
            *dx = dy * value_and_slope(F, *x).1;
        });
    }
}

widest! {
    fn gate(function: Pointwise, gate: &[f32], up: &[f32], y: &mut [f32]) {
        each_function!(function, F => for ((y, gate), up) in y.iter_mut().zip(gate).zip(up) {
            *y = value_and_slope(F, *gate).0 * up;
        });
    }
}

widest! {
    fn gate_backward(
        function: Pointwise,
        gate: &[f32],
        up: &[f32],
        dy: &[f32],
        d_gate: &mut [f32],
        d_up: &mut [f32],
    ) {
        let n = dy.len();
        let (gate, up, d_gate, d_up) = (&gate[..n], &up[..n], &mut d_gate[..n], &mut d_up[..n]);
        each_function!(function, F => for i in 0..n {
            let (value, slope) = value_and_slope(F, gate[i]);
            d_gate[i] = dy[i] * up[i] * slope;
            d_up[i] = dy[i] * value;
        });
    }
}

#[derive(Clone, Debug)]
struct Apply(Pointwise);

impl Kernel<1> for Apply {
    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        let values = Values::of(&x);
        let piece = |range, [y]: [&mut [f32]; 1]| values.part(range, |x| apply(self.0, x, y));
        // SAFETY: every piece is set.
        let ([y], _) = unsafe { written_in_pieces(&x.shape(), 1, [x.dtype()], piece) };
        (y, x.clone())
    }
}

impl BackwardPass<1> for Apply {
    type Saved = FlexTensor;

    fn backward(&self, x: FlexTensor, dy: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let (x_values, dy) = (Values::of(&x), Values::of(&dy));
        let piece = |range: Range<usize>, [dx]: [&mut [f32]; 1]| {
            x_values.part(range.clone(), |x| {
                dy.part(range, |dy| apply_backward(self.0, x, dy, dx));
            });
        };
        // SAFETY: every piece is set.
        let (dx, _) = unsafe { written_in_pieces(&x.shape(), 1, [DType::F32], piece) };
        dx.map(Some)
    }
}

#[derive(Clone, Debug)]
struct Gate(Pointwise);

impl Kernel<2> for Gate {
    fn forward(&self, [g, u]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let [g_values, u_values] = [&g, &u].map(Values::of);
        let piece = |range: Range<usize>, [y]: [&mut [f32]; 1]| {
            g_values.part(range.clone(), |g| u_values.part(range, |u| gate(self.0, g, u, y)));
        };
        // SAFETY: every piece is set.
        let ([y], _) = unsafe { written_in_pieces(&g.shape(), 1, [g.dtype()], piece) };
        (y, (g.clone(), u.clone()))
    }
}

impl BackwardPass<2> for Gate {
    type Saved = (FlexTensor, FlexTensor);

    fn backward(
        &self,
        (g, u): Self::Saved,
        dy: FlexTensor,
        _: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let [g_values, u_values, dy] = [&g, &u, &dy].map(Values::of);
        let piece = |range: Range<usize>, [d_gate, d_up]: [&mut [f32]; 2]| {
            g_values.part(range.clone(), |g| {
                u_values.part(range.clone(), |u| {
                    dy.part(range, |dy| gate_backward(self.0, g, u, dy, d_gate, d_up));
                });
            });
        };
        // SAFETY: every piece is set.
        let (both, _) = unsafe { written_in_pieces(&g.shape(), 1, [DType::F32; 2], piece) };
        both.map(Some)
    }
}
