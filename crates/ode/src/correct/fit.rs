//! Least squares.

use nalgebra::{DMatrix, DVector};

use super::Lessons;

/// Ridges that are tried, in shares of the size of what is fitted: the more, the less noise is learned.
pub(super) const RIDGES: [f64; 8] = [1e-13, 1e-10, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1];

/// What is needed to fit one component with any ridge. Numbers are divided by their sizes first.
pub(super) struct Fits {
    /// The triangle of the decomposition of all numbers, `[width, width]`,
    triangle: DMatrix<f64>,
    /// and what is lacking along its rows.
    along: DVector<f64>,
    sizes: Vec<f64>,
}

impl Fits {
    /// Of some lessons; `None` with fewer rows than numbers.
    pub fn new<'a>(
        lessons: impl Iterator<Item = &'a Lessons> + Clone,
        (component, dimension, width): (usize, usize, usize),
    ) -> Option<Self> {
        let rows = lessons.clone().map(|of| of.lacks.len() / dimension).sum();
        if rows < width {
            return None;
        }
        let part = |of: &'a Lessons| {
            of.numbers.chunks(width).skip(component).step_by(dimension).flatten().copied()
        };
        let mut numbers = DMatrix::from_row_iterator(rows, width, lessons.clone().flat_map(part));
        let lacks = lessons.flat_map(|of| of.lacks.iter().skip(component).step_by(dimension));
        let mut along = DVector::from_iterator(rows, lacks.copied());
        let mut sizes = Vec::with_capacity(width);
        for mut column in numbers.column_iter_mut() {
            let size = column.norm();
            let size = if size > 0.0 { size } else { 1.0 };
            column /= size;
            sizes.push(size);
        }
        let decomposed = numbers.qr();
        decomposed.q_tr_mul(&mut along);
        let along = along.rows(0, width).into_owned();
        Some(Self { triangle: decomposed.r(), along, sizes })
    }

    /// The shares that make `|numbers · shares − lacks|² + |ridge · shares|²` least; `None` where
    /// numbers are not finite. (A singular value decomposition would serve all ridges; nalgebra's is
    /// wrong for some matrices of low rank, as those of linear systems are: its issue 1172.)
    pub fn shares(&self, ridge: f64) -> Option<Vec<f64>> {
        let width = self.sizes.len();
        let ridge = ridge * self.triangle.norm();
        let mut rows = self.triangle.clone().resize_vertically(2 * width, 0.0);
        rows.view_mut((width, 0), (width, width)).fill_diagonal(ridge);
        let mut along = self.along.clone().resize_vertically(2 * width, 0.0);
        let decomposed = rows.qr();
        decomposed.q_tr_mul(&mut along);
        let shares = decomposed.r().solve_upper_triangular(&along.rows(0, width))?;
        Some(shares.iter().zip(&self.sizes).map(|(share, size)| share / size).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lessons(rows: &[[f64; 3]], lacks: &[f64]) -> Lessons {
        Lessons { numbers: rows.concat(), lacks: lacks.to_vec() }
    }

    #[test]
    fn shares_are_found_and_rows_may_repeat_one_another() {
        // lacks = 2 a − 3 b, with a third number that is the sum of the first two.
        let rows: Vec<[f64; 3]> =
            (0..20).map(|i| i as f64).map(|x| [x.sin(), x.cos(), x.sin() + x.cos()]).collect();
        let lacks: Vec<f64> = rows.iter().map(|[a, b, _]| 2.0 * a - 3.0 * b).collect();
        let (first, second) = (lessons(&rows[..9], &lacks[..9]), lessons(&rows[9..], &lacks[9..]));
        let fits = Fits::new([&first, &second].into_iter(), (0, 1, 3)).unwrap();
        let shares = fits.shares(1e-13).unwrap();
        for (row, lack) in rows.iter().zip(&lacks) {
            let found: f64 = row.iter().zip(&shares).map(|(number, share)| number * share).sum();
            assert!((found - lack).abs() < 1e-9, "{found} {lack}");
        }
        let damped = fits.shares(0.1).unwrap();
        let size = |shares: &[f64]| shares.iter().map(|share| share * share).sum::<f64>();
        assert!(size(&damped) < size(&shares));
        assert!(Fits::new([&lessons(&rows[..2], &lacks[..2])].into_iter(), (0, 1, 3)).is_none());
    }

    #[test]
    fn numbers_that_are_all_the_same_or_nothing_are_fitted() {
        let rows = [[1.0, 1.0, 0.0]; 6];
        let fits = Fits::new([&lessons(&rows, &[4.0; 6])].into_iter(), (0, 1, 3)).unwrap();
        let shares = fits.shares(1e-10).unwrap();
        assert!((shares[0] + shares[1] - 4.0).abs() < 1e-6 && shares[2].abs() < 1e-9, "{shares:?}");
    }
}
