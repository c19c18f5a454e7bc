//! Lotka and Volterra's hunters and prey: `x' = α x − β x y`, `y' = δ x y − γ y`. The coefficients
//! are those with which coarse solutions are as wrong as the paper says; for the wider ones of the
//! public generator some diverge.

use super::{Equation, Info};
use crate::{Lanes, Scheme};

pub(super) struct LotkaVolterra;

impl Equation<2> for LotkaVolterra {
    const INFO: Info = Info {
        name: "lotka-volterra",
        states: &["x", "y"],
        parameters: &[
            ("alpha", [0.1, 0.2]),
            ("beta", [0.01, 0.02]),
            ("delta", [0.01, 0.02]),
            ("gamma", [0.1, 0.2]),
        ],
        initial: &[[10.0, 20.0], [2.0, 10.0]],
        stride: 200,
        step: 0.005,
        scheme: Scheme::Rk4,
        seen: true,
    };

    #[inline(always)]
    fn slope(_: Lanes, u: &[Lanes; 2], p: &[Lanes]) -> [Lanes; 2] {
        [p[0] * u[0] - p[1] * u[0] * u[1], p[2] * u[0] * u[1] - p[3] * u[1]]
    }
}
