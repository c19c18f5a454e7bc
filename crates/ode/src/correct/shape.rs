//! What a correction is a sum of.

use crate::Lanes;

/// Most terms of a polynomial.
const TERMS: usize = 40;

/// What a correction is a sum of: slopes that the coarse solver computes anyway, and polynomials.
///
/// What a Runge–Kutta step lacks is a sum of the system's elementary differentials, and so are the
/// slopes of its stages (Butcher, 1963): shares of slopes, those of earlier steps included, are what
/// general linear methods are made of. Here they are not chosen for all systems but fitted to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Steps before the present one whose slopes count.
    pub history: usize,
    /// Whether the shares depend, linearly, on state and parameters.
    pub modulated: bool,
    /// Degree of a polynomial of the state that is added; 0 is none.
    pub degree: u32,
}

/// A shape for a system of some dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its shape.
    pub shape: Shape,
    dimension: usize,
    /// Slopes in a coarse step.
    stages: usize,
    /// Parameters that differ between trajectories.
    varying: usize,
    /// Terms of the polynomial but the first, which is 1: each an earlier one times a component.
    terms: Vec<(usize, usize)>,
}

/// Where the middle of each number is and how far it spreads around it, over all demos.
#[derive(Clone, Debug, PartialEq)]
pub struct Normal {
    /// Of each component of the state.
    pub states: Vec<[f64; 2]>,
    /// Of parameters that are not the same in all demos: which, and theirs.
    pub parameters: Vec<(usize, [f64; 2])>,
}

impl Normal {
    /// Of states `[.., d]` and parameters `[.., p]`.
    pub fn new(states: &[f64], dimension: usize, parameters: &[f64], width: usize) -> Self {
        let of = |values: &[f64], i: usize, width: usize| {
            let values = || values.iter().skip(i).step_by(width).filter(|value| value.is_finite());
            let count = values().count().max(1) as f64;
            let centre = values().sum::<f64>() / count;
            let spread = values().map(|value| (value - centre).powi(2)).sum::<f64>() / count;
            [centre, spread.sqrt()]
        };
        let positive = |[centre, spread]: [f64; 2]| {
            [centre, if spread > 0.0 { spread } else { f64::MIN_POSITIVE.max(centre.abs()) }]
        };
        Self {
            states: (0..dimension).map(|i| positive(of(states, i, dimension))).collect(),
            parameters: (0..width)
                .map(|i| (i, of(parameters, i, width)))
                .filter(|(_, [centre, spread])| *spread > 1e-9 * centre.abs())
                .collect(),
        }
    }

    /// The greatest error of any component at each time, in spreads. NaN where `fine` is finite and
    /// `found` is not; 0 where `fine` is not.
    pub fn errors<'a>(
        &'a self,
        found: &'a [f64],
        fine: &'a [f64],
    ) -> impl Iterator<Item = f64> + 'a {
        let spreads = &self.states;
        let d = spreads.len();
        found.chunks(d).zip(fine.chunks(d)).map(move |(found, fine)| {
            let errors = found.iter().zip(fine).zip(spreads);
            errors.fold(0.0, |most: f64, ((found, fine), [_, spread])| {
                let error = if fine.is_finite() { (found - fine).abs() / spread } else { 0.0 };
                if error > most || error.is_nan() { error } else { most }
            })
        })
    }

    /// The greatest error at any time, in spreads; infinity where one of [`Self::errors`] is NaN.
    pub(super) fn greatest(&self, found: &[f64], fine: &[f64]) -> f64 {
        self.errors(found, fine).fold(0.0, |most, error| match error.is_nan() {
            true => f64::INFINITY,
            false => error.max(most),
        })
    }

    /// The smallest spread of a component.
    pub(super) fn least_spread(&self) -> f64 {
        self.states.iter().map(|[_, spread]| *spread).fold(f64::INFINITY, f64::min)
    }

    /// States and varying parameters, each around 0 and of size 1.
    #[inline(always)]
    fn apply(&self, u: &[Lanes], p: &[Lanes], into: &mut Vec<Lanes>) {
        let normal = |value: Lanes, [centre, spread]: [f64; 2]| {
            (value - Lanes::splat(centre)) * Lanes::splat(1.0 / spread)
        };
        into.clear();
        into.extend(u.iter().zip(&self.states).map(|(u, of)| normal(*u, *of)));
        into.extend(self.parameters.iter().map(|(i, of)| normal(p[*i], *of)));
    }
}

impl Rule {
    /// A shape for a system; none where its polynomial would be too long.
    pub fn new(shape: Shape, stages: usize, normal: &Normal) -> Option<Self> {
        let (dimension, varying) = (normal.states.len(), normal.parameters.len());
        let terms = polynomial(dimension, shape.degree)?;
        Some(Self { shape, dimension, stages, varying, terms })
    }

    /// Numbers that are added up for each component of a state.
    pub fn width(&self) -> usize {
        let slopes = (self.shape.history + 1) * self.stages;
        let polynomial = if self.shape.degree > 0 { self.terms.len() + 1 } else { 0 };
        slopes * (1 + self.modulators()) + polynomial
    }

    fn modulators(&self) -> usize {
        if self.shape.modulated { self.dimension + self.varying } else { 0 }
    }

    /// What is added up, `[d, width]`. The slopes, `[.., d]`, begin with those of the present step.
    #[inline(always)]
    pub(super) fn read(
        &self,
        h: f64,
        normal: &Normal,
        (u, p): (&[Lanes], &[Lanes]),
        slopes: &[Lanes],
        room: &mut Room,
    ) {
        let Room { scaled, polynomial, numbers } = room;
        normal.apply(u, p, scaled);
        let h = Lanes::splat(h);
        numbers.clear();
        polynomial.clear();
        if self.shape.degree > 0 {
            polynomial.push(Lanes::splat(1.0));
            for &(earlier, component) in &self.terms {
                polynomial.push(polynomial[earlier] * scaled[component]);
            }
        }
        for i in 0..self.dimension {
            let first = numbers.len();
            let slopes = slopes.chunks_exact(self.dimension);
            let slopes = slopes.take((self.shape.history + 1) * self.stages);
            numbers.extend(slopes.map(|slope| h * slope[i]));
            let last = numbers.len();
            for by in &scaled[..self.modulators()] {
                for slope in first..last {
                    numbers.push(numbers[slope] * *by);
                }
            }
            numbers.extend_from_slice(polynomial);
        }
    }
}

/// Room for what a rule reads.
#[derive(Default)]
pub(super) struct Room {
    scaled: Vec<Lanes>,
    polynomial: Vec<Lanes>,
    /// What was read, `[d, width]`.
    pub numbers: Vec<Lanes>,
}

/// The terms up to a degree, but for 1.
fn polynomial(dimension: usize, degree: u32) -> Option<Vec<(usize, usize)>> {
    let mut terms = Vec::new();
    // Terms of the degree before, and the last component that each has.
    let mut before = vec![(0, 0)];
    for _ in 0..degree {
        let mut of_degree = Vec::new();
        for (earlier, least) in before {
            for component in least..dimension {
                terms.push((earlier, component));
                of_degree.push((terms.len(), component));
                if terms.len() > TERMS {
                    return None;
                }
            }
        }
        before = of_degree;
    }
    Some(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polynomial_has_every_term_once() {
        for (dimension, degree, expected) in [(1, 4, 5), (2, 3, 10), (3, 2, 10), (2, 0, 1)] {
            let terms = polynomial(dimension, degree).unwrap();
            let mut powers = vec![vec![0; dimension]];
            for (earlier, component) in terms {
                let mut next = powers[earlier].clone();
                next[component] += 1;
                powers.push(next);
            }
            powers.sort();
            powers.dedup();
            assert_eq!(powers.len(), expected);
            assert!(powers.iter().all(|powers| powers.iter().sum::<u32>() <= degree));
        }
        assert_eq!(polynomial(12, 2), None);
    }
}
