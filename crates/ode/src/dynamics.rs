//! Systems behind pointers.

use pulp::{Arch, Simd, WithSimd};

use crate::{
    Ensemble, Lanes, Method, Result, Scheme, Solution, System, solve,
    solve::{Euler, Explicit, Heun, Rk4, slopes, step},
};

/// What can be done with a system, whichever it is. Every [`System`] is one.
pub trait Dynamics: Sync {
    /// Components of a state, `d`.
    fn dimension(&self) -> usize;

    /// Number of parameters, `p`.
    fn parameters(&self) -> usize;

    /// See [`solve`](crate::solve()).
    ///
    /// # Errors
    /// As there.
    fn solve(&self, ensemble: &Ensemble<'_>, method: Method) -> Result<Solution>;

    /// The states after one step of `h` from `u` at `t`, and the slopes of its stages, for each lane.
    ///
    /// # Shapes
    /// - u and next: `[d]`
    /// - p: `[p]`
    /// - slopes: `[stages, d]`
    ///
    /// # Panics
    /// If a shape is another one.
    fn step(
        &self,
        scheme: Scheme,
        at: [f64; 2],
        u: &[Lanes],
        p: &[Lanes],
        slopes: &mut [Lanes],
        next: &mut [Lanes],
    );
}

impl<S: System> Dynamics for S {
    fn dimension(&self) -> usize {
        self.zero().as_ref().len()
    }

    fn parameters(&self) -> usize {
        System::parameters(self)
    }

    fn solve(&self, ensemble: &Ensemble<'_>, method: Method) -> Result<Solution> {
        solve(self, ensemble, method)
    }

    fn step(
        &self,
        scheme: Scheme,
        at: [f64; 2],
        u: &[Lanes],
        p: &[Lanes],
        slopes: &mut [Lanes],
        next: &mut [Lanes],
    ) {
        Arch::new().dispatch(One { system: self, scheme, at, u, p, slopes, next });
    }
}

/// A step, compiled for each kind of processor.
struct One<'a, S> {
    system: &'a S,
    scheme: Scheme,
    at: [f64; 2],
    u: &'a [Lanes],
    p: &'a [Lanes],
    slopes: &'a mut [Lanes],
    next: &'a mut [Lanes],
}

impl<S: System> WithSimd for One<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        match self.scheme {
            Scheme::Euler => self.run::<Euler>(),
            Scheme::Heun => self.run::<Heun>(),
            Scheme::Rk4 => self.run::<Rk4>(),
        }
    }
}

impl<S: System> One<'_, S> {
    #[inline(always)]
    fn run<E: Explicit>(self) {
        let mut u = self.system.zero();
        u.as_mut().copy_from_slice(self.u);
        let mut next = u.clone();
        let mut k = slopes(&u);
        step::<S, E>(self.system, self.at, &u, self.p, &mut k, &mut next);
        for (slopes, k) in self.slopes.chunks_exact_mut(self.u.len()).zip(&k) {
            slopes.copy_from_slice(k.as_ref());
        }
        self.next.copy_from_slice(next.as_ref());
    }
}
