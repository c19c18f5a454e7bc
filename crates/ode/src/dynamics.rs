//! Systems behind pointers.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::{
    Ensemble, Lanes, Method, Result, Scheme, Solution, System, solve,
    solve::{Euler, Explicit, Heun, Rk4, slopes, step},
};

/// Something to be done with a system.
pub type Job<'a> = Box<dyn FnOnce(&dyn Dynamics) + Send + 'a>;

/// What can be done with a system, whichever it is. Every [`System`] is one.
pub trait Dynamics: Sync {
    /// Components of a state, `d`.
    fn dimension(&self) -> usize;

    /// Number of parameters, `p`.
    fn parameters(&self) -> usize;

    /// See [`solve`](crate::solve()).
    ///
    /// # Errors
    /// As there, or if the system cannot be evaluated.
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

    /// The right-hand side of each lane; see [`System::rhs`].
    ///
    /// # Shapes
    /// - u and slopes: `[d]`
    /// - p: `[p]`
    ///
    /// # Panics
    /// If a shape is another one.
    fn slopes(&self, t: Lanes, u: &[Lanes], p: &[Lanes], slopes: &mut [Lanes]);

    /// Does all jobs, at once if possible. A job uses the system that it is given and not this one: what
    /// jobs ask of it at the same time may then be asked together.
    ///
    /// # Errors
    /// If the system cannot be evaluated; [`Dynamics::step`] and [`Dynamics::slopes`] give NaN then.
    fn run(&self, jobs: Vec<Job<'_>>) -> Result<()>;
}

/// The results of so many jobs.
///
/// # Errors
/// As [`Dynamics::run`].
pub(crate) fn each<T: Send>(
    system: &dyn Dynamics,
    count: usize,
    job: &(dyn Fn(&dyn Dynamics, usize) -> T + Sync),
) -> Result<Vec<T>> {
    let mut results: Vec<Option<T>> = (0..count).map(|_| None).collect();
    let jobs = results.iter_mut().enumerate().map(|(number, result)| -> Job<'_> {
        Box::new(move |system| *result = Some(job(system, number)))
    });
    system.run(jobs.collect())?;
    Ok(results.into_iter().flatten().collect())
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

    fn slopes(&self, t: Lanes, u: &[Lanes], p: &[Lanes], slopes: &mut [Lanes]) {
        let (mut state, mut du) = (self.zero(), self.zero());
        state.as_mut().copy_from_slice(u);
        self.rhs(t, &state, p, &mut du);
        slopes.copy_from_slice(du.as_ref());
    }

    fn run(&self, jobs: Vec<Job<'_>>) -> Result<()> {
        jobs.into_par_iter().for_each(|job| job(self));
        Ok(())
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
