//! Several numbers that are computed with as one: two registers of AVX-512, or more smaller ones. Two,
//! as each step of a solver waits for the one before.

use std::{
    array,
    ops::{Add, AddAssign, Div, Mul, Neg, Sub},
};

/// Trajectories that are computed at a time.
pub const LANES: usize = 16;

/// One number of each of [`LANES`] trajectories. No operation mixes lanes, and none is fused, so that
/// a trajectory gets the same bits alone and among others, on every processor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(align(64))]
pub struct Lanes(pub [f64; LANES]);

impl Lanes {
    /// Zeros.
    pub const ZERO: Self = Self([0.0; LANES]);

    /// The same number in all lanes.
    #[inline(always)]
    pub fn splat(value: f64) -> Self {
        Self([value; LANES])
    }

    /// `f` of each lane.
    #[inline(always)]
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self(self.0.map(f))
    }

    /// `f` of each pair of lanes.
    #[inline(always)]
    pub fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self(array::from_fn(|i| f(self.0[i], other.0[i])))
    }

    /// The greater of each pair; a NaN on either side is kept.
    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b || a.is_nan() { a } else { b })
    }

    /// The smaller of each pair; a NaN in `other` is kept.
    #[inline(always)]
    pub fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    /// Without the sign.
    #[inline(always)]
    pub fn abs(self) -> Self {
        self.map(f64::abs)
    }

    /// Square roots.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        self.map(f64::sqrt)
    }

    /// Sines.
    #[inline(always)]
    pub fn sin(self) -> Self {
        self.map(f64::sin)
    }

    /// Cosines.
    #[inline(always)]
    pub fn cos(self) -> Self {
        self.map(f64::cos)
    }

    /// `self` where `mask` is set, else `other`.
    #[inline(always)]
    pub fn select(self, mask: [bool; LANES], other: Self) -> Self {
        Self(array::from_fn(|i| if mask[i] { self.0[i] } else { other.0[i] }))
    }
}

impl From<f64> for Lanes {
    #[inline(always)]
    fn from(value: f64) -> Self {
        Self::splat(value)
    }
}

impl Add for Lanes {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl AddAssign for Lanes {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Lanes {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for Lanes {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl Mul<Lanes> for f64 {
    type Output = Lanes;

    #[inline(always)]
    fn mul(self, other: Lanes) -> Lanes {
        other.map(|b| self * b)
    }
}

impl Div for Lanes {
    type Output = Self;

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
}

impl Neg for Lanes {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        self.map(|a| -a)
    }
}
