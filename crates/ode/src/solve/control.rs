//! How long the next steps are.

use crate::{LANES, Lanes};

/// A square of the error below this makes no difference: 1e-10 of what is allowed.
const LEAST_SQUARE: f64 = 1e-20;

// Logarithms to base 2.
/// Nor does an error of the step before below this: 1e-4.
const LEAST_BEFORE: f64 = -13.287_712_379_549_449;
/// What the step is multiplied by that the error would allow: 0.9.
const SAFETY: f64 = -0.152_003_093_445_049_97;
/// Least ratio of two steps: 0.2.
const LEAST: f64 = 1.0 - std::f64::consts::LOG2_10;
/// Greatest ratio of two steps: 10.
const GREATEST: f64 = std::f64::consts::LOG2_10;

/// A proportional and integral controller (Hairer & Wanner, *Solving Ordinary Differential Equations
/// II*, section IV.2) for each lane.
pub(super) struct Control {
    /// Logarithm of the error of the last step that was taken.
    before: Lanes,
    /// Logarithm of the greatest ratio that the next may have: a step after one that was tried in
    /// vain is no longer.
    greatest: Lanes,
}

impl Control {
    pub(super) fn new() -> Self {
        Self { before: Lanes::splat(LEAST_BEFORE), greatest: Lanes::splat(GREATEST) }
    }

    /// Forgets what was before in a lane.
    pub(super) fn begin(&mut self, lane: usize) {
        let Self { before, greatest } = Self::new();
        self.before.0[lane] = before.0[lane];
        self.greatest.0[lane] = greatest.0[lane];
    }

    /// The next step over this one, by the square of its error in shares of what is allowed, for a
    /// method of this order.
    #[inline(always)]
    pub(super) fn ratio(&mut self, square: Lanes, order: f64) -> Lanes {
        let (now, earlier, alone) = (0.7 / order, 0.4 / order, 1.0 / order);
        let mut ratio = Lanes::ZERO;
        // As a loop: a function of each lane would be called for each.
        for lane in 0..LANES {
            let square = square.0[lane];
            let (taken, finite) = (square <= 1.0, square.is_finite());
            let inside = if square > LEAST_SQUARE { square } else { LEAST_SQUARE };
            let error = 0.5 * log2(if finite { inside } else { 1.0 });
            let (before, greatest) = (self.before.0[lane], self.greatest.0[lane]);
            let gentle = SAFETY - now * error + earlier * before;
            let power = if taken { gentle } else { SAFETY - alone * error };
            let most = if taken { greatest } else { 0.0 };
            let power = if power < most { power } else { most };
            let power = if finite && power > LEAST { power } else { LEAST };
            let floored = if error > LEAST_BEFORE { error } else { LEAST_BEFORE };
            self.before.0[lane] = if taken { floored } else { before };
            self.greatest.0[lane] = if taken { GREATEST } else { 0.0 };
            ratio.0[lane] = exp2(power);
        }
        ratio
    }
}

/// `1.5 × 2⁵²`: a number added to it is rounded to a whole one, in its lowest bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// The logarithm to base 2 of a normal positive number, to 1e-7: without a library's, so that
/// compilers make lanes of it and every processor has the same bits.
#[inline(always)]
fn log2(x: f64) -> f64 {
    /// The square root of a half.
    const ROOT: u64 = 0x3fe6_a09e_667f_3bcd;
    let exponent = (x.to_bits().wrapping_sub(ROOT) as i64) >> 52;
    let fraction = f64::from_bits(x.to_bits().wrapping_sub((exponent << 52) as u64));
    let whole = f64::from_bits(ROUND.to_bits().wrapping_add(exponent as u64)) - ROUND;
    // ln x = 2 artanh((x - 1) / (x + 1))
    let s = (fraction - 1.0) / (fraction + 1.0);
    let z = s * s;
    let series = 1.0 + z * (1.0 / 3.0 + z * (1.0 / 5.0 + z * (1.0 / 7.0)));
    whole + (2.0 * std::f64::consts::LOG2_E) * s * series
}

/// Two to the power of a number that is not large, to 1e-7; as above.
#[inline(always)]
fn exp2(x: f64) -> f64 {
    let shifted = x + ROUND;
    let y = (x - (shifted - ROUND)) * std::f64::consts::LN_2;
    let series = 1.0
        + y * (1.0
            + y * (1.0 / 2.0
                + y * (1.0 / 6.0 + y * (1.0 / 24.0 + y * (1.0 / 120.0 + y * (1.0 / 720.0))))));
    f64::from_bits(series.to_bits().wrapping_add(shifted.to_bits() << 52))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_and_powers_are_nearly_exact() {
        for i in 0..10_000 {
            let x = f64::from(i) * 2e-3 - 10.0;
            assert!((exp2(x) / x.exp2() - 1.0).abs() < 2e-7, "{x}");
            assert!((log2(x.exp2()) - x).abs() < 2e-7, "{x}");
        }
        assert!((log2(1e-20) - 1e-20f64.log2()).abs() < 2e-7);
        assert!((log2(1e300) - 1e300f64.log2()).abs() < 2e-7);
    }

    #[test]
    fn the_ratio_is_what_the_formula_says() {
        let mut control = Control::new();
        let mut ratio = |error: f64| control.ratio(Lanes::splat(error * error), 5.0).0[0];
        let near = |found: f64, expected: f64| {
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
        };
        near(ratio(0.5), 0.9 * 0.5f64.powf(-0.7 / 5.0) * 1e-4f64.powf(0.4 / 5.0));
        near(ratio(0.1), 0.9 * 0.1f64.powf(-0.7 / 5.0) * 0.5f64.powf(0.4 / 5.0));
        near(ratio(3.0), 0.9 * 3f64.powf(-1.0 / 5.0));
        // After a step in vain the next is no longer.
        near(ratio(1e-9), 1.0);
        near(ratio(f64::NAN), 0.2);
        near(ratio(f64::INFINITY), 0.2);
        near(ratio(1e100), 0.2);
        near(ratio(1.0), 0.9 * 1e-4f64.powf(0.4 / 5.0));
        near(ratio(0.0), 10.0);
    }
}
