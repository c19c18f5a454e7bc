//! Time by what an evaluation costs: computed from evaluations and the time of everything else, and
//! measured where that does not take long.

use std::time::{Duration, Instant};

use quintet_ode::{Slowed, solve::PART};
use serde::Serialize;

use super::{
    precision::{Precision, Scored, tsit5},
    ways::{Bench, Run},
};
use crate::commands::ode::summary::BATCH;

/// Seconds of an evaluation.
pub const COSTS: [f64; 7] = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2];
/// At less than this runs are computed: what is slowed down is not compiled for its system, and its own
/// tens of nanoseconds would count.
const LEAST: f64 = 1e-6;
/// Shorter runs, in seconds, say nothing about whether the computation is right.
const SHORT: f64 = 1e-3;
/// The cost at which speed-ups are told.
pub const TOLD: f64 = 1e-4;

/// What a way takes for ensembles of several sizes.
pub struct Cost {
    pub scored: Scored,
    demos: Run,
    sizes: Vec<Size>,
}

struct Size {
    n: u64,
    run: Run,
    /// Whether its time is that of a smaller ensemble, multiplied.
    scaled: bool,
}

/// Seconds of a way.
#[derive(Clone, Serialize)]
pub struct Cell {
    pub method: String,
    pub n: u64,
    /// Seconds of an evaluation.
    pub cost: f64,
    pub seconds: f64,
    pub computed: bool,
}

/// How computed times compare with measured ones.
#[derive(Default, Serialize)]
pub struct Check {
    /// Runs that were both measured and computed.
    pub runs: usize,
    pub median_ratio: f64,
    /// The greatest of measured by computed, or of the other way round.
    pub worst_ratio: f64,
    pub worst: Option<Cell>,
}

/// All ways, sizes and costs.
pub struct Sweep {
    pub costs: Vec<Cost>,
    pub cells: Vec<Cell>,
    pub check: Check,
}

/// When a corrector is worth its demos.
#[derive(Serialize)]
pub struct Crossover {
    pub method: String,
    pub rms: f64,
    /// The tolerance of Tsit5 that is as exact.
    pub solver: String,
    pub n: u64,
    /// Seconds of an evaluation from which on it is faster; none if it never is.
    pub cost: Option<f64>,
    /// How many times as fast it is at 100 µs.
    pub speedup: f64,
}

impl Cost {
    /// Measures ensembles, and multiplies those that would take too long.
    pub fn measure(bench: &Bench<'_>, scored: &Scored, counts: &[u64]) -> anyhow::Result<Self> {
        let (ready, demos) = bench.prepare(&scored.way)?;
        let mut counts = counts.to_vec();
        counts.sort_unstable();
        counts.dedup();
        let mut sizes: Vec<Size> = Vec::new();
        for n in counts {
            let times = sizes.last().map(|last| (last, n as f64 / last.n as f64));
            let scaled = times.filter(|(last, times)| last.run.seconds * times > bench.longest);
            let run = match scaled {
                Some((last, times)) => Run {
                    seconds: last.run.seconds * times,
                    evaluations: last.run.evaluations * times,
                },
                None => {
                    let run = bench.best(&ready, n)?;
                    Run { evaluations: run.evaluations * scored.asked, ..run }
                }
            };
            sizes.push(Size { n, run, scaled: scaled.is_some() });
        }
        Ok(Self { scored: scored.clone(), demos, sizes })
    }

    /// Seconds besides evaluations, and seconds for each second that an evaluation costs.
    fn line(&self, bench: &Bench<'_>, size: &Size) -> [f64; 2] {
        let demos = self.demos.evaluations / bench.threads as f64;
        let own = self.demos.seconds + size.run.seconds;
        [own, demos + size.run.evaluations / parallel(size.n, bench.threads)]
    }
}

/// How many threads are busy with an ensemble, on average.
fn parallel(n: u64, threads: usize) -> f64 {
    let part = PART as u64;
    let longest = |n: u64| (n.div_ceil(part).div_ceil(threads as u64) * part).min(n);
    let (whole, rest) = (n / BATCH, n % BATCH);
    n as f64 / (whole * longest(BATCH) + longest(rest)) as f64
}

impl Sweep {
    /// Computes all, and measures what does not take long.
    pub fn measure(bench: &Bench<'_>, costs: Vec<Cost>) -> anyhow::Result<Self> {
        let (mut cells, mut ratios) = (Vec::new(), Vec::new());
        let mut check = Check::default();
        for of in &costs {
            for size in &of.sizes {
                let [own, each] = of.line(bench, size);
                for cost in COSTS {
                    let expected = own + each * cost;
                    let method = of.scored.method.clone();
                    let mut cell =
                        Cell { method, n: size.n, cost, seconds: expected, computed: true };
                    if !size.scaled && cost >= LEAST && expected <= bench.longest {
                        cell.seconds = measured(bench, of, size.n, cost)?;
                        cell.computed = false;
                        if cell.seconds.max(expected) >= SHORT {
                            let ratio = cell.seconds / expected;
                            ratios.push(ratio);
                            if ratio.max(1.0 / ratio) > check.worst_ratio {
                                check.worst_ratio = ratio.max(1.0 / ratio);
                                check.worst = Some(cell.clone());
                            }
                        }
                    }
                    cells.push(cell);
                }
            }
        }
        ratios.sort_by(f64::total_cmp);
        check.runs = ratios.len();
        check.median_ratio = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN);
        Ok(Self { costs, cells, check })
    }
}

/// Seconds with a right-hand side that takes its time, demos included.
fn measured(bench: &Bench<'_>, of: &Cost, n: u64, cost: f64) -> anyhow::Result<f64> {
    let slowed = Slowed::new(bench.problem.system(), Duration::from_secs_f64(cost));
    let started = Instant::now();
    let ready = of.scored.way.prepare(bench, &slowed)?;
    let demos = started.elapsed().as_secs_f64();
    Ok(demos + bench.run(&ready, &slowed, n)?.seconds)
}

/// Each corrector against Tsit5 where that is as exact.
pub fn crossovers(
    bench: &Bench<'_>,
    precision: &Precision,
    counts: &[u64],
) -> anyhow::Result<Vec<Crossover>> {
    let mut all = Vec::new();
    for corrector in precision.correctors() {
        let Some(solver) = tsit5(bench, precision, corrector.rms)? else { continue };
        let ours = Cost::measure(bench, corrector, counts)?;
        let theirs = Cost::measure(bench, &solver, counts)?;
        for (our, their) in ours.sizes.iter().zip(&theirs.sizes) {
            let (our, [their_own, their_each]) =
                ((our.n, ours.line(bench, our)), theirs.line(bench, their));
            let (n, [own, each]) = our;
            let cost = (each < their_each).then(|| (own - their_own) / (their_each - each));
            all.push(Crossover {
                method: corrector.method.clone(),
                rms: corrector.rms,
                solver: solver.method.clone(),
                n,
                cost: cost.map(|cost| cost.max(0.0)),
                speedup: (their_own + their_each * TOLD) / (own + each * TOLD),
            });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::parallel;

    #[test]
    fn few_parts_leave_threads_idle() {
        assert_eq!(parallel(10, 8), 1.0);
        assert_eq!(parallel(128, 2), 2.0);
        assert_eq!(parallel(100, 2), 100.0 / 64.0);
        assert_eq!(parallel(2 * 4096, 2), 2.0);
        assert_eq!(parallel(4096 + 10, 2), 4106.0 / 2058.0);
    }
}
