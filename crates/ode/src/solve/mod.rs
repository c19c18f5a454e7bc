//! Solvers.

mod adaptive;
mod behind;
mod control;
mod dop853;
mod fixed;
mod linear;
mod pair;
mod rodas5p;
mod tsit5;
mod waiting;
mod work;

use std::marker::PhantomData;

use pulp::{Arch, Scalar, Simd, WithSimd};

pub use self::work::PART;
use self::{
    adaptive::adaptive, behind::Behind, dop853::Dop853, fixed::fixed, pair::Pair, rodas5p::Rodas5p,
    tsit5::Tsit5,
};
pub(crate) use self::{
    fixed::{Euler, Explicit, Heun, Rk4, slopes, step},
    work::Work,
};
use crate::{Ensemble, Error, Result, Solution, System};

/// How an ensemble is solved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Euler's method: first order, so many equal steps between two times.
    Euler(usize),
    /// Heun's method: second order.
    Heun(usize),
    /// The classical Runge–Kutta method: fourth order.
    Rk4(usize),
    /// Tsitouras' pair of orders 5 and 4 (2011), with steps of their own for each trajectory.
    Tsit5(Tolerance),
    /// The pair of order 8 of Dormand and Prince, with errors of orders 5 and 3 (Hairer, Nørsett &
    /// Wanner, *Solving Ordinary Differential Equations I*, 1993).
    Dop853(Tolerance),
    /// Steinebach's Rosenbrock method Rodas5P of orders 5 and 4 (2023), for stiff systems of few
    /// components: each step evaluates the right-hand side `d + 10` times, as its Jacobian is made of
    /// differences.
    Rodas5p(Tolerance),
}

/// The methods with equal steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Euler's method.
    Euler,
    /// Heun's method.
    Heun,
    /// The classical Runge–Kutta method.
    Rk4,
}

impl Scheme {
    /// The method, with so many steps between two times.
    pub fn steps(self, steps: usize) -> Method {
        match self {
            Self::Euler => Method::Euler(steps),
            Self::Heun => Method::Heun(steps),
            Self::Rk4 => Method::Rk4(steps),
        }
    }

    /// Evaluations of a step.
    pub fn stages(self) -> usize {
        match self {
            Self::Euler => Euler::C.len(),
            Self::Heun => Heun::C.len(),
            Self::Rk4 => Rk4::C.len(),
        }
    }
}

/// How exact each step is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Error that is allowed in proportion to the state.
    pub relative: f64,
    /// Error that is allowed besides.
    pub absolute: f64,
    /// Most steps of a trajectory, those that were tried in vain included.
    pub max_steps: u64,
}

impl Tolerance {
    /// The same number for both kinds of error.
    pub fn new(error: f64) -> Self {
        Self { relative: error, absolute: error, max_steps: 1_000_000 }
    }
}

impl Method {
    /// The method with this share of its tolerance.
    pub fn tightened(self, share: f64) -> Self {
        let tighter = |of: Tolerance| Tolerance {
            relative: of.relative * share,
            absolute: of.absolute * share,
            ..of
        };
        match self {
            Self::Tsit5(tolerance) => Self::Tsit5(tighter(tolerance)),
            Self::Dop853(tolerance) => Self::Dop853(tighter(tolerance)),
            Self::Rodas5p(tolerance) => Self::Rodas5p(tighter(tolerance)),
            Self::Euler(_) | Self::Heun(_) | Self::Rk4(_) => self,
        }
    }

    fn check(self) -> Result<()> {
        let refuse = |what, value, expected| Err(Error::Setting { what, value, expected });
        match self {
            Self::Euler(0) | Self::Heun(0) | Self::Rk4(0) => {
                refuse("steps", 0.0, "at least one between two times")
            }
            Self::Euler(_) | Self::Heun(_) | Self::Rk4(_) => Ok(()),
            Self::Tsit5(Tolerance { relative, absolute, .. })
            | Self::Dop853(Tolerance { relative, absolute, .. })
            | Self::Rodas5p(Tolerance { relative, absolute, .. }) => {
                let sums = relative + absolute;
                match relative >= 0.0 && absolute >= 0.0 && sums > 0.0 && sums.is_finite() {
                    true => Ok(()),
                    false => refuse("tolerance", sums, "two finite numbers, one of them above 0"),
                }
            }
        }
    }
}

/// Solves an ensemble on all threads. A trajectory's numbers are the same bits whichever others are
/// solved with it.
///
/// # Errors
/// If the ensemble does not fit the system, the method makes no sense, or the system has events and the
/// method equal steps. What goes wrong with a
/// trajectory is its [`Status`](crate::Status).
pub fn solve<S: System>(system: &S, ensemble: &Ensemble<'_>, method: Method) -> Result<Solution> {
    let dimension = system.zero().as_ref().len();
    let n = ensemble.check(dimension, system.parameters())?;
    method.check()?;
    let events = system.events();
    if events > 0 && matches!(method, Method::Euler(_) | Method::Heun(_) | Method::Rk4(_)) {
        return Err(Error::Events { way: "a method with equal steps" });
    }
    let mut solution = Solution {
        states: vec![0.0; n * ensemble.times.len() * dimension],
        status: vec![Default::default(); n],
        end: vec![ensemble.start; n],
        last: ensemble.initial.to_vec(),
        evaluations: vec![0; n],
        crossings: vec![f64::NAN; n * events],
    };
    let arch = Arch::new();
    Work::split(ensemble, &mut solution, &|work| match arch {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Arch::V3(simd) => part(simd, system, method, work),
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Arch::V4(simd) => part(simd, system, method, work),
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(simd) => part(simd, system, method, work),
        _ => part(Scalar::new(), &Behind(system), method, work),
    });
    Ok(solution)
}

/// Solves a part.
fn part<V: Simd, S: System>(simd: V, system: &S, method: Method, work: Work<'_>) {
    match method {
        Method::Euler(steps) => equal::<V, S, Euler>(simd, system, steps, work),
        Method::Heun(steps) => equal::<V, S, Heun>(simd, system, steps, work),
        Method::Rk4(steps) => equal::<V, S, Rk4>(simd, system, steps, work),
        Method::Tsit5(exact) => own::<V, S, Tsit5<S::State>>(simd, system, exact, work),
        Method::Dop853(exact) => own::<V, S, Dop853<S::State>>(simd, system, exact, work),
        Method::Rodas5p(exact) => own::<V, S, Rodas5p<S::State>>(simd, system, exact, work),
    }
}

// Each method is a function of its own: compilers take longer for one of all.

/// Solves a part with equal steps.
fn equal<V: Simd, S: System, E: Explicit>(simd: V, system: &S, steps: usize, work: Work<'_>) {
    simd.vectorize(Equal { system, steps, work, method: PhantomData::<E> });
}

/// Solves a part with steps of each trajectory's own.
fn own<V: Simd, S: System, P: Pair<S>>(simd: V, system: &S, exact: Tolerance, work: Work<'_>) {
    simd.vectorize(Own { system, exact, work, method: PhantomData::<P> });
}

/// What `equal` compiles for a kind of processor.
struct Equal<'a, S, E> {
    system: &'a S,
    steps: usize,
    work: Work<'a>,
    method: PhantomData<E>,
}

impl<S: System, E: Explicit> WithSimd for Equal<'_, S, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(mut self, _: V) {
        fixed::<S, E>(self.system, self.steps, &mut self.work);
    }
}

/// What `own` compiles for a kind of processor.
struct Own<'a, S, P> {
    system: &'a S,
    exact: Tolerance,
    work: Work<'a>,
    method: PhantomData<P>,
}

impl<S: System, P: Pair<S>> WithSimd for Own<'_, S, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(mut self, simd: V) {
        adaptive::<V, S, P>(simd, self.system, self.exact, &mut self.work);
    }
}

#[cfg(test)]
mod tests;
