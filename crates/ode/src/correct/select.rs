//! Which corrector serves best.

use super::{
    Coarse, Corrector, Demos, Fitted, Lessons, Normal, Rule, Shape,
    fit::{Fits, RIDGES},
};
use crate::{Dynamics, Ensemble, Error, Result, dynamics::each};

/// What is tried, the simplest first.
const SHAPES: [Shape; 12] = {
    const fn shape(history: usize, modulated: bool, degree: u32) -> Shape {
        Shape { history, modulated, degree }
    }
    [
        shape(0, false, 0),
        shape(0, false, 1),
        shape(1, false, 0),
        shape(2, false, 0),
        shape(3, false, 0),
        shape(0, true, 0),
        shape(0, false, 3),
        shape(1, false, 3),
        shape(1, true, 0),
        shape(2, true, 0),
        shape(3, true, 0),
        shape(1, true, 4),
    ]
};
/// About how often learning goes along all demos: with each shape and three or four ridges, and once more for
/// the first steps that are divided.
pub(super) const TRIALS: usize = SHAPES.len() * 5;
/// Most parts into which demos are divided, each of which is corrected by what the others teach.
const FOLDS: usize = 5;
/// A more complicated shape has to be better by this factor,
const BETTER: f64 = 0.9;
/// and below this error, in spreads, none is better than another.
const FLOOR: f64 = 1e-12;
/// The same for ridges.
const RIDGE_FLOOR: f64 = 1e-14;
/// What two corrections may always differ by, in spreads.
const ROUNDING: f64 = 1e-12;
/// First steps are divided as little as raises the error by no more than this factor.
const SPARED: f64 = 1.1;

/// A corrector and how well it did.
#[derive(Clone, Debug)]
pub struct Learned {
    /// The corrector, fitted to all demos.
    pub corrector: Corrector,
    /// Its error along demos that it was not fitted to: root mean square, in spreads.
    pub error: f64,
    /// That of the coarse solver.
    pub coarse_error: f64,
    /// Evaluations of the right-hand side that learning asked for.
    pub evaluations: u64,
}

/// A rule that can be fitted, with what it is to be fitted to along each demo.
struct Lesson {
    rule: Rule,
    of_demos: Vec<Lessons>,
}

/// A rule, by its number, with a ridge and its error.
#[derive(Clone, Copy)]
struct Tried {
    rule: usize,
    ridge: f64,
    error: f64,
}

/// Learns a corrector from demos. Every shape is fitted to a part of them and tried along the rest,
/// with a few ridges; the best is fitted to all, and its first steps are divided no more than they
/// need, [`Coarse::finest`] at most. With one demo, its first half teaches and all of it is the trial.
///
/// # Errors
/// If there is no demo, they do not fit the system or the coarse step, or the system cannot be
/// evaluated.
pub fn learn(system: &dyn Dynamics, demos: &Demos, coarse: Coarse) -> Result<Learned> {
    let (d, width) = (system.dimension(), system.parameters());
    let row = (demos.grid.steps + 1) * d;
    let n = demos.states.len() / row;
    let shape = |what, found, expected| match found == expected {
        true => Ok(()),
        false => Err(Error::Shape { what, found, expected }),
    };
    shape("demos", demos.states.len(), n.max(1) * row)?;
    shape("parameters", demos.parameters.len(), n * width)?;
    if (demos.grid.step - coarse.step).abs() > 1e-9 * coarse.step.abs() || coarse.finest == 0 {
        let (what, value) = ("the coarse step of demos", demos.grid.step);
        return Err(Error::Setting { what, value, expected: "that of the coarse solver" });
    }
    let normal = Normal::new(&demos.states, d, &demos.parameters, width);
    let plain = Corrector::plain(coarse, normal);
    let along = |corrector: &Corrector, of: &[usize]| error(system, corrector, demos, of);
    let all: Vec<usize> = (0..n).collect();
    let (coarse_error, mut evaluations) = along(&plain, &all)?;
    let stages = coarse.scheme.stages();
    let rules: Vec<Rule> =
        SHAPES.iter().filter_map(|shape| Rule::new(*shape, stages, &plain.normal)).collect();
    let lessons = plain.lessons(system, demos, &rules)?;
    evaluations += (n * demos.grid.steps * stages) as u64;
    let lessons: Vec<Lesson> =
        rules.into_iter().zip(lessons).map(|(rule, of_demos)| Lesson { rule, of_demos }).collect();
    let attempts = each(system, lessons.len(), &|system, rule| {
        attempt(system, &plain, demos, (rule, &lessons[rule]))
    })?;
    let none = Tried { rule: usize::MAX, ridge: 0.0, error: coarse_error };
    let mut order = vec![none];
    for tried in attempts {
        let Some((tried, asked)) = tried? else { continue };
        evaluations += asked;
        let better = tried.error.max(FLOOR) < order[0].error * BETTER;
        order.insert(if better { 0 } else { order.len() }, tried);
    }
    let best = order[0];
    let shape = |tried: &Tried| lessons.get(tried.rule).map(|lesson| lesson.rule.shape);
    // It looks no further back, so that it needs no more first steps.
    let fits_second = |tried: &&Tried, simple: bool| match (shape(tried), shape(&best)) {
        (Some(second), Some(best)) => {
            second.history <= best.history && simple == (!second.modulated && second.degree == 0)
        }
        _ => false,
    };
    let second = |simple| {
        let others = order[1..].iter().filter(|tried| fits_second(tried, simple));
        others.min_by(|a, b| a.error.total_cmp(&b.error))
    };
    let fitted = |tried: &Tried| {
        let Lesson { rule, of_demos } = lessons.get(tried.rule)?;
        let shares = fits(rule, d, of_demos.iter()).and_then(|fits| shares(&fits, tried.ridge))?;
        let fitted = Fitted { shares, rule: rule.clone() };
        let sums = of_demos.iter().map(|of| fitted.sums(&of.numbers)).collect::<Vec<_>>();
        Some((fitted, sums))
    };
    let first = fitted(&best);
    let second = second(true).or_else(|| second(false)).and_then(fitted);
    let apart = match (&first, &second) {
        (Some((_, first)), Some((_, second))) => apart(first, second, &plain.normal),
        _ => vec![f64::INFINITY; d],
    };
    let (correction, second) = (first.map(|(first, _)| first), second.map(|(second, _)| second));
    let starter = coarse.finest;
    let mut corrector = Corrector { correction, starter, second, apart, ..plain };
    let (divided, asked) = along(&corrector, &all)?;
    evaluations += asked;
    while corrector.starter > 1 {
        let mut cheaper = corrector.clone();
        cheaper.starter /= 2;
        let (error, asked) = along(&cheaper, &all)?;
        evaluations += asked;
        if error > SPARED * divided.max(FLOOR) {
            break;
        }
        corrector = cheaper;
    }
    Ok(Learned { corrector, error: best.error, coarse_error, evaluations })
}

/// A rule with the ridge that is best for it, and evaluations; `None` if there are too few demos to fit it.
///
/// The search begins with the ridge whose single steps lack least, which costs no evaluation, and goes on
/// along demos, up and down, as far as errors become less.
fn attempt(
    system: &dyn Dynamics,
    plain: &Corrector,
    demos: &Demos,
    (number, lesson): (usize, &Lesson),
) -> Result<Option<(Tried, u64)>> {
    let Lesson { rule, of_demos } = lesson;
    let d = plain.normal.states.len();
    let Some(folds) = folds(rule, d, of_demos) else { return Ok(None) };
    let fitted = |fits: &[Fits], ridge: f64| {
        Some(Fitted { rule: rule.clone(), shares: shares(fits, ridge)? })
    };
    let lack_of_steps = |ridge: f64| {
        let lacks = folds.iter().map(|fold| {
            let fitted = fitted(&fold.fits, ridge)?;
            let lack = |trial: &usize| lack(&fitted, &of_demos[*trial], &plain.normal);
            Some(fold.trials.iter().map(lack).sum::<f64>())
        });
        lacks.sum::<Option<f64>>().filter(|lack| lack.is_finite()).unwrap_or(f64::INFINITY)
    };
    let mut evaluations = 0;
    let mut along = |ridge: f64| -> Result<f64> {
        let mut total = 0.0;
        for fold in &folds {
            let Some(correction) = fitted(&fold.fits, ridge) else { return Ok(f64::INFINITY) };
            let (correction, starter) = (Some(correction), plain.coarse.finest);
            let corrector = Corrector { correction, starter, ..plain.clone() };
            let (error, asked) = error(system, &corrector, demos, &fold.trials)?;
            total += error * error * fold.trials.len() as f64;
            evaluations += asked;
        }
        Ok((total / of_demos.len() as f64).sqrt())
    };
    let lacks = RIDGES.map(lack_of_steps);
    // Of equal ones the last, whose ridge is the largest.
    let first = (0..RIDGES.len()).rev().min_by(|a, b| lacks[*a].total_cmp(&lacks[*b])).unwrap_or(0);
    let floored = |error: f64| error.max(RIDGE_FLOOR);
    let mut best = (RIDGES[first], along(RIDGES[first])?);
    for &ridge in &RIDGES[first + 1..] {
        let error = along(ridge)?;
        if floored(error) > floored(best.1) {
            break;
        }
        best = (ridge, error);
    }
    if best.0 == RIDGES[first] {
        for &ridge in RIDGES[..first].iter().rev() {
            let error = along(ridge)?;
            if floored(error) >= floored(best.1) {
                break;
            }
            best = (ridge, error);
        }
    }
    let (ridge, error) = best;
    Ok(error.is_finite().then_some((Tried { rule: number, ridge, error }, evaluations)))
}

/// What some demos teach, and the others, along which it is tried.
struct Fold {
    fits: Vec<Fits>,
    trials: Vec<usize>,
}

/// Demos divided into parts; of an only demo the first half teaches.
fn folds(rule: &Rule, d: usize, of_demos: &[Lessons]) -> Option<Vec<Fold>> {
    if let [only] = of_demos {
        let half = only.lacks.len() / d / 2;
        let [numbers, lacks] = [(&only.numbers, rule.width()), (&only.lacks, 1)]
            .map(|(values, width)| values[..half * d * width].to_vec());
        let fits = fits(rule, d, [&Lessons { numbers, lacks }].into_iter())?;
        return Some(vec![Fold { fits, trials: vec![0] }]);
    }
    let folds = FOLDS.min(of_demos.len());
    let fold = |fold: usize| {
        let others = of_demos.iter().enumerate().filter(|(i, _)| i % folds != fold);
        let fits = fits(rule, d, others.map(|(_, of)| of))?;
        Some(Fold { fits, trials: (fold..of_demos.len()).step_by(folds).collect() })
    };
    (0..folds).map(fold).collect()
}

/// The sum of squares of what single steps along a demo still lack, in spreads.
fn lack(fitted: &Fitted, of: &Lessons, normal: &Normal) -> f64 {
    let lacks = fitted.sums(&of.numbers).into_iter().zip(&of.lacks);
    let spreads = normal.states.iter().map(|[_, spread]| spread).cycle();
    lacks.zip(spreads).map(|((sum, lack), spread)| ((sum - lack) / spread).powi(2)).sum()
}

/// Fits of all components.
fn fits<'a>(
    rule: &Rule,
    dimension: usize,
    lessons: impl Iterator<Item = &'a Lessons> + Clone,
) -> Option<Vec<Fits>> {
    let fits = |component| Fits::new(lessons.clone(), (component, dimension, rule.width()));
    (0..dimension).map(fits).collect()
}

/// How far two corrections differ at most in each component, in spreads; both are sums along each
/// demo, the later steps of which they have in common.
fn apart(first: &[Vec<f64>], second: &[Vec<f64>], normal: &Normal) -> Vec<f64> {
    let d = normal.states.len();
    let mut most = vec![ROUNDING; d];
    for (first, second) in first.iter().zip(second) {
        for (first, second) in first.rchunks(d).zip(second.rchunks(d)) {
            for (i, most) in most.iter_mut().enumerate() {
                let apart = (first[i] - second[i]).abs() / normal.states[i][1];
                *most = most.max(apart);
            }
        }
    }
    most
}

fn shares(fits: &[Fits], ridge: f64) -> Option<Vec<f64>> {
    let shares: Option<Vec<_>> = fits.iter().map(|fits| fits.shares(ridge)).collect();
    Some(shares?.concat())
}

/// The root of the mean square error along some demos, in spreads, infinite if one diverges; and the
/// evaluations that they took.
fn error(
    system: &dyn Dynamics,
    corrector: &Corrector,
    demos: &Demos,
    of: &[usize],
) -> Result<(f64, u64)> {
    let (d, width) = (system.dimension(), system.parameters());
    let row = (demos.grid.steps + 1) * d;
    let rows = |values: &[f64], row: usize, take: usize| -> Vec<f64> {
        of.iter().flat_map(|i| values[i * row..][..take].iter().copied()).collect()
    };
    let ensemble = Ensemble {
        start: demos.grid.start,
        times: &demos.grid.times(),
        initial: &rows(&demos.states, row, d),
        parameters: &rows(&demos.parameters, width, width),
    };
    let found = corrector.apply(system, &ensemble)?.solution;
    let (mut total, mut count) = (0.0, 0);
    for (found, demo) in found.states.chunks(row - d).zip(of) {
        let fine = &demos.states[demo * row + d..][..row - d];
        for (i, (found, fine)) in found.iter().zip(fine).enumerate() {
            if !fine.is_finite() {
                break;
            }
            let error = (found - fine) / corrector.normal.states[i % d][1];
            total += if error.is_nan() { f64::INFINITY } else { error * error };
            count += 1;
        }
    }
    Ok(((total / count.max(1) as f64).sqrt(), found.evaluations.iter().sum()))
}
