//! A damped pendulum under gravity: `x'' = −(g/l) sin x − b x'`.

use std::f64::consts::FRAC_PI_4;

use super::{Equation, GRAVITY, Info};
use crate::{Lanes, Scheme};

pub(super) struct DampedPendulum;

impl Equation<2> for DampedPendulum {
    const INFO: Info = Info {
        name: "pendulum",
        states: &["x", "v"],
        parameters: &[("l", [0.5, 1.0]), ("b", [0.5, 1.0])],
        initial: &[[0.0, FRAC_PI_4], [-FRAC_PI_4, FRAC_PI_4]],
        stride: 20,
        step: 0.01,
        scheme: Scheme::Rk4,
        seen: true,
    };

    #[inline(always)]
    fn slope(_: Lanes, u: &[Lanes; 2], p: &[Lanes]) -> [Lanes; 2] {
        [u[1], -(Lanes::splat(GRAVITY) / p[0]) * u[0].sin() - p[1] * u[1]]
    }
}
