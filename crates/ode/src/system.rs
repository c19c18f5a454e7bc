//! Right-hand sides.

use crate::{Lanes, event::Watch};

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

    /// The right-hand side of each lane. Lanes must not influence one another. One without a trajectory
    /// may hold anything; where solvers know of it, its time or its state is NaN.
    fn rhs(&self, t: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State);

    /// Number of functions that are watched for zeros.
    fn events(&self) -> usize {
        0
    }

    /// How one of them is watched.
    fn watch(&self, _event: usize) -> Watch {
        Watch::default()
    }

    /// The value of one of them in each lane.
    fn event(&self, _event: usize, _t: Lanes, _u: &Self::State, _p: &[Lanes]) -> Lanes {
        Lanes::splat(1.0)
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

    fn watch(&self, event: usize) -> Watch {
        (**self).watch(event)
    }

    fn event(&self, event: usize, t: Lanes, u: &S::State, p: &[Lanes]) -> Lanes {
        (**self).event(event, t, u, p)
    }
}
