//! An object that falls through air: `x'' = g − c x'`, with g = 9.81.

use super::{GRAVITY, Info};
use crate::{Lanes, Method, System};

pub(super) struct FallingObject;

pub(super) const INFO: Info = Info {
    name: "falling",
    states: &["x", "v"],
    parameters: &[("c", [0.1, 1.0])],
    initial: &[[0.0, 100.0], [0.0, 2.0]],
    stride: 20,
    step: 0.01,
    scheme: Method::Rk4,
    seen: true,
};

impl System for FallingObject {
    type State = [Lanes; 2];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO; 2]
    }

    fn parameters(&self) -> usize {
        INFO.parameters.len()
    }

    #[inline(always)]
    fn rhs(&self, _: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        *du = [u[1], Lanes::splat(GRAVITY) - p[0] * u[1]];
    }
}
