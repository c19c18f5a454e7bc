//! A damped pendulum under gravity: `x'' = −(g/l) sin x − b x'`.

use std::f64::consts::FRAC_PI_4;

use super::{GRAVITY, Info};
use crate::{Lanes, Method, System};

pub(super) struct DampedPendulum;

pub(super) const INFO: Info = Info {
    name: "pendulum",
    states: &["x", "v"],
    parameters: &[("l", [0.5, 1.0]), ("b", [0.5, 1.0])],
    initial: &[[0.0, FRAC_PI_4], [-FRAC_PI_4, FRAC_PI_4]],
    stride: 20,
    step: 0.01,
    scheme: Method::Rk4,
    seen: true,
};

impl System for DampedPendulum {
    type State = [Lanes; 2];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO; 2]
    }

    fn parameters(&self) -> usize {
        INFO.parameters.len()
    }

    #[inline(always)]
    fn rhs(&self, _: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        *du = [u[1], -(Lanes::splat(GRAVITY) / p[0]) * u[0].sin() - p[1] * u[1]];
    }
}
