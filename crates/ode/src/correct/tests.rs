use std::time::Duration;

use super::*;
use crate::{
    Dynamics, Error, FAMILIES, Family, Lanes, Members, Method, Protocol, Ranges, Slowed, Status,
    System, Task, Tasks, Tolerance, families,
};

const STEPS: usize = 49;
/// So many members that all learning pays.
const MANY: u64 = 1 << 30;

fn tasks(family: &'static Family, demos: usize) -> Tasks<'static> {
    let protocol = Protocol::Aligned;
    Tasks { family, points: STEPS, trajectories: demos + 1, stride: None, protocol, seed: 1 }
}

/// What is learned from the first trajectories of a task, and its demos.
fn taught(family: &Family, task: &Task, demos: usize) -> Learned {
    let row = task.times.len() * task.dimension;
    let step = task.times[1];
    let demos = Demos {
        grid: Grid { start: 0.0, step, steps: STEPS },
        states: task.fine[..demos * row].to_vec(),
        parameters: task.parameters.repeat(demos),
    };
    let finest = family.info.stride.min(16);
    let coarse = Coarse { scheme: family.info.scheme, step, finest };
    learn(family.system, &demos, coarse).unwrap()
}

/// Root mean square errors of the query, corrected and coarse.
fn query_errors(family: &Family, task: &Task, corrector: &Corrector) -> [f64; 2] {
    let d = task.dimension;
    let row = task.times.len() * d;
    let query = &task.fine[task.fine.len() - row..];
    let members = Members { initial: query[..d].to_vec(), parameters: task.parameters.clone() };
    let ensemble = members.ensemble(0.0, &task.times[1..]);
    let found = corrector.apply(family.system, &ensemble).unwrap().solution.states;
    let rms = |found: &[f64]| {
        let squares = found.iter().zip(&query[d..]).map(|(a, b)| (a - b).powi(2));
        (squares.sum::<f64>() / found.len() as f64).sqrt()
    };
    [rms(&found), rms(&task.coarse[task.coarse.len() - row + d..])]
}

#[test]
fn corrected_is_better_than_coarse_and_exact_where_the_system_is_linear() {
    for family in FAMILIES {
        let linear = ["cooling", "decay", "falling", "oscillator"].contains(&family.info.name);
        let (mut corrected, mut coarse) = (0.0, 0.0);
        for task in tasks(family, 5).draw(0..4).unwrap() {
            let learned = taught(family, &task, 5);
            let [ours, theirs] = query_errors(family, &task, &learned.corrector);
            corrected += ours;
            coarse += theirs;
        }
        let most = if linear { 1e-9 } else { 0.6 * coarse };
        assert!(corrected < most, "{}: {corrected:.1e} of {coarse:.1e}", family.info.name);
    }
}

#[test]
fn one_demo_teaches_a_linear_system() {
    for name in ["cooling", "falling", "oscillator"] {
        let family = families::find(name).unwrap();
        let task = &tasks(family, 1).draw(3..4).unwrap()[0];
        let learned = taught(family, task, 1);
        let [ours, _] = query_errors(family, task, &learned.corrector);
        assert!(ours < 1e-8, "{name}: {ours:.1e}");
    }
}

/// A pendulum with friction whose members differ in all numbers.
fn pendulum() -> (&'static dyn Dynamics, Ranges, Grid) {
    let family = families::find("pendulum").unwrap();
    (family.system, family.info.ranges(), Grid { start: 0.0, step: 0.2, steps: 40 })
}

/// The greatest error of each member in spreads.
fn errors(
    system: &dyn Dynamics,
    normal: &Normal,
    members: &Members,
    grid: Grid,
    states: &[f64],
) -> Vec<f64> {
    let times = grid.times();
    let exact = Method::Dop853(Tolerance::new(1e-12));
    let fine = system.solve(&members.ensemble(grid.start, &times), exact).unwrap().states;
    let row = grid.steps * system.dimension();
    let rows = states.chunks(row).zip(fine.chunks(row));
    rows.map(|(found, fine)| normal.errors(found, fine).fold(0.0, f64::max)).collect()
}

#[test]
fn promises_hold_as_often_as_they_say() {
    let (system, ranges, grid) = pendulum();
    let settings = Settings { held: 400, ..Settings::default() };
    let references = References::solve(system, &ranges, grid, 3, settings).unwrap();
    let members = ranges.draw(7, 0..1500);
    let times = grid.times();
    let exact = Method::Dop853(Tolerance::new(1e-12));
    let fine = system.solve(&members.ensemble(0.0, &times), exact).unwrap().states;
    for substeps in [1, 3] {
        let (compiled, _) = references.teach(system, substeps, &compile).unwrap();
        let outcome = compiled.solve(system, &members, grid, None).unwrap();
        let normal = &compiled.taught.normal;
        let (mut kept, mut narrow) = (0, 0);
        for (i, (found, fine)) in
            outcome.solution.states.chunks(80).zip(fine.chunks(80)).enumerate()
        {
            let bands = &outcome.bands[i * 40..][..40];
            let errors = || normal.errors(found, fine);
            kept += usize::from(errors().zip(bands).all(|(error, band)| error <= *band));
            // A band that says nothing would be kept always.
            narrow += usize::from(errors().fold(0.0, f64::max) > bands[39] / 30.0);
        }
        let share = kept as f64 / 1500.0;
        assert!((0.86..=0.94).contains(&share), "{substeps}: {share}");
        assert!(narrow > 750, "{substeps}: {narrow}");
        assert!(outcome.unusual.iter().filter(|unusual| **unusual).count() < 15);
    }
}

#[test]
fn what_cannot_be_promised_is_solved() {
    let (system, ranges, grid) = pendulum();
    let references = References::solve(system, &ranges, grid, 2, Settings::default()).unwrap();
    let (compiled, _) = references.teach(system, 2, &compile).unwrap();
    let taught = &compiled.taught;
    let tolerance = 1e-5;
    let (solver, _) =
        references.solver(system, &taught.normal, tolerance, &references.held()).unwrap();
    assert!(solver.promise <= tolerance);
    // Some of the distribution, some that swing over the top, one that is no number.
    let mut members = ranges.draw(8, 0..200);
    for i in 100..200 {
        members.initial[2 * i + 1] = 12.0 + i as f64 / 50.0;
    }
    members.initial[10] = f64::NAN;
    let outcome = compiled.solve(system, &members, grid, Some((solver, tolerance))).unwrap();
    let found = errors(system, &taught.normal, &members, grid, &outcome.solution.states);
    assert!(outcome.sources[100..].iter().all(|source| *source == Source::Solver));
    assert!(outcome.unusual[100..].iter().all(|unusual| *unusual));
    let corrected = |source: &Source| *source == Source::Corrected;
    assert!(outcome.sources[..100].iter().filter(|source| corrected(source)).count() > 50);
    assert_eq!(outcome.solution.status[5], Status::Diverged);
    assert_eq!(outcome.bands[5 * 40], f64::INFINITY);
    let broken = (0..100).filter(|i| *i != 5 && found[*i] > tolerance).count();
    assert!(broken <= 15, "{broken}");
    // Nothing was calibrated on these: each makes a promise of its own.
    for (error, bands) in found.iter().zip(outcome.bands.chunks(40)).skip(100) {
        assert!(*error <= bands[39] && bands[39] <= tolerance, "{error} {}", bands[39]);
    }
}

/// `u' = 1` until `u` is 1, then `u' = −1`: no smooth rule holds.
struct Jump;

impl System for Jump {
    type State = [Lanes; 1];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO]
    }

    fn parameters(&self) -> usize {
        0
    }

    fn rhs(&self, _: Lanes, u: &Self::State, _: &[Lanes], du: &mut Self::State) {
        *du = [u[0].map(|u| if u < 1.0 { 1.0 } else { -5.0 * (u - 0.9) })];
    }
}

#[test]
fn a_discontinuous_system_makes_promises_that_hold() {
    let ranges = Ranges { initial: vec![[0.0, 0.9]], parameters: Vec::new() };
    let grid = Grid { start: 0.0, step: 0.1, steps: 30 };
    let exact = Tolerance { max_steps: 20_000, ..Tolerance::new(1e-6) };
    let reference = Reference::Dop853;
    let settings = Settings { held: 100, reference, exact, ..Settings::default() };
    let references = References::solve(&Jump, &ranges, grid, 1, settings).unwrap();
    let (compiled, _) = references.teach(&Jump, 1, &compile).unwrap();
    assert!(compiled.taught.error <= compiled.taught.coarse_error);
    let members = ranges.draw(1, 0..50);
    let outcome = compiled.solve(&Jump, &members, grid, None).unwrap();
    assert!(outcome.solution.states.iter().all(|value| value.is_finite()));
    let times = grid.times();
    let exact = Jump.solve(&members.ensemble(0.0, &times), references.exact).unwrap();
    let normal = &compiled.taught.normal;
    let rows = outcome.solution.states.chunks(30).zip(exact.states.chunks(30));
    let kept = rows.zip(outcome.bands.chunks(30)).filter(|((found, fine), bands)| {
        normal.errors(found, fine).zip(*bands).all(|(error, band)| error <= *band)
    });
    // Nine in ten, give or take.
    assert!(kept.count() >= 38);
    assert!(outcome.bands.iter().all(|band| *band < 1.0));
}

#[test]
fn demos_that_diverge_teach_as_far_as_they_go() {
    let family = families::find("pendulum").unwrap();
    let mut task = tasks(family, 5).draw(0..1).unwrap().remove(0);
    let row = task.times.len() * 2;
    task.fine[row + 30..2 * row].fill(f64::NAN);
    let learned = taught(family, &task, 5);
    let [ours, theirs] = query_errors(family, &task, &learned.corrector);
    assert!(ours < theirs / 100.0);
    task.fine[..5 * row].fill(f64::NAN);
    let nothing = taught(family, &task, 5);
    assert_eq!(nothing.corrector.correction, None);
}

#[test]
fn what_does_not_fit_is_told() {
    let family = families::find("pendulum").unwrap();
    let task = &tasks(family, 5).draw(0..1).unwrap()[0];
    let corrector = taught(family, task, 5).corrector;
    let members = family.info.ranges().draw(0, 0..3);
    let times = [0.2, 0.4, 0.7];
    let error = corrector.apply(family.system, &members.ensemble(0.0, &times)).unwrap_err();
    assert!(matches!(error, Error::Grid { index: 2, .. }), "{error}");
    let none = Demos {
        grid: Grid { start: 0.0, step: 0.2, steps: 3 },
        states: vec![],
        parameters: vec![],
    };
    let error = learn(family.system, &none, corrector.coarse).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "demos", .. }), "{error}");
    let other = Coarse { step: 0.1, ..corrector.coarse };
    let demos = Demos { states: vec![0.0; 8], parameters: vec![1.0; 2], ..none };
    assert!(matches!(learn(family.system, &demos, other), Err(Error::Setting { .. })));
}

#[test]
fn a_trajectory_is_corrected_alike_alone_and_among_others() {
    let (system, ranges, grid) = pendulum();
    let settings = Settings { held: 9, ..Settings::default() };
    let references = References::solve(system, &ranges, grid, 1, settings).unwrap();
    let (compiled, _) = references.teach(system, 1, &compile).unwrap();
    let members = ranges.draw(3, 0..150);
    let all = compiled.solve(system, &members, grid, None).unwrap();
    for i in [0, 77, 149] {
        let alone = members.select(&[i], 2, 2);
        let alone = compiled.solve(system, &alone, grid, None).unwrap();
        assert_eq!(alone.solution.states, all.solution.states[i * 80..][..80]);
        assert_eq!(alone.bands, all.bands[i * 40..][..40]);
    }
}

#[test]
fn promises_hold_among_what_is_left_to_the_solver() {
    let (system, ranges, grid) = pendulum();
    let settings = Settings { held: 1000, ..Settings::default() };
    let (ways, tolerance) = ((Ways::Substeps(2), &compile as Teach<'_>), 3e-6);
    let choice = choose(system, (&ranges, grid, MANY), tolerance, ways, settings).unwrap();
    let members = ranges.draw(9, 0..2000);
    let fallback = Some((choice.solver, tolerance));
    let outcome = choice.compiled.unwrap().solve(system, &members, grid, fallback).unwrap();
    let found = errors(system, &choice.normal, &members, grid, &outcome.solution.states);
    let last = |i: usize| outcome.bands[(i + 1) * grid.steps - 1];
    let left: Vec<usize> = (0..2000).filter(|i| outcome.sources[*i] == Source::Solver).collect();
    assert!((200..1800).contains(&left.len()), "{}", left.len());
    let kept = left.iter().filter(|i| found[**i] <= last(**i)).count();
    let share = kept as f64 / left.len() as f64;
    assert!((0.84..=0.96).contains(&share), "{share} of {}", left.len());
}

#[test]
fn the_cheapest_way_is_chosen() {
    let (system, ranges, grid) = pendulum();
    let settings = Settings { held: 100, ..Settings::default() };
    let all = choose(system, (&ranges, grid, MANY), 1e-3, (Ways::All, &compile), settings).unwrap();
    let least = all.considered.iter().map(|of| of.evaluations).fold(f64::INFINITY, f64::min);
    let compiled = all.compiled.unwrap();
    let chosen = all.considered.iter().find(|of| of.substeps == Some(compiled.substeps)).unwrap();
    assert_eq!(chosen.evaluations, least);
    // No promise of the corrector is that good, and the solver alone is cheaper than both.
    let exact =
        choose(system, (&ranges, grid, MANY), 1e-10, (Ways::All, &compile), settings).unwrap();
    assert!(exact.compiled.is_none() && exact.solver.promise <= 1e-10, "{exact:?}");
    let forced =
        choose(system, (&ranges, grid, MANY), 1e-10, (Ways::Substeps(3), &compile), settings)
            .unwrap();
    assert_eq!(forced.compiled.unwrap().substeps, 3);
    for (grid, settings, said) in [
        (Grid { steps: 0, ..grid }, settings, "steps is 0"),
        (Grid { step: -1.0, ..grid }, settings, "the step is -1"),
        (grid, Settings { level: 1.0, ..settings }, "the level is 1"),
        (grid, Settings { demos: 0, ..settings }, "demos is 0"),
        (grid, Settings { held: 0, ..settings }, "held back is 0"),
    ] {
        let error = choose(system, (&ranges, grid, MANY), 1e-3, (Ways::All, &compile), settings)
            .unwrap_err();
        assert!(error.to_string().starts_with(said), "{error}");
    }
    for tolerance in [0.0, 1e-300, f64::NAN, f64::INFINITY] {
        let error =
            choose(system, (&ranges, grid, MANY), tolerance, (Ways::All, &compile), settings)
                .unwrap_err();
        assert!(error.to_string().starts_with("the tolerance is"), "{error}");
    }
}

#[test]
fn what_is_spent_is_counted_and_has_to_pay() {
    let (system, ranges, grid) = pendulum();
    let settings = Settings { held: 100, ..Settings::default() };
    let choose = |n| {
        let counted = Slowed::new(system, Duration::ZERO);
        let of = (&ranges, grid, n);
        let choice = choose(&counted, of, 1e-3, (Ways::All, &compile), settings).unwrap();
        (choice, counted.evaluations() as f64)
    };
    let (all, counted) = choose(MANY);
    // More coarse steps than one take more evaluations than the solver.
    assert_eq!(all.considered.len(), 2);
    // All lanes are asked for the states inside a step that any of them wants.
    assert!((0.9..1.1).contains(&(all.spent / counted)), "{} of {counted}", all.spent);
    let (none, least) = choose(10);
    assert!(none.compiled.is_none() && none.considered.len() == 1, "{none:?}");
    assert!(none.spent < 0.5 * all.spent && (0.9..1.1).contains(&(none.spent / least)));
}

#[test]
fn far_from_the_demos_steps_are_divided() {
    let family = families::find("pendulum").unwrap();
    let task = &tasks(family, 5).draw(0..1).unwrap()[0];
    let corrector = taught(family, task, 5).corrector;
    let members = |x: f64| Members { initial: vec![x, 0.0], parameters: task.parameters.clone() };
    let grid = Grid { start: 0.0, step: task.times[1], steps: STEPS };
    let solve = |members: &Members| {
        let times = grid.times();
        let ensemble = members.ensemble(0.0, &times);
        let ours = corrector.apply(family.system, &ensemble).unwrap().solution;
        let coarse = family.system.solve(&ensemble, Method::Rk4(1)).unwrap();
        let [ours_error, coarse_error] = [&ours, &coarse]
            .map(|found| errors(family.system, &corrector.normal, members, grid, &found.states)[0]);
        (ours_error, coarse_error, ours.evaluations[0] - coarse.evaluations[0])
    };
    let (near, _, few) = solve(&members(0.4));
    // It swings nearly to the top, at which no demo came near.
    let (far, coarse, many) = solve(&members(3.0));
    assert!(many > 2 * few, "{few} {many}");
    assert!(near < 1e-5 && far < coarse / 100.0, "{near:.1e} {far:.1e} {coarse:.1e}");
}

/// `u' = p (cos t − u)`, stiff for large `p`.
struct Following;

impl System for Following {
    type State = [Lanes; 1];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO]
    }

    fn parameters(&self) -> usize {
        1
    }

    fn rhs(&self, t: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        du[0] = p[0] * (t.cos() - u[0]);
    }
}

#[test]
fn stiff_systems_are_told_and_solved_within_their_promise() {
    let ranges = Ranges { initial: vec![[1.0, 1.0]], parameters: vec![[1e6, 2e6]] };
    let grid = Grid { start: 0.0, step: 0.5, steps: 12 };
    let settings = Settings { demos: 8, held: 30, ..Settings::default() };
    let ways = (Ways::All, &compile as Teach<'_>);
    let tolerance = 1e-4;
    let choice = choose(&Following, (&ranges, grid, MANY), tolerance, ways, settings).unwrap();
    let Method::Rodas5p(exact) = choice.exact else { panic!("{:?}", choice.exact) };
    assert_eq!(exact, settings.exact);
    assert!(matches!(choice.solver.method, Method::Rodas5p(_)), "{:?}", choice.solver);
    assert!(choice.compiled.is_none() && choice.solver.promise <= tolerance, "{choice:?}");
    let members = ranges.draw(5, 0..40);
    let outcome = choice.solver.solve(&Following, &members, grid).unwrap();
    let spread = choice.normal.states[0][1];
    let times = grid.times();
    let rows = outcome.solution.states.chunks(times.len()).zip(&members.parameters);
    let kept = rows.filter(|(states, p)| {
        let p = *p;
        states.iter().zip(&times).all(|(u, t)| {
            let expected = (p * p * t.cos() + p * t.sin()) / (1.0 + p * p);
            (u - expected).abs() < choice.solver.promise * spread
        })
    });
    // Nine in ten, give or take.
    assert!(kept.count() >= 31);
    // One that is not stiff is left to DOP853.
    let slow = Ranges { parameters: vec![[1.0, 2.0]], ..ranges };
    let choice = choose(&Following, (&slow, grid, MANY), tolerance, ways, settings).unwrap();
    assert!(matches!(choice.exact, Method::Dop853(_)), "{:?}", choice.exact);
}
