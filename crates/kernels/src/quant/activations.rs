//! Activations in signed bytes.

use crate::lanes::{max, widest};

/// Rows of activations, rounded to signed bytes with a scale for each 32.
pub(super) struct Activations {
    /// Numbers in a row.
    columns: usize,
    values: Vec<i8>,
    scales: Vec<f32>,
    /// Sums of 16 rounded numbers, times their scale.
    sums: Vec<f32>,
    /// Sums of 32 rounded numbers, times their scale.
    totals: Vec<f32>,
    /// Scale and total of each 32 beside each other.
    pairs: Vec<[f32; 2]>,
}

/// A row of activations.
#[derive(Clone, Copy)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "read by `wide` only"))]
pub(super) struct Row<'a> {
    values: &'a [[i8; 32]],
    scales: &'a [f32],
    sums: &'a [[f32; 2]],
    totals: &'a [f32],
    pairs: &'a [[f32; 2]],
}

/// 32 activations.
pub(super) struct Few<'a> {
    pub values: &'a [i8; 32],
    pub scale: f32,
    /// Sums of the first and the second 16, times the scale.
    pub sums: &'a [f32; 2],
    /// The sum of all, times the scale.
    pub total: f32,
}

#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "called by `wide` only"))]
impl<'a> Row<'a> {
    /// Number of parts of 32.
    pub fn parts(&self) -> usize {
        self.values.len()
    }

    /// All numbers.
    pub fn bytes(&self) -> *const i8 {
        self.values.as_ptr().cast()
    }

    /// The scale of each part.
    pub fn scales(&self) -> *const f32 {
        self.scales.as_ptr()
    }

    /// The sums of each 16 numbers, times their scale.
    pub fn sums(&self) -> *const f32 {
        self.sums.as_ptr().cast()
    }

    /// The sum of each part, times its scale.
    pub fn totals(&self) -> *const f32 {
        self.totals.as_ptr()
    }

    /// Scale and total of each part beside each other.
    pub fn pairs(&self) -> *const f32 {
        self.pairs.as_ptr().cast()
    }

    /// Part `i`.
    ///
    /// # Safety
    /// `i` must be below [`Self::parts`].
    #[inline(always)]
    pub unsafe fn part(&self, i: usize) -> Few<'a> {
        // SAFETY: all four slices are as long as the first, and the caller keeps `i` below that.
        unsafe {
            Few {
                values: self.values.get_unchecked(i),
                scale: *self.scales.get_unchecked(i),
                sums: self.sums.get_unchecked(i),
                total: *self.totals.get_unchecked(i),
            }
        }
    }
}

impl Activations {
    /// Rounds rows of `columns` numbers, a multiple of 32.
    pub fn new(x: &[f32], columns: usize) -> Self {
        let parts = x.len() / 32;
        let (mut values, mut scales) = (vec![0; x.len()], vec![0.0; parts]);
        let mut sums = vec![0.0; 2 * parts];
        round(x, &mut values, &mut scales, &mut sums);
        let totals: Vec<f32> =
            sums.as_chunks().0.iter().map(|[first, second]| first + second).collect();
        let pairs = scales.iter().zip(&totals).map(|(scale, total)| [*scale, *total]).collect();
        Self { columns, values, scales, sums, totals, pairs }
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> Row<'_> {
        let parts = self.columns / 32;
        let of = i * parts..(i + 1) * parts;
        Row {
            values: &self.values.as_chunks().0[of.clone()],
            scales: &self.scales[of.clone()],
            sums: &self.sums.as_chunks().0[of.clone()],
            totals: &self.totals[of.clone()],
            pairs: &self.pairs[of],
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }
}

widest! {
    fn round(x: &[f32], values: &mut [i8], scales: &mut [f32], sums: &mut [f32]) {
        // Adding it rounds to a whole number, half to even.
        const ROUND: f32 = 12_582_912.0;
        let parts = x.as_chunks::<32>().0.iter().zip(values.as_chunks_mut::<32>().0);
        let outs = scales.iter_mut().zip(sums.as_chunks_mut::<2>().0);
        for ((x, values), (scale, sums)) in parts.zip(outs) {
            let mut sizes = [0f32; 32];
            for (size, x) in sizes.iter_mut().zip(x) {
                *size = x.abs();
            }
            let most = max(&sizes);
            *scale = most / 127.0;
            let by = if most > 0.0 { 127.0 / most } else { 0.0 };
            let mut whole = [0f32; 32];
            for (whole, x) in whole.iter_mut().zip(x) {
                *whole = (x * by + ROUND) - ROUND;
            }
            for (value, whole) in values.iter_mut().zip(&whole) {
                *value = *whole as i32 as i8;
            }
            for (sum, whole) in sums.iter_mut().zip(whole.as_chunks::<16>().0) {
                *sum = *scale * whole.iter().sum::<f32>();
            }
        }
    }
}
