//! A damped harmonic oscillator: `x'' = −2 ζ ω x' − ω² x`.

use super::Info;
use crate::{Lanes, Method, System};

pub(super) struct DampedOscillator;

pub(super) const INFO: Info = Info {
    name: "oscillator",
    states: &["x", "v"],
    parameters: &[("zeta", [0.01, 0.02]), ("omega", [5.0, 10.0])],
    initial: &[[-2.0, 2.0], [-0.1, 0.1]],
    stride: 100,
    step: 0.001,
    scheme: Method::Rk4,
    seen: true,
};

impl System for DampedOscillator {
    type State = [Lanes; 2];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO; 2]
    }

    fn parameters(&self) -> usize {
        INFO.parameters.len()
    }

    #[inline(always)]
    fn rhs(&self, _: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        *du = [u[1], -2.0 * p[0] * p[1] * u[1] - p[1] * p[1] * u[0]];
    }
}
