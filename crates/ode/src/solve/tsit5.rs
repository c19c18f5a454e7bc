//! Tsitouras, *Runge–Kutta pairs of order 5(4) satisfying only the first column simplifying
//! assumption*, Computers & Mathematics with Applications 62 (2011).

use std::array;

use pulp::Simd;

use super::{
    Tolerance,
    pair::{Pair, Row, allowed, combine, registers, sum},
};
use crate::{LANES, Lanes, State, System};

const C: [f64; 7] = [0.0, 0.161, 0.327, 0.9, 0.980_025_540_904_509_7, 1.0, 1.0];

const A: [Row; 6] = [
    &[(0, 0.161)],
    &[(0, -0.008_480_655_492_356_989), (1, 0.335_480_655_492_357)],
    &[(0, 2.897_153_057_105_493_4), (1, -6.359_448_489_975_075), (2, 4.362_295_432_869_581_5)],
    &[
        (0, 5.325_864_828_439_257),
        (1, -11.748_883_564_062_828),
        (2, 7.495_539_342_889_836_5),
        (3, -0.092_495_066_361_755_25),
    ],
    &[
        (0, 5.861_455_442_946_42),
        (1, -12.920_969_317_847_11),
        (2, 8.159_367_898_576_159),
        (3, -0.071_584_973_281_401),
        (4, -0.028_269_050_394_068_383),
    ],
    // The step itself.
    &[
        (0, 0.096_460_766_818_065_23),
        (1, 0.01),
        (2, 0.479_889_650_414_499_6),
        (3, 1.379_008_574_103_742),
        (4, -3.290_069_515_436_081),
        (5, 2.324_710_524_099_774),
    ],
];

/// The step less the one of fourth order.
const ERROR: Row = &[
    (0, 0.001_780_011_052_225_772),
    (1, 0.000_816_434_459_656_747),
    (2, -0.007_880_878_010_261_985),
    (3, 0.144_711_007_173_263),
    (4, -0.582_357_165_452_555_2),
    (5, 0.458_082_105_929_186_9),
    (6, -1.0 / 66.0),
];

/// A step in hand.
pub(super) struct Tsit5<T> {
    k: [T; 7],
    stage: T,
    end: T,
}

impl<T: State> Tsit5<T> {
    /// The slope of one stage.
    #[inline(always)]
    fn stage<V: Simd, S: System<State = T>, const N: usize>(
        &mut self,
        simd: V,
        system: &S,
        (t, h): (Lanes, Lanes),
        u: &T,
        p: &[Lanes],
    ) {
        combine(simd, u, &h, A[N - 1], &self.k, &mut self.stage);
        system.rhs(t + C[N] * h, &self.stage, p, &mut self.k[N]);
    }
}

impl<S: System> Pair<S> for Tsit5<S::State> {
    const ORDER: f64 = 5.0;
    const DENSE_COST: u64 = 0;

    fn cost(_: usize) -> u64 {
        6
    }

    fn new(system: &S) -> Self {
        let zero = system.zero();
        Self { k: array::from_fn(|_| zero.clone()), stage: zero.clone(), end: zero }
    }

    fn first(&mut self) -> &mut S::State {
        &mut self.k[0]
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
        // Written out, so that each is compiled with its own coefficients.
        self.stage::<V, S, 1>(simd, system, (t, h), u, p);
        self.stage::<V, S, 2>(simd, system, (t, h), u, p);
        self.stage::<V, S, 3>(simd, system, (t, h), u, p);
        self.stage::<V, S, 4>(simd, system, (t, h), u, p);
        self.stage::<V, S, 5>(simd, system, (t, h), u, p);
        combine(simd, u, &h, A[5], &self.k, &mut self.end);
        system.rhs(t + h, &self.end, p, &mut self.k[6]);
        let (u, end) = (u.as_ref(), self.end.as_ref());
        let mut total = Lanes::ZERO;
        for i in 0..u.len() {
            let error = h * sum(simd, ERROR, &self.k, i) / allowed(tolerance, u[i], end[i]);
            total += error * error;
        }
        (1.0 / u.len() as f64) * total
    }

    fn end(&self) -> &S::State {
        &self.end
    }

    #[inline(always)]
    fn dense<V: Simd>(&mut self, _: V, _: &S, _: (Lanes, Lanes), _: &S::State, _: &[Lanes]) {}

    #[inline(always)]
    fn between<V: Simd>(&self, simd: V, u: &S::State, h: Lanes, theta: Lanes, into: &mut S::State) {
        let square = theta * theta;
        let one = Lanes::splat;
        let factor = |scale: f64, first: Lanes, second: Lanes| scale * square * first * second;
        let shares = [
            -1.053_088_497_729_021_6
                * theta
                * (theta - one(1.329_989_018_975_141))
                * (square - 1.436_402_854_171_635_1 * theta + one(0.713_981_691_707_420_9)),
            0.1017
                * square
                * (square - 2.196_656_833_824_975_4 * theta + one(1.294_985_250_737_463)),
            2.490_627_285_651_253
                * square
                * (square - 2.385_356_454_720_616_6 * theta + one(1.578_034_682_080_925)),
            factor(
                -16.548_102_889_244_904,
                theta - one(1.217_129_272_955_332_4),
                theta - one(0.616_204_060_378_000_9),
            ),
            factor(
                47.379_521_962_819_28,
                theta - one(1.203_071_208_372_362_6),
                theta - one(0.658_047_292_653_547_4),
            ),
            factor(-34.870_657_861_496_61, theta - one(1.2), theta - one(2.0 / 3.0)),
            factor(2.5, theta - one(1.0), theta - one(0.6)),
        ];
        for (i, (into, u)) in into.as_mut().iter_mut().zip(u.as_ref()).enumerate() {
            let (u, h) = (registers::<V>(u), registers::<V>(&h));
            for (r, into) in V::as_mut_simd_f64s(&mut into.0).0.iter_mut().enumerate() {
                let term = |stage: usize| {
                    let k = registers::<V>(&self.k[stage].as_ref()[i])[r];
                    simd.mul_f64s(registers::<V>(&shares[stage])[r], k)
                };
                let mut sum = term(0);
                for stage in 1..shares.len() {
                    sum = simd.add_f64s(sum, term(stage));
                }
                *into = simd.add_f64s(u[r], simd.mul_f64s(h[r], sum));
            }
        }
    }

    #[inline(always)]
    fn advance(&mut self, lanes: [bool; LANES]) {
        for i in 0..self.end.as_ref().len() {
            let last = self.k[6].as_ref()[i];
            let first = &mut self.k[0].as_mut()[i];
            *first = last.select(lanes, *first);
        }
    }
}
