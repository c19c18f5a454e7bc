//! A damped harmonic oscillator: `x'' = −2 ζ ω x' − ω² x`, and faster ones with more damping, whose
//! coefficients no training saw (§4.2 of the paper).

use super::{Equation, Info};
use crate::{Lanes, Scheme};

pub(super) struct DampedOscillator;

impl Equation<2> for DampedOscillator {
    const INFO: Info = Info {
        name: "oscillator",
        states: &["x", "v"],
        parameters: &[("zeta", [0.01, 0.02]), ("omega", [5.0, 10.0])],
        initial: &[[-2.0, 2.0], [-0.1, 0.1]],
        stride: 100,
        step: 0.001,
        scheme: Scheme::Rk4,
        seen: true,
    };

    #[inline(always)]
    fn slope(_: Lanes, u: &[Lanes; 2], p: &[Lanes]) -> [Lanes; 2] {
        [u[1], -2.0 * p[0] * p[1] * u[1] - p[1] * p[1] * u[0]]
    }
}

pub(super) const FAST: Info = Info {
    name: "fast-oscillator",
    parameters: &[("zeta", [0.02, 0.04]), ("omega", [7.5, 12.5])],
    seen: false,
    ..DampedOscillator::INFO
};
