//! What numbers are measured in: the spreads of the demos, so that neither units nor the length of a
//! coarse step matter.

/// Middle and spread of coarse solutions, their increments and their errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Mean of each component, `[d]`.
    pub middle: Vec<f64>,
    /// Standard deviation of each.
    pub spread: Vec<f64>,
    /// Root mean square of the increments of each from one time to the next.
    pub increment: Vec<f64>,
    /// Root mean square of the errors of each.
    pub error: Vec<f64>,
}

/// A spread in shares of a value that is no more than its rounding.
const ROUNDING: f64 = 1e-14;

impl Scale {
    /// Of trajectories `[demos, times, d]` and what they lack at all times but the first,
    /// `[demos, times - 1, d]`.
    pub fn new(coarse: &[f64], errors: &[f64], times: usize, d: usize) -> Self {
        let column = |values: &[f64], c: usize| -> Vec<f64> {
            values.iter().skip(c).step_by(d).copied().collect()
        };
        let each = |f: &dyn Fn(usize) -> f64| (0..d).map(f).collect::<Vec<f64>>();
        let middle = each(&|c| mean(&column(coarse, c)));
        let spread = each(&|c| {
            let deviations = column(coarse, c).into_iter().map(|value| value - middle[c]);
            usable(rms(deviations), middle[c].abs())
        });
        let increment = each(&|c| {
            let rows = coarse.chunks(times * d);
            let steps =
                rows.flat_map(|row| (1..times).map(move |i| row[i * d + c] - row[(i - 1) * d + c]));
            usable(rms(steps), spread[c])
        });
        let error = each(&|c| usable(rms(column(errors, c).into_iter()), spread[c]));
        Self { middle, spread, increment, error }
    }
}

/// A spread of values of this size, to divide by: 1 where there is none.
pub(crate) fn usable(spread: f64, size: f64) -> f64 {
    if spread > ROUNDING * size && spread.is_normal() { spread } else { 1.0 }
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Root mean square.
pub(crate) fn rms(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value * value, n + 1.0));
    (sum / n).sqrt()
}
