//! The systems of the FMint paper: its Table 2, with the coefficients of its public generator where the
//! paper does not say them.
//!
//! A family is one file here and one line in [`FAMILIES`].

mod cooling;
mod decay;
mod driven;
mod falling;
mod fitzhugh_nagumo;
mod lotka_volterra;
mod oscillator;
mod pendulum;

use crate::{Ensemble, Method, Result, Solution, solve};

/// Standard gravity as the families have it, in m/s².
const GRAVITY: f64 = 9.81;

/// Every family.
pub const FAMILIES: &[Family] = &[
    Family {
        info: cooling::INFO,
        solve: |ensemble, method| solve(&cooling::LawOfCooling, ensemble, method),
    },
    Family {
        info: decay::INFO,
        solve: |ensemble, method| solve(&decay::ExponentialDecay, ensemble, method),
    },
    Family {
        info: lotka_volterra::INFO,
        solve: |ensemble, method| solve(&lotka_volterra::LotkaVolterra, ensemble, method),
    },
    Family {
        info: oscillator::INFO,
        solve: |ensemble, method| solve(&oscillator::DampedOscillator, ensemble, method),
    },
    Family {
        info: fitzhugh_nagumo::INFO,
        solve: |ensemble, method| solve(&fitzhugh_nagumo::FitzHughNagumo, ensemble, method),
    },
    Family {
        info: falling::INFO,
        solve: |ensemble, method| solve(&falling::FallingObject, ensemble, method),
    },
    Family {
        info: pendulum::INFO,
        solve: |ensemble, method| solve(&pendulum::DampedPendulum, ensemble, method),
    },
    Family {
        info: driven::INFO,
        solve: |ensemble, method| solve(&driven::DrivenPendulum, ensemble, method),
    },
];

/// The family of a [name](Info::name).
pub fn find(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.info.name == name)
}

/// A system whose coefficients and first states are drawn.
pub struct Family {
    /// What it is.
    pub info: Info,
    solve: fn(&Ensemble<'_>, Method) -> Result<Solution>,
}

impl Family {
    /// Solves an ensemble of it.
    ///
    /// # Errors
    /// As [`solve`](crate::solve()).
    pub fn solve(&self, ensemble: &Ensemble<'_>, method: Method) -> Result<Solution> {
        (self.solve)(ensemble, method)
    }
}

/// What a family is.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Lower-case name.
    pub name: &'static str,
    /// The names of the components of its state.
    pub states: &'static [&'static str],
    /// Its coefficients, and from where to where they are drawn.
    pub parameters: &'static [(&'static str, [f64; 2])],
    /// From where to where the components of first states are drawn.
    pub initial: &'static [[f64; 2]],
    /// Fine steps in a coarse one, `k`.
    pub stride: usize,
    /// A fine step, `Δt`.
    pub step: f64,
    /// The method of both, by its steps between two times.
    pub scheme: fn(usize) -> Method,
    /// Whether the model learned from it.
    pub seen: bool,
}
