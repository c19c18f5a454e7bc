//! Exponential decay: `u' = −κ u`.

use super::{Equation, Info};
use crate::{Lanes, Scheme};

pub(super) struct ExponentialDecay;

impl Equation<1> for ExponentialDecay {
    const INFO: Info = Info {
        name: "decay",
        states: &["u"],
        parameters: &[("kappa", [0.2, 0.5])],
        initial: &[[100.0, 200.0]],
        stride: 10,
        step: 0.05,
        scheme: Scheme::Euler,
        seen: false,
    };

    #[inline(always)]
    fn slope(_: Lanes, u: &[Lanes; 1], p: &[Lanes]) -> [Lanes; 1] {
        [-p[0] * u[0]]
    }
}
