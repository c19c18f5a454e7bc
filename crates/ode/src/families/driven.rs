//! A driven damped pendulum, which depends on time: `x'' = −b x' − c sin x + A cos ωt`.

use std::f64::consts::FRAC_PI_4;

use super::{Equation, Info};
use crate::{Lanes, Scheme};

pub(super) struct DrivenPendulum;

impl Equation<2> for DrivenPendulum {
    const INFO: Info = Info {
        name: "driven",
        states: &["x", "v"],
        parameters: &[
            ("b", [0.1, 0.2]),
            ("c", [1.0, 2.0]),
            ("A", [0.1, 0.2]),
            ("omega", [0.5, 1.5]),
        ],
        initial: &[[-FRAC_PI_4, FRAC_PI_4], [-0.5, 0.5]],
        stride: 20,
        step: 0.01,
        scheme: Scheme::Rk4,
        seen: false,
    };

    #[inline(always)]
    fn slope(t: Lanes, u: &[Lanes; 2], p: &[Lanes]) -> [Lanes; 2] {
        [u[1], -p[0] * u[1] - p[1] * u[0].sin() + p[2] * (p[3] * t).cos()]
    }
}
