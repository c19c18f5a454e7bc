//! Exponential decay: `u' = −κ u`.

use super::Info;
use crate::{Lanes, Method, System};

pub(super) struct ExponentialDecay;

pub(super) const INFO: Info = Info {
    name: "decay",
    states: &["u"],
    parameters: &[("kappa", [0.2, 0.5])],
    initial: &[[100.0, 200.0]],
    stride: 10,
    step: 0.05,
    scheme: Method::Euler,
    seen: false,
};

impl System for ExponentialDecay {
    type State = [Lanes; 1];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO; 1]
    }

    fn parameters(&self) -> usize {
        INFO.parameters.len()
    }

    #[inline(always)]
    fn rhs(&self, _: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        *du = [-p[0] * u[0]];
    }
}
