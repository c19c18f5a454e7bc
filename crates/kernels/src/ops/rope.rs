//! Rotary position embedding.

use std::ops::Range;

use burn::{DType, Shape, Tensor};
use burn_flex::FlexTensor;

use super::heads::Heads;
use crate::{
    bridge::{BackwardPass, Kernel, input, run, values},
    lanes::widest,
    storage::written_in_pieces,
};

/// Rotates pairs of channels, the first half of a head with the second (Su et al., 2021, Eq. 34, in
/// the order of GPT-NeoX): `x cos + turned(x) sin`.
///
/// No gradient reaches `cos` and `sin`, whose two halves must be equal.
///
/// # Shapes
/// - x and output: `[b, h, t, k]`
/// - cos, sin: `[b or 1, 1, t, k]`
pub fn rotate(x: Tensor<4>, cos: &Tensor<4>, sin: &Tensor<4>) -> Tensor<4> {
    if let (Some(x), Some(cos), Some(sin)) = (input(&x), input(cos), input(sin)) {
        let [cos, sin] = [cos, sin].map(|angles| angles.into_primitive());
        return run(Rotate { cos, sin }, [x]);
    }
    reference(x, cos, sin)
}

pub(super) fn reference(x: Tensor<4>, cos: &Tensor<4>, sin: &Tensor<4>) -> Tensor<4> {
    let half = x.dims()[3] / 2;
    let first = x.clone().narrow(3, 0, half);
    let second = x.clone().narrow(3, half, half);
    let turned = Tensor::cat(vec![second.neg(), first], 3);
    x * cos.clone() + turned * sin.clone()
}

#[derive(Clone, Debug)]
struct Rotate {
    cos: FlexTensor,
    sin: FlexTensor,
}

widest! {
    /// One head: `sign` is -1 to turn back.
    fn rotate_head(out: &mut [f32], x: &[f32], cos: &[f32], sin: &[f32], sign: f32) {
        let half = out.len() / 2;
        let (out_first, out_second) = out.split_at_mut(half);
        let (x_first, x_second) = x.split_at(half);
        let outs = out_first.iter_mut().zip(out_second);
        let xs = x_first.iter().zip(x_second);
        let angles = cos.iter().zip(sin);
        for (((first, second), (a, b)), (cos, sin)) in outs.zip(xs).zip(angles) {
            *first = a * cos - b * sin * sign;
            *second = b * cos + a * sin * sign;
        }
    }
}

impl Rotate {
    fn turn(&self, x: FlexTensor, sign: f32, dtype: DType) -> FlexTensor {
        let x = Heads::new(x);
        let [b, h, t, k] = x.dims;
        let (cos, sin) = (values(&self.cos), values(&self.sin));
        let tokens = |range: Range<usize>, [out]: [&mut [f32]; 1]| {
            for (at, out) in (range.start / (h * k)..).zip(out.chunks_exact_mut(h * k)) {
                let (sample, token) = (at / t, at % t);
                let angle = if cos.len() == t * k { token } else { sample * t + token } * k;
                let [cos, sin] = [&cos, &sin].map(|angles| &angles[angle..angle + k]);
                for (head, out) in out.chunks_exact_mut(k).enumerate() {
                    rotate_head(out, x.token(sample, head, token), cos, sin, sign);
                }
            }
        };
        let shape = Shape::from([b, t, h, k]);
        // SAFETY: every head of every token is set.
        let ([out], _) = unsafe { written_in_pieces(&shape, h * k, [dtype], tokens) };
        out.permute(&[0, 2, 1, 3])
    }
}

impl Kernel<1> for Rotate {
    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
        let dtype = x.dtype();
        (self.turn(x, 1.0, dtype), ())
    }
}

impl BackwardPass<1> for Rotate {
    type Saved = ();

    fn backward(&self, _: (), gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(self.turn(gradient, -1.0, DType::F32))]
    }
}
