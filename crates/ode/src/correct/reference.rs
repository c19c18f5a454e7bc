//! What counts as exact.

use crate::{Dynamics, Ensemble, Method, Result, Solution, Status, Tolerance};

/// Steps after which a system is taken to be stiff.
const PATIENCE: u64 = 100_000;

/// The solver of trajectories that count as exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reference {
    /// DOP853.
    Dop853,
    /// Rodas5P, for stiff systems.
    Rodas5p,
    /// DOP853, or Rodas5P where that takes more than 100,000 steps for some trajectory.
    #[default]
    Auto,
}

impl Reference {
    /// Solves an ensemble; the method too that it was solved by.
    pub(super) fn solve(
        self,
        system: &dyn Dynamics,
        ensemble: &Ensemble<'_>,
        tolerance: Tolerance,
    ) -> Result<(Method, Solution)> {
        let by = |method: Method| Ok((method, system.solve(ensemble, method)?));
        let (stiff, other) = (Method::Rodas5p(tolerance), Method::Dop853(tolerance));
        match self {
            Self::Dop853 => by(other),
            Self::Rodas5p => by(stiff),
            Self::Auto => {
                let max_steps = tolerance.max_steps.min(PATIENCE);
                let solution =
                    system.solve(ensemble, Method::Dop853(Tolerance { max_steps, ..tolerance }))?;
                match solution.status.contains(&Status::MaxSteps) {
                    true => by(stiff),
                    false => Ok((other, solution)),
                }
            }
        }
    }
}
