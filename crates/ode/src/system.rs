//! Right-hand sides.

use crate::Lanes;

/// The state of [`LANES`](crate::LANES) trajectories: an array where the dimension is known to the
/// compiler, which then keeps it in registers, or else a vector.
pub trait State: Clone + Send + AsRef<[Lanes]> + AsMut<[Lanes]> {}

impl<T: Clone + Send + AsRef<[Lanes]> + AsMut<[Lanes]>> State for T {}

/// `du/dt = f(t, u; p)`.
pub trait System: Sync {
    /// A state.
    type State: State;

    /// A state of zeros; its length is the dimension.
    fn zero(&self) -> Self::State;

    /// Number of parameters.
    fn parameters(&self) -> usize;

    /// The right-hand side of each lane. Lanes must not influence one another, and a lane without a
    /// trajectory may hold anything.
    fn rhs(&self, t: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State);

    /// Number of functions whose first zero ends a trajectory.
    fn events(&self) -> usize {
        0
    }

    /// The value of one of them along one trajectory.
    fn event(&self, _event: usize, _t: f64, _u: &[f64], _p: &[f64]) -> f64 {
        1.0
    }
}

impl<S: System> System for &S {
    type State = S::State;

    fn zero(&self) -> S::State {
        (**self).zero()
    }

    fn parameters(&self) -> usize {
        (**self).parameters()
    }

    #[inline(always)]
    fn rhs(&self, t: Lanes, u: &S::State, p: &[Lanes], du: &mut S::State) {
        (**self).rhs(t, u, p, du);
    }

    fn events(&self) -> usize {
        (**self).events()
    }

    fn event(&self, event: usize, t: f64, u: &[f64], p: &[f64]) -> f64 {
        (**self).event(event, t, u, p)
    }
}
