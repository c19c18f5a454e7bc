//! Rodas5P: a Rosenbrock method of order 5 with an embedded one of order 4, for stiff systems.
//!
//! G. Steinebach, *Construction of Rosenbrock–Wanner method Rodas5P and numerical benchmarks within
//! the Julia Differential Equations package*, BIT Numerical Mathematics 63:27 (2023), whose
//! coefficients these are, in the form without products by the Jacobian (Hairer & Wanner, *Solving
//! Ordinary Differential Equations II*, section IV.7): stage `i` is
//!
//! ```text
//! (1 / (h γ) − J) kᵢ = f(t + Cᵢ h, u + Σ Aᵢⱼ kⱼ) + Σ Kᵢⱼ kⱼ / h + h Dᵢ ∂f/∂t
//! ```
//!
//! The Jacobian `J` and `∂f/∂t` are forward differences at the beginning of the step.
//!
//! Where a system is stiff, the embedded method says little of the states between the ends of a step.
//! So the polynomial through them is put into the equation at the middle, and what it lacks there,
//! `(1 / (h γ) − J)⁻¹ (u' − f)`, may be no greater than the error of the step.

use pulp::Simd;

use super::{
    Tolerance,
    linear::Lu,
    pair::{Pair, Row, allowed, sum},
};
use crate::{LANES, Lanes, State, System};

const STAGES: usize = 8;

const GAMMA: f64 = 0.211_937_563_194_290_14;

const C: [f64; STAGES] = [
    0.0,
    0.635_812_689_582_870_4,
    0.409_579_839_339_753_5,
    0.976_930_672_506_071_6,
    0.428_840_360_955_866_4,
    1.0,
    1.0,
    1.0,
];

/// The first six; each later stage, and the end of the step, adds the one before to its state.
const A: [Row; 6] = [
    &[],
    &[(0, 3.0)],
    &[(0, 2.849_394_379_747_939), (1, 0.458_422_422_044_639_23)],
    &[(0, -6.954_028_509_809_101), (1, 2.489_845_061_869_568), (2, -10.358_996_098_473_584)],
    &[
        (0, 2.802_998_627_562_896_4),
        (1, 0.507_246_473_622_820_6),
        (2, -0.398_831_254_177_052_4),
        (3, -0.047_211_872_304_046_41),
    ],
    &[
        (0, -7.502_846_399_306_121),
        (1, 2.561_846_144_803_919),
        (2, -11.627_539_656_261_098),
        (3, -0.182_687_676_599_422_56),
        (4, 0.030_198_172_008_377_946),
    ],
];

const K: [Row; STAGES] = [
    &[],
    &[(0, -14.155_112_264_123_755)],
    &[(0, -17.972_960_358_859_52), (1, -2.859_693_295_451_294)],
    &[(0, 147.121_502_757_117_16), (1, -1.412_214_027_182_13), (2, 71.689_402_513_023_58)],
    &[
        (0, 165.435_170_248_716_76),
        (1, -0.459_282_345_649_112_6),
        (2, 42.909_383_369_586_03),
        (3, -5.961_986_721_573_306),
    ],
    &[
        (0, 24.854_864_614_690_072),
        (1, -3.000_922_700_283_218_6),
        (2, 47.493_111_002_076_8),
        (3, 5.581_419_782_155_812_5),
        (4, -0.661_069_182_524_947_1),
    ],
    &[
        (0, 30.912_732_140_285_99),
        (1, -3.120_824_334_993_797_4),
        (2, 77.799_546_460_708_92),
        (3, 34.286_460_282_947_83),
        (4, -19.097_331_116_725_623),
        (5, -28.087_943_162_872_662),
    ],
    &[
        (0, 37.802_771_233_905_63),
        (1, -3.257_196_902_907_227_6),
        (2, 112.269_188_494_963_27),
        (3, 66.934_723_124_404_7),
        (4, -40.066_189_370_910_02),
        (5, -54.667_802_628_779_68),
        (6, -9.488_616_523_096_27),
    ],
];

const D: [f64; STAGES] = [
    GAMMA,
    -0.423_875_126_388_580_27,
    -0.338_462_712_623_592_4,
    1.804_645_287_288_273_4,
    2.325_825_639_765_069,
    0.0,
    0.0,
    0.0,
];

/// The polynomial of order 4 between the ends.
const DENSE: [Row; 3] = [
    &[
        (0, 25.948_786_856_663_858),
        (1, -2.557_972_484_584_623_5),
        (2, 10.433_815_404_888_879),
        (3, -2.367_925_102_268_520_4),
        (4, 0.524_948_541_321_073),
        (5, 1.124_108_831_045_040_4),
        (6, 0.427_287_619_443_187_4),
        (7, -0.172_022_210_701_554_93),
    ],
    &[
        (0, -9.915_688_506_951_71),
        (1, -0.968_994_459_411_515_4),
        (2, 3.043_803_724_297_845_3),
        (3, -24.495_224_566_215_796),
        (4, 20.176_138_334_709_044),
        (5, 15.980_663_614_246_51),
        (6, -6.789_040_303_419_874),
        (7, -6.710_236_069_923_372),
    ],
    &[
        (0, 11.419_903_575_922_262),
        (1, 2.887_964_514_613_699_4),
        (2, 72.921_379_959_960_29),
        (3, 80.125_118_346_226_43),
        (4, -52.072_871_366_152_654),
        (5, -59.789_936_252_667_29),
        (6, -0.155_826_842_827_519_13),
        (7, 4.883_087_185_713_722),
    ],
];

/// Shares of a component that it is moved by for a difference.
const MOVED: f64 = 1.490_116_119_384_765_6e-8;
/// What no component is moved by less than, in absolute terms, so that there is a difference.
const LEAST: f64 = 1e-40;
/// A time is moved by the root of its share of rounding, and of no less than this, as Hairer & Wanner
/// have it in their code RODAS.
const LEAST_TIME: f64 = 1e-5;

/// A step in hand.
pub(super) struct Rodas5p<T> {
    slope: T,
    later: T,
    /// `∂f/∂t`
    by_time: T,
    /// `∂f/∂u`, `[d, d]`
    jacobian: Vec<Lanes>,
    lu: Lu,
    k: Vec<T>,
    stage: T,
    end: T,
    dense: Vec<T>,
}

impl<T: State> Rodas5p<T> {
    /// Slopes and their derivatives where the step begins.
    #[inline(always)]
    fn differentiate<S: System<State = T>>(
        &mut self,
        system: &S,
        (t, h): (Lanes, Lanes),
        u: &S::State,
        p: &[Lanes],
        tolerance: Tolerance,
    ) {
        let d = u.as_ref().len();
        system.rhs(t, u, p, &mut self.slope);
        let ahead = t + (f64::EPSILON * t.abs().max(Lanes::splat(LEAST_TIME))).sqrt();
        system.rhs(ahead, u, p, &mut self.later);
        for i in 0..d {
            self.by_time.as_mut()[i] =
                (self.later.as_ref()[i] - self.slope.as_ref()[i]) / (ahead - t);
        }
        self.stage.clone_from(u);
        for j in 0..d {
            let at = u.as_ref()[j];
            // What it is and what it changes by, or what is too little to matter.
            let change = (h * self.slope.as_ref()[j]).abs();
            let size = at.abs().max(change).max(Lanes::splat(tolerance.absolute));
            let ahead = at + (MOVED * size).max(Lanes::splat(LEAST));
            self.stage.as_mut()[j] = ahead;
            system.rhs(t, &self.stage, p, &mut self.later);
            self.stage.as_mut()[j] = at;
            for i in 0..d {
                self.jacobian[i * d + j] =
                    (self.later.as_ref()[i] - self.slope.as_ref()[i]) / (ahead - at);
            }
        }
    }

    /// The square of what the polynomial lacks at the middle of the step, in shares of what is allowed.
    #[inline(always)]
    fn middle<S: System<State = T>>(
        &mut self,
        system: &S,
        (t, h): (Lanes, Lanes),
        u: &S::State,
        p: &[Lanes],
        tolerance: Tolerance,
    ) -> Lanes {
        let d = u.as_ref().len();
        for i in 0..d {
            let [first, second, third] = [0, 1, 2].map(|term| self.dense[term].as_ref()[i]);
            let (from, to) = (u.as_ref()[i], self.end.as_ref()[i]);
            self.stage.as_mut()[i] =
                0.5 * (from + to) + 0.25 * (first + 0.5 * second + 0.25 * third);
            self.later.as_mut()[i] = (to - from + 0.25 * (second + third)) / h;
        }
        system.rhs(t + 0.5 * h, &self.stage, p, &mut self.slope);
        for i in 0..d {
            self.later.as_mut()[i] = self.later.as_ref()[i] - self.slope.as_ref()[i];
        }
        self.lu.solve(self.later.as_mut());
        let mut total = Lanes::ZERO;
        for (i, lacks) in self.later.as_ref().iter().enumerate() {
            let share = *lacks / allowed(tolerance, u.as_ref()[i], self.end.as_ref()[i]);
            total += share * share;
        }
        total
    }
}

impl<S: System> Pair<S> for Rodas5p<S::State> {
    const ORDER: f64 = 5.0;
    const DENSE_COST: u64 = 0;

    fn cost(dimension: usize) -> u64 {
        // Slopes and their derivatives at the beginning, seven more stages, the middle.
        (dimension + STAGES + 2) as u64
    }

    fn new(system: &S) -> Self {
        let zero = system.zero();
        let d = zero.as_ref().len();
        let many = |count| vec![zero.clone(); count];
        Self {
            slope: zero.clone(),
            later: zero.clone(),
            by_time: zero.clone(),
            jacobian: vec![Lanes::ZERO; d * d],
            lu: Lu::new(d),
            k: many(STAGES),
            stage: zero.clone(),
            end: zero.clone(),
            dense: many(DENSE.len()),
        }
    }

    fn first(&mut self) -> &mut S::State {
        &mut self.slope
    }

    #[inline(always)]
    fn attempt<V: Simd>(
        &mut self,
        simd: V,
        system: &S,
        (t, h): (Lanes, Lanes),
        u: &S::State,
        p: &[Lanes],
        tolerance: Tolerance,
    ) -> Lanes {
        let d = u.as_ref().len();
        self.differentiate(system, (t, h), u, p, tolerance);
        let diagonal = Lanes::splat(1.0) / (GAMMA * h);
        for (to, from) in self.lu.matrix().iter_mut().zip(&self.jacobian) {
            *to = -*from;
        }
        for i in 0..d {
            self.lu.matrix()[i * d + i] = diagonal - self.jacobian[i * d + i];
        }
        self.lu.factor();
        for stage in 0..STAGES {
            if stage > 0 {
                for i in 0..d {
                    self.stage.as_mut()[i] = match A.get(stage) {
                        Some(row) => u.as_ref()[i] + sum(simd, row, &self.k, i),
                        None => self.stage.as_ref()[i] + self.k[stage - 1].as_ref()[i],
                    };
                }
                system.rhs(t + C[stage] * h, &self.stage, p, &mut self.slope);
            }
            for i in 0..d {
                self.later.as_mut()[i] = self.slope.as_ref()[i]
                    + sum(simd, K[stage], &self.k, i) / h
                    + D[stage] * h * self.by_time.as_ref()[i];
            }
            self.lu.solve(self.later.as_mut());
            self.k[stage].clone_from(&self.later);
        }
        for (term, row) in self.dense.iter_mut().zip(DENSE) {
            for (i, term) in term.as_mut().iter_mut().enumerate() {
                *term = sum(simd, row, &self.k, i);
            }
        }
        let last = self.k[STAGES - 1].as_ref();
        let mut total = Lanes::ZERO;
        for (i, last) in last.iter().enumerate() {
            let end = self.stage.as_ref()[i] + *last;
            self.end.as_mut()[i] = end;
            let error = *last / allowed(tolerance, u.as_ref()[i], end);
            // NaN where the end is not finite, which no error may hide.
            total += error * error + 0.0 * end;
        }
        let middle = self.middle(system, (t, h), u, p, tolerance);
        total.max(middle) / Lanes::splat(d as f64)
    }

    fn end(&self) -> &S::State {
        &self.end
    }

    #[inline(always)]
    fn dense<V: Simd>(&mut self, _: V, _: &S, _: (Lanes, Lanes), _: &S::State, _: &[Lanes]) {}

    #[inline(always)]
    fn between<V: Simd>(&self, _: V, u: &S::State, _: Lanes, theta: Lanes, into: &mut S::State) {
        let rest = Lanes::splat(1.0) - theta;
        for (i, into) in into.as_mut().iter_mut().enumerate() {
            let of = |state: &S::State| state.as_ref()[i];
            let add = |value: Lanes, term: &S::State| value * theta + of(term);
            let inner = self.dense.iter().rev().fold(Lanes::ZERO, add);
            *into = rest * of(u) + theta * (of(&self.end) + rest * inner);
        }
    }

    #[inline(always)]
    fn advance(&mut self, _: [bool; LANES]) {}
}

#[cfg(test)]
mod tests;
