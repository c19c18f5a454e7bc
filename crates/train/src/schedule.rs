//! How the learning rate moves over a stage.

/// The course after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Half a cosine wave from the peak to the floor (Loshchilov and Hutter, 2017, Eq. 5, without
    /// restarts).
    #[default]
    Cosine,
    /// A straight line from the peak to the floor.
    Linear,
    /// The peak throughout.
    Constant,
}

/// Length of the linear rise at the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Warmup {
    /// This many steps.
    Steps(u64),
    /// This share of all steps, rounded up as `transformers` does.
    Ratio(f64),
}

/// The learning rate of each step, as a share of the peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The rise at the start.
    pub warmup: Warmup,
    /// The course after it.
    pub decay: Decay,
    /// Where the decay ends, as a share of the peak.
    pub floor: f64,
}

impl Schedule {
    /// Share of the peak at `step`, counted from 0, of `total`.
    ///
    /// The first of `w` warm-up steps has `1 / w`, so that no step is spent at zero; the decay
    /// reaches the floor one step after the last.
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        let warmup = match self.warmup {
            Warmup::Steps(steps) => steps,
            Warmup::Ratio(ratio) => (ratio * total as f64).ceil() as u64,
        };
        if step < warmup {
            return (step + 1) as f64 / warmup as f64;
        }
        let length = total.saturating_sub(warmup).max(1) as f64;
        let progress = ((step - warmup) as f64 / length).min(1.0);
        let fallen = match self.decay {
            Decay::Cosine => (1.0 - (std::f64::consts::PI * progress).cos()) / 2.0,
            Decay::Linear => progress,
            Decay::Constant => 0.0,
        };
        1.0 - (1.0 - self.floor) * fallen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(schedule: Schedule, steps: &[u64]) -> Vec<f64> {
        steps.iter().map(|&step| schedule.factor(step, 100)).collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
        }
    }

    #[test]
    fn warm_up_rises_to_the_peak() {
        for warmup in [Warmup::Steps(10), Warmup::Ratio(0.095)] {
            let schedule = Schedule { warmup, decay: Decay::Constant, floor: 0.0 };
            close(&values(schedule, &[0, 4, 9, 10, 99]), &[0.1, 0.5, 1.0, 1.0, 1.0]);
        }
    }

    #[test]
    fn decays_end_at_the_floor() {
        let at = [0, 20, 60, 100, 500];
        let cosine = Schedule { warmup: Warmup::Steps(20), decay: Decay::Cosine, floor: 0.1 };
        close(&values(cosine, &at), &[0.05, 1.0, 0.55, 0.1, 0.1]);
        // A quarter of the way down a cosine: 0.1 + 0.9 (1 + cos 45°) / 2.
        close(&values(cosine, &[40]), &[0.1 + 0.9 * (1.0 + 0.5f64.sqrt()) / 2.0]);
        let linear = Schedule { decay: Decay::Linear, ..cosine };
        close(&values(linear, &at), &[0.05, 1.0, 0.55, 0.1, 0.1]);
        close(&values(linear, &[40]), &[0.775]);
    }

    #[test]
    fn no_warm_up_starts_at_the_peak() {
        let schedule = Schedule { warmup: Warmup::Steps(0), decay: Decay::Cosine, floor: 0.0 };
        assert_eq!(schedule.factor(0, 100), 1.0);
        assert_eq!(schedule.factor(0, 0), 1.0);
    }
}
