use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
};

use super::*;
use crate::{Ensemble, Method, Solution, Status, solve};

/// Van der Pol's oscillator, `x'' = μ (1 − x²) x' − x`.
struct VanDerPol;

impl System for VanDerPol {
    type State = [Lanes; 2];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO; 2]
    }

    fn parameters(&self) -> usize {
        1
    }

    fn rhs(&self, _: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        let [x, v] = *u;
        *du = [v, p[0] * (Lanes::splat(1.0) - x * x) * v - x];
    }
}

/// Robertson's chemical reactions.
struct Robertson;

impl System for Robertson {
    type State = [Lanes; 3];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO; 3]
    }

    fn parameters(&self) -> usize {
        0
    }

    fn rhs(&self, _: Lanes, u: &Self::State, _: &[Lanes], du: &mut Self::State) {
        let [x, y, z] = *u;
        let (slow, back, fast) = (0.04 * x, 1e4 * (y * z), 3e7 * (y * y));
        *du = [back - slow, slow - back - fast, fast];
    }
}

/// Prothero and Robinson's `u' = λ (u − g(t)) + g'(t)` for `g = sin`, in a vector, which counts how
/// often it is evaluated.
struct Following(AtomicU64);

impl System for Following {
    type State = Vec<Lanes>;

    fn zero(&self) -> Self::State {
        vec![Lanes::ZERO]
    }

    fn parameters(&self) -> usize {
        1
    }

    fn rhs(&self, t: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        self.0.fetch_add(1, Ordering::Relaxed);
        du[0] = p[0] * (u[0] - t.sin()) + t.cos();
    }
}

/// `u' = p` where `u` is below 1, and NaN above.
struct Cliff;

impl System for Cliff {
    type State = [Lanes; 1];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO]
    }

    fn parameters(&self) -> usize {
        1
    }

    fn rhs(&self, _: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        du[0] = u[0].zip(p[0], |u, p| if u < 1.0 { p } else { f64::NAN });
    }
}

fn exact(relative: f64, absolute: f64) -> Tolerance {
    Tolerance { relative, absolute, max_steps: 10_000_000 }
}

fn one<S: System>(system: &S, method: Method, times: &[f64], first: &[f64], p: &[f64]) -> Solution {
    let ensemble = Ensemble { start: 0.0, times, initial: first, parameters: p };
    solve(system, &ensemble, method).unwrap()
}

/// Sums over the rows of both matrices are the times of stages and the shares of `∂f/∂t`: what a
/// slip in a coefficient would break.
#[test]
fn coefficients_fit_each_other() {
    let of = |row: Row, j: usize| row.iter().find(|(stage, _)| *stage == j).map_or(0.0, |of| of.1);
    let a = |i: usize, j: usize| match j {
        5.. if j < i => 1.0,
        _ => of(A[i.min(5)], j),
    };
    // The inverse of 1/γ − K, row by row.
    let mut gamma: Vec<[f64; STAGES]> = Vec::new();
    for i in 0..STAGES {
        let row = array::from_fn(|j| {
            let inner: f64 = gamma.iter().enumerate().map(|(k, row)| of(K[i], k) * row[j]).sum();
            GAMMA * (f64::from(u8::from(i == j)) + inner)
        });
        let total = |row: &[f64; STAGES]| row.iter().sum::<f64>();
        let alpha: f64 = gamma.iter().enumerate().map(|(k, row)| a(i, k) * total(row)).sum();
        assert!((alpha - C[i]).abs() < 1e-13, "{i}: {alpha}");
        assert!((total(&row) - D[i]).abs() < 1e-13, "{i}");
        gamma.push(row);
    }
}

/// Robertson's problem at 40, as the examples of LSODE and CVODE give it, and at 1e11, Van der Pol's
/// at 2 μ: Mazzia & Magherini, *Test Set for Initial Value Problem Solvers* (2008), problems ROBER and
/// VDPOL.
#[test]
fn stiff_problems_come_out_as_in_the_literature() {
    let method = Method::Rodas5p(exact(1e-8, 1e-14));
    let solution = one(&Robertson, method, &[40.0, 1e11], &[1.0, 0.0, 0.0], &[]);
    assert_eq!(solution.status, [Status::Finished]);
    let expected = [
        (0.715_827_068_8, 1e-9),
        (9.185_534_765e-6, 1e-13),
        (0.284_163_745_7, 1e-9),
        (0.208_334_014_970_125_5e-7, 1e-12),
        (0.833_336_077_033_471_3e-13, 1e-17),
        (0.999_999_979_166_505, 1e-9),
    ];
    for (found, (expected, within)) in solution.states.iter().zip(expected) {
        assert!((found - expected).abs() < within, "{found} {expected}");
    }
    assert!(solution.evaluations[0] < 20_000, "{:?}", solution.evaluations);
    let mu = 1000.0;
    let solution = one(&VanDerPol, method, &[2.0 * mu], &[2.0, 0.0], &[mu]);
    assert_eq!(solution.status, [Status::Finished]);
    let [x, v] = solution.last[..] else { panic!("two") };
    assert!((x - 1.706_167_732_170_483).abs() < 1e-5, "{x}");
    assert!((v * mu + 0.892_809_701_024_797_5).abs() < 1e-5, "{v}");
    assert!(solution.evaluations[0] < 50_000, "{:?}", solution.evaluations);
}

#[test]
fn a_stiff_problem_takes_a_hundredth_of_the_evaluations_of_tsit5() {
    let tolerance = exact(1e-6, 1e-10);
    let [stiff, other] = [Method::Rodas5p, Method::Tsit5].map(|method| {
        let solution = one(&Robertson, method(tolerance), &[400.0], &[1.0, 0.0, 0.0], &[]);
        assert_eq!(solution.status, [Status::Finished]);
        solution.evaluations[0]
    });
    assert!(100 * stiff < other, "{stiff} {other}");
}

#[test]
fn every_evaluation_is_counted() {
    for stiffness in [-1.0, -1e3, -1e6, -1e9] {
        let system = Following(AtomicU64::new(0));
        let method = Method::Rodas5p(exact(1e-6, 1e-9));
        let solution = one(&system, method, &[0.3, 2.0, 10.0], &[0.0], &[stiffness]);
        assert_eq!(solution.evaluations, [system.0.into_inner()]);
        // The states between the ends of steps are as good.
        for (state, time) in solution.states.iter().zip([0.3f64, 2.0, 10.0]) {
            assert!((state - time.sin()).abs() < 1e-5, "{time}: {state}");
        }
    }
}

/// With members of all kinds in one batch, each as it is alone.
#[test]
fn stiff_and_hopeless_members_do_not_disturb_others() {
    let n = 2 * LANES + 5;
    let mus: Vec<f64> = (0..n)
        .map(|i| match i % 7 {
            3 => f64::NAN,
            5 => f64::INFINITY,
            _ => 10f64.powi(i as i32 % 4),
        })
        .collect();
    let initial: Vec<f64> = (0..n).flat_map(|i| [2.0 - i as f64 / 50.0, 0.0]).collect();
    let method = Method::Rodas5p(exact(1e-6, 1e-9));
    let times = [1.0, 30.0];
    let all = one(&VanDerPol, method, &times, &initial, &mus);
    for i in 0..n {
        let alone = one(&VanDerPol, method, &times, &initial[2 * i..][..2], &mus[i..][..1]);
        let bits = |states: &[f64]| states.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&alone.states), bits(&all.states[4 * i..][..4]));
        assert_eq!((alone.evaluations[0], alone.status[0]), (all.evaluations[i], all.status[i]));
        let hopeless = !mus[i].is_finite();
        assert_eq!(all.status[i] == Status::Finished, !hopeless, "{i}: {:?}", all.status[i]);
    }
}

#[test]
fn a_step_that_cannot_be_made_is_a_status() {
    let method = Method::Rodas5p(exact(1e-6, 1e-9));
    // Across the edge there are only steps without a number.
    let solution = one(&Cliff, method, &[0.5, 2.0], &[0.0, 0.0], &[1.0, 0.1]);
    assert_eq!(solution.status, [Status::Diverged, Status::Finished]);
    assert!((solution.states[0] - 0.5).abs() < 1e-9 && solution.states[1].is_nan());
    assert!((solution.last[1] - 0.2).abs() < 1e-9);
    assert!((solution.end[0] - 1.0).abs() < 1e-6, "{}", solution.end[0]);
    // The matrix of the first step, 1/(hγ) − λ, is singular or nearly so for some of these.
    let rates: Vec<f64> = (0..400).map(|i| 10f64.powf(f64::from(i) / 40.0)).collect();
    let first = vec![1.0; rates.len()];
    let system = Following(AtomicU64::new(0));
    let solution = one(&system, method, &[1e-12], &first, &rates);
    assert!(solution.last.iter().all(|last| last.is_finite()));
}
