//! Systems with a right-hand side that takes a given time.

use std::{
    fmt,
    hint::spin_loop,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::{Dynamics, LANES, Lanes, System};

/// A system whose evaluations are counted and take longer: what solvers cost where a right-hand side is
/// a simulation. Each evaluation of each trajectory spins, so that a thread that evaluates is busy.
///
/// As with a [`Program`](crate::Program), lanes without a finite time and state cost nothing, nor do
/// copies of other lanes.
pub struct Slowed<'a> {
    system: &'a dyn Dynamics,
    cost: Duration,
    evaluations: AtomicU64,
}

impl<'a> Slowed<'a> {
    /// The system, with so much more time for each evaluation of a trajectory.
    pub fn new(system: &'a dyn Dynamics, cost: Duration) -> Self {
        Self { system, cost, evaluations: AtomicU64::new(0) }
    }

    /// Evaluations so far, of all trajectories.
    pub fn evaluations(&self) -> u64 {
        self.evaluations.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Slowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slowed").field("cost", &self.cost).finish_non_exhaustive()
    }
}

impl System for Slowed<'_> {
    type State = Vec<Lanes>;

    fn zero(&self) -> Self::State {
        vec![Lanes::ZERO; self.system.dimension()]
    }

    fn parameters(&self) -> usize {
        self.system.parameters()
    }

    fn rhs(&self, t: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        self.system.slopes(t, u, p, du);
        let started = Instant::now();
        let count = asked(t, u, p);
        self.evaluations.fetch_add(count.into(), Ordering::Relaxed);
        let until = self.cost * count;
        while started.elapsed() < until {
            spin_loop();
        }
    }
}

/// Different lanes that hold a trajectory.
fn asked(t: Lanes, u: &[Lanes], p: &[Lanes]) -> u32 {
    let same = |a: usize, b: usize| {
        let of = |lanes: &Lanes| lanes.0[a].to_bits() == lanes.0[b].to_bits();
        of(&t) && u.iter().all(of) && p.iter().all(of)
    };
    let holds = |lane: &usize| t.0[*lane].is_finite() && u.iter().all(|u| u.0[*lane].is_finite());
    let lanes = (0..LANES).filter(holds);
    lanes.map(|lane| u32::from(!(0..lane).any(|other| same(lane, other)))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ensemble, Method, Tolerance, families};

    /// Of full lanes and of some, by methods with equal steps and with their own.
    #[test]
    fn evaluations_are_counted_and_cost_their_time() {
        let family = families::find("lotka-volterra").unwrap();
        let times: Vec<f64> = (1..=10).map(f64::from).collect();
        for n in [1, 21, 32] {
            let members = family.info.ranges().draw(1, 0..n);
            let ensemble = Ensemble { times: &times, ..members.ensemble(0.0, &times) };
            let cost = Duration::from_micros(20);
            for (method, close) in [
                (Method::Rk4(3), 0.0),
                (Method::Tsit5(Tolerance::new(1e-6)), 0.02),
                // All lanes are asked for the states inside a step that any lane wants.
                (Method::Dop853(Tolerance::new(1e-6)), 0.3),
            ] {
                let slowed = Slowed::new(family.system, cost);
                let started = Instant::now();
                let found = Dynamics::solve(&slowed, &ensemble, method).unwrap();
                let seconds = started.elapsed().as_secs_f64();
                assert_eq!(found.states, family.system.solve(&ensemble, method).unwrap().states);
                let told = found.evaluations.iter().sum::<u64>() as f64;
                let counted = slowed.evaluations() as f64;
                assert!((counted / told - 1.0).abs() <= close, "{n} {method:?}: {counted} {told}");
                // Fewer than two parts are solved by one thread.
                assert!(seconds >= 0.99 * counted * cost.as_secs_f64(), "{n}: {seconds}");
            }
        }
    }
}
