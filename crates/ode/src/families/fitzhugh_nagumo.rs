//! FitzHugh and Nagumo's neuron: `v' = v − v³/3 − w + I`, `w' = ε (v + a − b w)`.

use super::{Equation, Info};
use crate::{Lanes, Scheme};

pub(super) struct FitzHughNagumo;

impl Equation<2> for FitzHughNagumo {
    const INFO: Info = Info {
        name: "fitzhugh-nagumo",
        states: &["v", "w"],
        parameters: &[
            ("I", [0.5, 1.5]),
            ("epsilon", [0.01, 0.05]),
            ("a", [0.7, 1.0]),
            ("b", [0.7, 0.9]),
        ],
        initial: &[[-1.0, 1.0], [-0.5, 0.5]],
        stride: 100,
        step: 0.005,
        scheme: Scheme::Rk4,
        seen: true,
    };

    #[inline(always)]
    fn slope(_: Lanes, u: &[Lanes; 2], p: &[Lanes]) -> [Lanes; 2] {
        [
            u[0] - u[0] * u[0] * u[0] / Lanes::splat(3.0) - u[1] + p[0],
            p[1] * (u[0] + p[2] - p[3] * u[1]),
        ]
    }
}
