use std::f64::consts::TAU;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::{FAMILIES, LANES, Lanes, Status};

/// A rotation by an angle that depends on time, so that stages at wrong times show.
struct Turning;

/// `g(t) = t + sin(t) / 2`
fn angle(t: f64) -> f64 {
    t + t.sin() / 2.0
}

impl System for Turning {
    type State = [Lanes; 2];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO; 2]
    }

    fn parameters(&self) -> usize {
        0
    }

    fn rhs(&self, t: Lanes, u: &Self::State, _: &[Lanes], du: &mut Self::State) {
        let speed = Lanes::splat(1.0) + 0.5 * t.cos();
        *du = [u[1] * speed, -(u[0] * speed)];
    }

    fn events(&self) -> usize {
        2
    }

    fn event(&self, event: usize, _: Lanes, u: &Self::State, p: &[Lanes]) -> Lanes {
        assert!(p.is_empty());
        // Never, and where the angle passes three quarters of a turn.
        [Lanes::splat(2.0), u[0] + Lanes::splat(0.99)][event]
    }
}

/// `u' = u^p`, of any dimension.
struct Powers(usize);

impl System for Powers {
    type State = Vec<Lanes>;

    fn zero(&self) -> Self::State {
        vec![Lanes::ZERO; self.0]
    }

    fn parameters(&self) -> usize {
        1
    }

    fn rhs(&self, _: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        for (du, u) in du.iter_mut().zip(u) {
            *du = u.zip(p[0], f64::powf);
        }
    }
}

const EVERY: [fn(usize) -> Method; 6] = [
    Method::Euler,
    Method::Heun,
    Method::Rk4,
    |_| Method::Tsit5(Tolerance { relative: 1e-9, absolute: 1e-12, max_steps: 100_000 }),
    |_| Method::Dop853(Tolerance { relative: 1e-9, absolute: 1e-12, max_steps: 100_000 }),
    |_| Method::Rodas5p(Tolerance { relative: 1e-9, absolute: 1e-12, max_steps: 100_000 }),
];

/// [`Turning`] without its events.
struct Free;

impl System for Free {
    type State = [Lanes; 2];

    fn zero(&self) -> Self::State {
        Turning.zero()
    }

    fn parameters(&self) -> usize {
        0
    }

    fn rhs(&self, t: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        Turning.rhs(t, u, p, du);
    }
}

/// The largest error at the times, and the evaluations it took.
fn turning_error(method: Method, times: &[f64]) -> [f64; 2] {
    let ensemble = Ensemble { start: 0.0, times, initial: &[0.0, 1.0], parameters: &[] };
    let solution = solve(&Free, &ensemble, method).unwrap();
    assert_eq!(solution.status, [Status::Finished]);
    let states = solution.states.as_chunks::<2>().0.iter().zip(times);
    let error = states.map(|([x, _], t)| (x - angle(*t).sin()).abs()).fold(0.0, f64::max);
    [error, solution.evaluations[0] as f64]
}

#[test]
fn equal_steps_converge_with_the_order_of_their_method() {
    let times: Vec<f64> = (1..=20).map(|i| f64::from(i) / 4.0).collect();
    for (method, order) in EVERY.into_iter().zip([1.0, 2.0, 4.0]) {
        let [[coarse, few], [fine, many]] =
            [16, 32].map(|steps| turning_error(method(steps), &times));
        let found = (coarse / fine).log2();
        assert!((found - order).abs() < 0.1, "{order}: {found} ({coarse:e}, {fine:e})");
        assert_eq!(many, 2.0 * few);
    }
}

/// The error falls with the number of steps to the power of the order; at many times in each step,
/// as the states between its ends are as exact.
#[test]
fn pairs_converge_with_their_order_at_all_times() {
    let times: Vec<f64> = (1..=5000).map(|i| f64::from(i) * 0.0201).collect();
    let pairs: [fn(Tolerance) -> Method; 3] = [Method::Tsit5, Method::Dop853, Method::Rodas5p];
    for (method, order) in pairs.into_iter().zip([5.0, 8.0, 5.0]) {
        let point = |error: f64| turning_error(method(Tolerance::new(error)), &times);
        let ([rough, few], [exact, many]) = (point(1e-6), point(1e-10));
        let found = (rough / exact).log2() / (many / few).log2();
        assert!(exact < 2e-8, "{exact:e}");
        assert!((found - order).abs() < 1.0, "{order}: {found} ({rough:e}, {exact:e})");
    }
}

#[test]
fn a_trajectory_gets_the_same_bits_alone_and_among_others() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for family in FAMILIES {
        let (n, d, c) = (300, family.info.initial.len(), family.info.parameters.len());
        let mut draw = |[low, high]: [f64; 2]| rng.random_range(low..high);
        let initial: Vec<f64> =
            (0..n).flat_map(|_| family.info.initial).map(|range| draw(*range)).collect();
        let parameters: Vec<f64> =
            (0..n).flat_map(|_| family.info.parameters).map(|(_, range)| draw(*range)).collect();
        let times = [0.0, 0.5, 0.7, 3.0];
        let ensemble =
            Ensemble { start: 0.0, times: &times, initial: &initial, parameters: &parameters };
        for method in EVERY {
            let all = family.system.solve(&ensemble, method(3)).unwrap();
            assert!(all.status.iter().all(|status| *status == Status::Finished));
            for i in [0, 7, 8, 255, 256, 299] {
                let alone = Ensemble {
                    initial: &initial[i * d..(i + 1) * d],
                    parameters: &parameters[i * c..(i + 1) * c],
                    ..ensemble
                };
                let alone = family.system.solve(&alone, method(3)).unwrap();
                let row = times.len() * d;
                assert_eq!(
                    alone.states,
                    all.states[i * row..(i + 1) * row],
                    "{}",
                    family.info.name
                );
                assert_eq!(alone.evaluations[0], all.evaluations[i]);
            }
        }
    }
}

#[test]
fn processors_without_wide_registers_find_the_same_bits() {
    let times: Vec<f64> = (0..40).map(|i| f64::from(i) * 0.25).collect();
    let ensemble =
        Ensemble { start: 0.0, times: &times, initial: &[0.0, 1.0, 0.3, 0.9], parameters: &[] };
    for method in &EVERY[3..] {
        let expected = solve(&Turning, &ensemble, method(0)).unwrap();
        let mut found = expected.clone();
        found.states.fill(0.0);
        found.status.fill(Status::Diverged);
        found.crossings.fill(f64::NAN);
        Work::split(&ensemble, &mut found, &|work| {
            part(Scalar::new(), &Behind(&Turning), method(0), work);
        });
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found.states), bits(&expected.states));
        assert_eq!(bits(&found.crossings), bits(&expected.crossings));
        assert_eq!(found.status, expected.status);
        assert_eq!(found.evaluations, expected.evaluations);
    }
}

#[test]
fn each_trajectory_ends_in_its_own_way() {
    let (initial, parameters) =
        ([1.0, 1.0, 1.0, 1.0, 2.0, f64::NAN], [1.0, 2.0, 1.0, 1.0, 9.0, 1.0]);
    let ensemble = Ensemble {
        start: 0.0,
        times: &[0.0, 0.5, 2.0],
        initial: &initial,
        parameters: &parameters,
    };
    for method in &EVERY[3..] {
        let solution = solve(&Powers(1), &ensemble, method(0)).unwrap();
        let ended = |i: usize| solution.status[i];
        // u' = u² from 1 has a pole at 1, u' = u⁹ from 2 very soon.
        assert!(matches!(ended(1), Status::Diverged | Status::TooSmallSteps), "{:?}", ended(1));
        assert!(matches!(ended(4), Status::Diverged | Status::TooSmallSteps));
        assert_eq!(ended(5), Status::Diverged);
        assert!((solution.end[1] - 1.0).abs() < 1e-3, "{}", solution.end[1]);
        assert!((solution.states[4] - 2.0).abs() < 1e-6 && solution.states[5].is_nan());
        for i in [0, 2, 3] {
            assert_eq!(ended(i), Status::Finished);
            let [start, half, two] = solution.states[3 * i..3 * i + 3] else { panic!("three") };
            assert!(start == 1.0 && (half - 0.5f64.exp()).abs() < 1e-8);
            assert!((two - 2f64.exp()).abs() < 1e-7 && solution.last[i] == two);
        }
    }
    let solution = solve(&Powers(1), &ensemble, Method::Rk4(4)).unwrap();
    assert_eq!(solution.status[4], Status::Diverged);
    assert_eq!(solution.status[0], Status::Finished);
    let few = Method::Tsit5(Tolerance { max_steps: 3, ..Tolerance::new(1e-9) });
    let solution = solve(&Powers(1), &ensemble, few).unwrap();
    assert_eq!(solution.status[0], Status::MaxSteps);
    assert!(solution.end[0] > 0.0 && solution.last[0] > 1.0);
}

#[test]
fn an_event_ends_a_trajectory_where_it_is() {
    let times: Vec<f64> = (0..40).map(|i| f64::from(i) * 0.25).collect();
    let ensemble = Ensemble { start: 0.0, times: &times, initial: &[0.0, 1.0], parameters: &[] };
    for method in &EVERY[3..] {
        let solution = solve(&Turning, &ensemble, method(0)).unwrap();
        assert_eq!(solution.status, [Status::Event(1)]);
        let expected = TAU / 2.0 + 0.99f64.asin();
        assert!((angle(solution.end[0]) - expected).abs() < 1e-7, "{}", solution.end[0]);
        assert!((solution.last[0] + 0.99).abs() < 1e-8);
        for (state, t) in solution.states.as_chunks::<2>().0.iter().zip(&times) {
            assert_eq!(state[0].is_nan(), *t > solution.end[0]);
        }
    }
}

#[test]
fn dimensions_are_independent_and_more_trajectories_than_lanes_fit() {
    let n = 3 * LANES + 1;
    let initial: Vec<f64> = (0..n * 5).map(|i| 0.5 + i as f64 / 200.0).collect();
    let parameters = vec![1.0; n];
    let ensemble =
        Ensemble { start: 1.0, times: &[2.0], initial: &initial, parameters: &parameters };
    for method in EVERY {
        let solution = solve(&Powers(5), &ensemble, method(2000)).unwrap();
        for (found, first) in solution.states.iter().zip(&initial) {
            assert!((found / first / 1f64.exp() - 1.0).abs() < 3e-4);
        }
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let good =
        Ensemble { start: 0.0, times: &[1.0, 2.0], initial: &[1.0; 4], parameters: &[1.0; 2] };
    let say = |ensemble: &Ensemble<'_>, method| {
        solve(&Powers(2), ensemble, method).unwrap_err().to_string()
    };
    let short = say(&Ensemble { parameters: &[1.0], ..good }, Method::Rk4(1));
    assert_eq!(short, "parameters has 1 values, expected 2");
    let odd = say(&Ensemble { initial: &[1.0; 5], ..good }, Method::Rk4(1));
    assert_eq!(odd, "initial has 5 values, expected 4");
    for times in [[2.0, 1.0], [1.0, 1.0], [1.0, f64::NAN], [-1.0, 1.0]] {
        assert!(say(&Ensemble { times: &times, ..good }, Method::Rk4(1)).starts_with("times"));
    }
    assert!(say(&good, Method::Heun(0)).starts_with("steps is 0"));
    assert!(say(&good, Method::Tsit5(Tolerance::new(0.0))).starts_with("tolerance is 0"));
    assert!(say(&good, Method::Dop853(Tolerance::new(f64::NAN))).starts_with("tolerance"));
    let none = Ensemble { initial: &[], parameters: &[], ..good };
    assert!(solve(&Powers(2), &none, Method::Rk4(1)).unwrap().states.is_empty());
}
