//! The method of order 8 of Dormand and Prince: DOP853 of Hairer, Nørsett & Wanner, *Solving Ordinary
//! Differential Equations I* (1993), section II.10, whose coefficients these are.

use std::array;

use pulp::Simd;

use super::{
    Tolerance,
    pair::{Pair, Row, allowed, combine, registers, sum},
};
use crate::{LANES, Lanes, State, System};

const C: [f64; 16] = [
    0.0,
    0.052_600_151_958_767_73,
    0.078_900_227_938_151_6,
    0.118_350_341_907_227_4,
    0.281_649_658_092_772_6,
    0.333_333_333_333_333_3,
    0.25,
    0.307_692_307_692_307_7,
    0.651_282_051_282_051_3,
    0.6,
    0.857_142_857_142_857_1,
    1.0,
    1.0,
    0.1,
    0.2,
    0.777_777_777_777_777_8,
];

const A: [Row; 15] = [
    &[(0, 0.052_600_151_958_767_73)],
    &[(0, 0.019_725_056_984_537_9), (1, 0.059_175_170_953_613_7)],
    &[(0, 0.029_587_585_476_806_85), (2, 0.088_762_756_430_420_54)],
    &[(0, 0.241_365_134_159_266_7), (2, -0.884_549_479_328_286_1), (3, 0.924_834_003_261_792)],
    &[(0, 0.037_037_037_037_037_035), (3, 0.170_828_608_729_473_86), (4, 0.125_467_687_566_822_42)],
    &[
        (0, 0.037_109_375),
        (3, 0.170_252_211_019_544_05),
        (4, 0.060_216_538_980_455_96),
        (5, -0.017_578_125),
    ],
    &[
        (0, 0.037_092_000_118_504_79),
        (3, 0.170_383_925_712_239_98),
        (4, 0.107_262_030_446_373_28),
        (5, -0.015_319_437_748_624_402),
        (6, 0.008_273_789_163_814_023),
    ],
    &[
        (0, 0.624_110_958_716_075_7),
        (3, -3.360_892_629_446_941_4),
        (4, -0.868_219_346_841_726),
        (5, 27.592_099_699_446_71),
        (6, 20.154_067_550_477_894),
        (7, -43.489_884_181_069_96),
    ],
    &[
        (0, 0.477_662_536_438_264_34),
        (3, -2.488_114_619_971_667_7),
        (4, -0.590_290_826_836_843),
        (5, 21.230_051_448_181_193),
        (6, 15.279_233_632_882_423),
        (7, -33.288_210_968_984_86),
        (8, -0.020_331_201_708_508_627),
    ],
    &[
        (0, -0.937_142_430_085_987_3),
        (3, 5.186_372_428_844_064),
        (4, 1.091_437_348_996_729_5),
        (5, -8.149_787_010_746_927),
        (6, -18.520_065_659_996_96),
        (7, 22.739_487_099_350_505),
        (8, 2.493_605_552_679_652_3),
        (9, -3.046_764_471_898_219_6),
    ],
    &[
        (0, 2.273_310_147_516_538),
        (3, -10.534_495_466_737_25),
        (4, -2.000_872_058_224_862_5),
        (5, -17.958_931_863_118_8),
        (6, 27.948_884_529_419_96),
        (7, -2.858_998_277_135_023_5),
        (8, -8.872_856_933_530_63),
        (9, 12.360_567_175_794_303),
        (10, 0.643_392_746_015_763_6),
    ],
    // The step itself.
    &[
        (0, 0.054_293_734_116_568_765),
        (5, 4.450_312_892_752_409),
        (6, 1.891_517_899_314_500_3),
        (7, -5.801_203_960_010_585),
        (8, 0.311_164_366_957_819_9),
        (9, -0.152_160_949_662_516_1),
        (10, 0.201_365_400_804_030_34),
        (11, 0.044_710_615_727_772_59),
    ],
    // Three more for the states between the ends.
    &[
        (0, 0.056_167_502_283_047_954),
        (6, 0.253_500_210_216_624_83),
        (7, -0.246_239_037_470_802_5),
        (8, -0.124_191_423_263_816_37),
        (9, 0.153_291_798_278_765_68),
        (10, 0.008_201_052_295_634_69),
        (11, 0.007_567_897_660_545_699),
        (12, -0.008_298),
    ],
    &[
        (0, 0.031_834_648_163_502_14),
        (5, 0.028_300_909_672_366_776),
        (6, 0.053_541_988_307_438_566),
        (7, -0.054_923_748_571_390_99),
        (10, -0.000_108_347_328_697_249_32),
        (11, 0.000_382_571_090_835_658_4),
        (12, -0.000_340_465_008_687_404_56),
        (13, 0.141_312_443_674_632_5),
    ],
    &[
        (0, -0.428_896_301_583_791_94),
        (5, -4.697_621_415_361_164),
        (6, 7.683_421_196_062_599),
        (7, 4.068_989_818_397_11),
        (8, 0.356_727_187_455_281_1),
        (12, -0.001_399_024_165_159_014_5),
        (13, 2.947_514_789_152_772_4),
        (14, -9.150_958_472_179_87),
    ],
];

/// The errors of orders 5 and 3.
const ERRORS: [Row; 2] = [
    &[
        (0, 0.013_120_044_994_194_88),
        (5, -1.225_156_446_376_204_4),
        (6, -0.495_758_949_657_250_2),
        (7, 1.664_377_182_454_986_4),
        (8, -0.350_328_848_749_973_66),
        (9, 0.334_179_118_713_017_5),
        (10, 0.081_923_206_485_115_71),
        (11, -0.022_355_307_863_886_294),
    ],
    &[
        (0, -0.189_800_754_072_407_62),
        (5, 4.450_312_892_752_409),
        (6, 1.891_517_899_314_500_3),
        (7, -5.801_203_960_010_585),
        (8, -0.422_682_321_323_791_9),
        (9, -0.152_160_949_662_516_1),
        (10, 0.201_365_400_804_030_34),
        (11, 0.022_651_792_198_360_82),
    ],
];

/// The four highest terms of the polynomial between the ends.
const DENSE: [Row; 4] = [
    &[
        (0, -8.428_938_276_109_013),
        (5, 0.566_714_953_519_377_7),
        (6, -3.068_949_945_949_891_7),
        (7, 2.384_667_656_512_07),
        (8, 2.117_034_582_445_028),
        (9, -0.871_391_583_777_973),
        (10, 2.240_437_430_260_788_3),
        (11, 0.631_578_778_769_468_8),
        (12, -0.088_990_336_451_333_31),
        (13, 18.148_505_520_854_727),
        (14, -9.194_632_392_478_356),
        (15, -4.436_036_387_594_894),
    ],
    &[
        (0, 10.427_508_642_579_134),
        (5, 242.283_491_775_258_17),
        (6, 165.200_451_717_270_28),
        (7, -374.546_754_722_690_2),
        (8, -22.113_666_853_125_306),
        (9, 7.733_432_668_472_264),
        (10, -30.674_084_731_089_398),
        (11, -9.332_130_526_430_229),
        (12, 15.697_238_121_770_845),
        (13, -31.139_403_219_565_178),
        (14, -9.352_924_358_844_48),
        (15, 35.816_841_486_394_08),
    ],
    &[
        (0, 19.985_053_242_002_433),
        (5, -387.037_308_749_351_8),
        (6, -189.178_138_195_167_58),
        (7, 527.808_159_205_423_6),
        (8, -11.573_902_539_959_63),
        (9, 6.881_232_694_696_3),
        (10, -1.000_605_096_691_083_8),
        (11, 0.777_713_779_805_344_3),
        (12, -2.778_205_752_353_508),
        (13, -60.196_695_231_264_12),
        (14, 84.320_405_506_677_16),
        (15, 11.992_291_136_182_79),
    ],
    &[
        (0, -25.693_933_462_703_75),
        (5, -154.189_748_690_236_43),
        (6, -231.529_379_176_045_5),
        (7, 357.639_117_910_614_1),
        (8, 93.405_324_183_624_32),
        (9, -37.458_323_136_451_63),
        (10, 104.099_649_508_962_3),
        (11, 29.840_293_426_660_5),
        (12, -43.533_456_590_011_14),
        (13, 96.324_553_959_188_28),
        (14, -39.177_261_675_615_44),
        (15, -149.726_836_257_985_64),
    ],
];

/// A step in hand.
pub(super) struct Dop853<T> {
    k: [T; 16],
    stage: T,
    end: T,
    /// The polynomial between the ends.
    dense: [T; 7],
}

impl<T: State> Dop853<T> {
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

impl<S: System> Pair<S> for Dop853<S::State> {
    const ORDER: f64 = 8.0;
    const DENSE_COST: u64 = 3;

    fn cost(_: usize) -> u64 {
        12
    }

    fn new(system: &S) -> Self {
        let zero = system.zero();
        Self {
            k: array::from_fn(|_| zero.clone()),
            dense: array::from_fn(|_| zero.clone()),
            stage: zero.clone(),
            end: zero,
        }
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
        self.stage::<V, S, 6>(simd, system, (t, h), u, p);
        self.stage::<V, S, 7>(simd, system, (t, h), u, p);
        self.stage::<V, S, 8>(simd, system, (t, h), u, p);
        self.stage::<V, S, 9>(simd, system, (t, h), u, p);
        self.stage::<V, S, 10>(simd, system, (t, h), u, p);
        self.stage::<V, S, 11>(simd, system, (t, h), u, p);
        combine(simd, u, &h, A[11], &self.k, &mut self.end);
        system.rhs(t + h, &self.end, p, &mut self.k[12]);
        let (u, end) = (u.as_ref(), self.end.as_ref());
        let mut totals = [Lanes::ZERO; 2];
        for i in 0..u.len() {
            let allowed = allowed(tolerance, u[i], end[i]);
            for (total, row) in totals.iter_mut().zip(ERRORS) {
                let error = sum(simd, row, &self.k, i) / allowed;
                *total += error * error;
            }
        }
        let [fifth, third] = totals;
        let both = (fifth + 0.01 * third) * Lanes::splat(u.len() as f64);
        let error = h * fifth;
        // Without any error both are zero.
        (error * error / both).zip(both, |error, both| if both == 0.0 { 0.0 } else { error })
    }

    fn end(&self) -> &S::State {
        &self.end
    }

    #[inline(always)]
    fn dense<V: Simd>(
        &mut self,
        simd: V,
        system: &S,
        (t, h): (Lanes, Lanes),
        u: &S::State,
        p: &[Lanes],
    ) {
        self.stage::<V, S, 13>(simd, system, (t, h), u, p);
        self.stage::<V, S, 14>(simd, system, (t, h), u, p);
        self.stage::<V, S, 15>(simd, system, (t, h), u, p);
        for i in 0..u.as_ref().len() {
            let whole = self.end.as_ref()[i] - u.as_ref()[i];
            let [first, last] = [0, 12].map(|stage| self.k[stage].as_ref()[i]);
            self.dense[0].as_mut()[i] = whole;
            self.dense[1].as_mut()[i] = h * first - whole;
            self.dense[2].as_mut()[i] = 2.0 * whole - h * (last + first);
            for (row, term) in DENSE.into_iter().zip(&mut self.dense[3..]) {
                term.as_mut()[i] = h * sum(simd, row, &self.k, i);
            }
        }
    }

    #[inline(always)]
    fn between<V: Simd>(&self, simd: V, u: &S::State, _: Lanes, theta: Lanes, into: &mut S::State) {
        let rest = Lanes::splat(1.0) - theta;
        for (i, (into, u)) in into.as_mut().iter_mut().zip(u.as_ref()).enumerate() {
            let (u, theta, rest) =
                (registers::<V>(u), registers::<V>(&theta), registers::<V>(&rest));
            for (r, into) in V::as_mut_simd_f64s(&mut into.0).0.iter_mut().enumerate() {
                let mut value = simd.splat_f64s(0.0);
                for (power, term) in self.dense.iter().enumerate().rev() {
                    let term = registers::<V>(&term.as_ref()[i])[r];
                    let factor = if power % 2 == 0 { theta[r] } else { rest[r] };
                    value = simd.mul_f64s(simd.add_f64s(value, term), factor);
                }
                *into = simd.add_f64s(u[r], value);
            }
        }
    }

    #[inline(always)]
    fn advance(&mut self, lanes: [bool; LANES]) {
        for i in 0..self.end.as_ref().len() {
            let last = self.k[12].as_ref()[i];
            let first = &mut self.k[0].as_mut()[i];
            *first = last.select(lanes, *first);
        }
    }
}
