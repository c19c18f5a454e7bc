//! An object that falls through air: `x'' = g − c x'`, with g = 9.81.

use super::{Equation, GRAVITY, Info};
use crate::{Lanes, Scheme};

pub(super) struct FallingObject;

impl Equation<2> for FallingObject {
    const INFO: Info = Info {
        name: "falling",
        states: &["x", "v"],
        parameters: &[("c", [0.1, 1.0])],
        initial: &[[0.0, 100.0], [0.0, 2.0]],
        stride: 20,
        step: 0.01,
        scheme: Scheme::Rk4,
        seen: true,
    };

    #[inline(always)]
    fn slope(_: Lanes, u: &[Lanes; 2], p: &[Lanes]) -> [Lanes; 2] {
        [u[1], Lanes::splat(GRAVITY) - p[0] * u[1]]
    }
}
