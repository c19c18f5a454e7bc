//! Small systems of linear equations, one in each lane.

use crate::{LANES, Lanes};

/// A square matrix in each lane, and what elimination makes of it.
pub(super) struct Lu {
    size: usize,
    /// Row by row, `[size, size]`; after [`Lu::factor`] both triangles, with the inverse of the diagonal.
    matrix: Vec<Lanes>,
    /// The row that each column's pivot came from, in each lane.
    pivots: Vec<[usize; LANES]>,
}

impl Lu {
    pub fn new(size: usize) -> Self {
        Self { size, matrix: vec![Lanes::ZERO; size * size], pivots: vec![[0; LANES]; size] }
    }

    /// The matrix, `[size, size]`, to be filled in.
    pub fn matrix(&mut self) -> &mut [Lanes] {
        &mut self.matrix
    }

    /// Gaussian elimination; each lane exchanges rows of its own. A lane whose matrix is singular, or
    /// not finite, will solve to NaN.
    #[inline(always)]
    pub fn factor(&mut self) {
        let (n, a) = (self.size, &mut self.matrix);
        for column in 0..n {
            let mut pivot = [column; LANES];
            let mut most = a[column * n + column].abs();
            for row in column + 1..n {
                let size = a[row * n + column].abs();
                for (lane, pivot) in pivot.iter_mut().enumerate() {
                    if size.0[lane] > most.0[lane] {
                        (most.0[lane], *pivot) = (size.0[lane], row);
                    }
                }
            }
            for (lane, &row) in pivot.iter().enumerate().filter(|(_, row)| **row != column) {
                for j in column..n {
                    let kept = a[column * n + j].0[lane];
                    a[column * n + j].0[lane] = a[row * n + j].0[lane];
                    a[row * n + j].0[lane] = kept;
                }
            }
            self.pivots[column] = pivot;
            let inverse = a[column * n + column]
                .map(|pivot| if pivot == 0.0 { f64::NAN } else { 1.0 / pivot });
            a[column * n + column] = inverse;
            for row in column + 1..n {
                let factor = a[row * n + column] * inverse;
                a[row * n + column] = factor;
                for j in column + 1..n {
                    a[row * n + j] = a[row * n + j] - factor * a[column * n + j];
                }
            }
        }
    }

    /// Solves for one right-hand side, `[size]`, in its place.
    #[inline(always)]
    pub fn solve(&self, b: &mut [Lanes]) {
        let (n, a) = (self.size, &self.matrix);
        for column in 0..n {
            for lane in 0..LANES {
                let row = self.pivots[column][lane];
                let kept = b[column].0[lane];
                b[column].0[lane] = b[row].0[lane];
                b[row].0[lane] = kept;
            }
            for row in column + 1..n {
                b[row] = b[row] - a[row * n + column] * b[column];
            }
        }
        for row in (0..n).rev() {
            let mut value = b[row];
            for j in row + 1..n {
                value = value - a[row * n + j] * b[j];
            }
            b[row] = value * a[row * n + row];
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn each_lane_solves_its_own_equations() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for n in [1, 2, 3, 7] {
            let mut draw = || Lanes([0.0; LANES].map(|_| rng.random_range(-1.0..1.0)));
            let mut lu = Lu::new(n);
            lu.matrix().fill_with(&mut draw);
            // Only an exchange of rows makes something of this lane, and nothing of these.
            lu.matrix()[0].0[3] = 0.0;
            let zero = |lu: &mut Lu| lu.matrix().iter_mut().for_each(|a| a.0[5] = 0.0);
            zero(&mut lu);
            lu.matrix()[0].0[6] = f64::NAN;
            let matrix = lu.matrix().to_vec();
            let b: Vec<Lanes> = (0..n).map(|_| draw()).collect();
            lu.factor();
            let mut x = b.clone();
            lu.solve(&mut x);
            for lane in 0..LANES {
                let singular = lane == 5 || lane == 6 || (lane == 3 && n == 1);
                for i in 0..n {
                    let product: f64 =
                        (0..n).map(|j| matrix[i * n + j].0[lane] * x[j].0[lane]).sum();
                    let wrong = (product - b[i].0[lane]).abs();
                    assert!(if singular { wrong.is_nan() } else { wrong < 1e-11 }, "{n} {lane}");
                }
            }
        }
    }
}
