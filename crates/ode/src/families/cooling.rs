//! Newton's law of cooling: `u' = −κ (u − T)`.

use super::{Equation, Info};
use crate::{Lanes, Scheme};

pub(super) struct LawOfCooling;

impl Equation<1> for LawOfCooling {
    const INFO: Info = Info {
        name: "cooling",
        states: &["u"],
        parameters: &[("kappa", [0.1, 1.0]), ("T", [15.0, 25.0])],
        initial: &[[0.0, 80.0]],
        stride: 10,
        step: 0.05,
        scheme: Scheme::Euler,
        seen: true,
    };

    #[inline(always)]
    fn slope(_: Lanes, u: &[Lanes; 1], p: &[Lanes]) -> [Lanes; 1] {
        [-p[0] * (u[0] - p[1])]
    }
}
