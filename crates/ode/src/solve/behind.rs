//! Systems behind pointers.

use crate::{Lanes, System, event::Watch};

/// A system whose solvers are compiled once for all systems, not for each: where there are no wide
/// registers, what a call costs is little, and what compilers make of systems is most of their work.
pub(super) struct Behind<'a>(pub &'a dyn Slices);

/// A system without its own kind of state.
pub(super) trait Slices: Sync {
    fn dimension(&self) -> usize;
    fn parameters(&self) -> usize;
    fn rhs(&self, t: Lanes, u: &[Lanes], p: &[Lanes], du: &mut [Lanes]);
    fn events(&self) -> usize;
    fn watch(&self, event: usize) -> Watch;
    fn event(&self, event: usize, t: Lanes, u: &[Lanes], p: &[Lanes]) -> Lanes;
}

impl<S: System> Slices for S {
    fn dimension(&self) -> usize {
        self.zero().as_ref().len()
    }

    fn parameters(&self) -> usize {
        System::parameters(self)
    }

    fn rhs(&self, t: Lanes, u: &[Lanes], p: &[Lanes], du: &mut [Lanes]) {
        let (mut state, mut slopes) = (self.zero(), self.zero());
        state.as_mut().copy_from_slice(u);
        System::rhs(self, t, &state, p, &mut slopes);
        du.copy_from_slice(slopes.as_ref());
    }

    fn events(&self) -> usize {
        System::events(self)
    }

    fn watch(&self, event: usize) -> Watch {
        System::watch(self, event)
    }

    fn event(&self, event: usize, t: Lanes, u: &[Lanes], p: &[Lanes]) -> Lanes {
        let mut state = self.zero();
        state.as_mut().copy_from_slice(u);
        System::event(self, event, t, &state, p)
    }
}

impl System for Behind<'_> {
    type State = Vec<Lanes>;

    fn zero(&self) -> Self::State {
        vec![Lanes::ZERO; self.0.dimension()]
    }

    fn parameters(&self) -> usize {
        self.0.parameters()
    }

    fn rhs(&self, t: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        self.0.rhs(t, u, p, du);
    }

    fn events(&self) -> usize {
        self.0.events()
    }

    fn watch(&self, event: usize) -> Watch {
        self.0.watch(event)
    }

    fn event(&self, event: usize, t: Lanes, u: &Self::State, p: &[Lanes]) -> Lanes {
        self.0.event(event, t, u, p)
    }
}
