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

use std::marker::PhantomData;

use crate::{Dynamics, Lanes, Ranges, Scheme, System};

/// Standard gravity as the families have it, in m/s².
const GRAVITY: f64 = 9.81;

/// Every family. Not a `const`, which would compile all solvers anew in each crate that names it.
pub static FAMILIES: &[Family] = &[
    Family::of::<cooling::LawOfCooling, 1>(),
    Family::of::<decay::ExponentialDecay, 1>(),
    Family::of::<lotka_volterra::LotkaVolterra, 2>(),
    Family::of::<oscillator::DampedOscillator, 2>(),
    Family::of::<fitzhugh_nagumo::FitzHughNagumo, 2>(),
    Family::of::<falling::FallingObject, 2>(),
    Family::of::<pendulum::DampedPendulum, 2>(),
    Family::of::<driven::DrivenPendulum, 2>(),
    Family { info: oscillator::FAST, ..Family::of::<oscillator::DampedOscillator, 2>() },
];

/// The family of a [name](Info::name).
pub fn find(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.info.name == name)
}

/// A system whose coefficients and first states are drawn.
pub struct Family {
    /// What it is.
    pub info: Info,
    /// Its right-hand side.
    pub system: &'static dyn Dynamics,
}

/// The right-hand side of a family of `D` components.
trait Equation<const D: usize>: Sync {
    /// What it is.
    const INFO: Info;

    /// `du/dt`; see [`System::rhs`].
    fn slope(t: Lanes, u: &[Lanes; D], p: &[Lanes]) -> [Lanes; D];
}

/// An equation as a system.
struct Of<E, const D: usize>(PhantomData<E>);

impl<E: Equation<D>, const D: usize> System for Of<E, D> {
    type State = [Lanes; D];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO; D]
    }

    fn parameters(&self) -> usize {
        E::INFO.parameters.len()
    }

    #[inline(always)]
    fn rhs(&self, t: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        *du = E::slope(t, u, p);
    }
}

impl Family {
    const fn of<E: Equation<D> + 'static, const D: usize>() -> Self {
        Self { info: E::INFO, system: &Of::<E, D>(PhantomData) }
    }
}

impl Info {
    /// From where to where its first states and coefficients are drawn.
    pub fn ranges(&self) -> Ranges {
        Ranges {
            initial: self.initial.to_vec(),
            parameters: self.parameters.iter().map(|(_, range)| *range).collect(),
        }
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
    pub scheme: Scheme,
    /// Whether the model learned from it.
    pub seen: bool,
}
