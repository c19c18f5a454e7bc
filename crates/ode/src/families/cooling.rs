//! Newton's law of cooling: `u' = −κ (u − T)`.

use super::Info;
use crate::{Lanes, Method, System};

pub(super) struct LawOfCooling;

pub(super) const INFO: Info = Info {
    name: "cooling",
    states: &["u"],
    parameters: &[("kappa", [0.1, 1.0]), ("T", [15.0, 25.0])],
    initial: &[[0.0, 80.0]],
    stride: 10,
    step: 0.05,
    scheme: Method::Euler,
    seen: true,
};

impl System for LawOfCooling {
    type State = [Lanes; 1];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO; 1]
    }

    fn parameters(&self) -> usize {
        INFO.parameters.len()
    }

    #[inline(always)]
    fn rhs(&self, _: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        *du = [-p[0] * (u[0] - p[1])];
    }
}
