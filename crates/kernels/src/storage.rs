//! Values that are stored in `f32` or `bf16`, and computed with in `f32`.

use std::{borrow::Cow, marker::PhantomData, mem::MaybeUninit, ops::Range};

use burn::{DType, Shape, TensorData};
use burn_flex::FlexTensor;
use half::bf16;
use rayon::prelude::*;

use crate::{
    bridge::written,
    lanes::widest,
    ops::{rows_per_piece, with_scratch},
};

/// Values that a thread converts at a time.
const PIECE: usize = 1 << 15;

widest! {
    fn widen(from: &[bf16], to: &mut [f32]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = f32::from_bits(u32::from(from.to_bits()) << 16);
        }
    }
}

widest! {
    /// To the nearest, ties to even.
    fn round(from: &[f32], to: &mut [MaybeUninit<bf16>]) {
        for (to, from) in to.iter_mut().zip(from) {
            let bits = from.to_bits();
            let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
            // Rounding could carry a NaN over to a number.
            let nearest = if from.is_nan() { bits >> 16 | 0x40 } else { nearest };
            to.write(bf16::from_bits(nearest as u16));
        }
    }
}

/// Converts on all threads, where there is much.
fn convert<A: Sync, B: Send>(from: &[A], to: &mut [B], f: fn(&[A], &mut [B])) {
    if from.len() <= PIECE {
        return f(from, to);
    }
    to.par_chunks_mut(PIECE).zip(from.par_chunks(PIECE)).for_each(|(to, from)| f(from, to));
}

/// The values of a tensor in row-major order, as they are stored.
pub(crate) enum Values<'a> {
    Single(Cow<'a, [f32]>),
    Half(Cow<'a, [bf16]>),
}

impl<'a> Values<'a> {
    /// Copied only where the tensor is a view out of order.
    pub fn of(tensor: &'a FlexTensor) -> Self {
        fn in_order<T: burn::Element + bytemuck::Pod>(tensor: &FlexTensor) -> Cow<'_, [T]> {
            tensor.as_slice().map_or_else(
                || Cow::Owned(tensor.to_contiguous().storage().to_vec()),
                Cow::Borrowed,
            )
        }
        match tensor.dtype() {
            DType::BF16 => Self::Half(in_order(tensor)),
            _ => Self::Single(in_order(tensor)),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Half(values) => values.len(),
        }
    }

    pub fn is_half(&self) -> bool {
        matches!(self, Self::Half(_))
    }

    /// Calls `f` with some of the values in `f32`.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn part<R>(&self, range: Range<usize>, f: impl FnOnce(&[f32]) -> R) -> R {
        match self {
            Self::Single(values) => f(&values[range]),
            Self::Half(values) => with_scratch(range.len(), |scratch| {
                convert(&values[range], scratch, widen);
                f(scratch)
            }),
        }
    }

    /// All values in `f32`.
    pub fn all(self) -> Cow<'a, [f32]> {
        match self {
            Self::Single(values) => values,
            Self::Half(values) => {
                // SAFETY: each value is set.
                Cow::Owned(unsafe { written(values.len(), |all| convert(&values, all, widen)) })
            }
        }
    }
}

/// Room for the values of a tensor.
enum Room {
    Single(Box<[MaybeUninit<f32>]>),
    Half(Box<[MaybeUninit<bf16>]>),
}

impl Room {
    fn new(len: usize, dtype: DType) -> Self {
        match dtype {
            DType::BF16 => Self::Half(Box::new_uninit_slice(len)),
            _ => Self::Single(Box::new_uninit_slice(len)),
        }
    }

    fn place(&mut self) -> Place<'_> {
        match self {
            Self::Single(room) => Place::Single(room.as_mut_ptr(), PhantomData),
            Self::Half(room) => Place::Half(room.as_mut_ptr(), PhantomData),
        }
    }

    /// # Safety
    /// Every value must have been written.
    unsafe fn tensor(self, shape: Shape) -> FlexTensor {
        // SAFETY: the caller's promise.
        FlexTensor::from_data(match self {
            Self::Single(room) => TensorData::new(unsafe { room.assume_init() }.into_vec(), shape),
            Self::Half(room) => TensorData::new(unsafe { room.assume_init() }.into_vec(), shape),
        })
    }
}

/// Where the values of a [`Room`] begin.
#[derive(Clone, Copy)]
enum Place<'a> {
    Single(*mut MaybeUninit<f32>, PhantomData<&'a mut f32>),
    Half(*mut MaybeUninit<bf16>, PhantomData<&'a mut bf16>),
}

// SAFETY: parts are written by an unsafe function alone, whose caller keeps them disjoint.
unsafe impl Send for Place<'_> {}
// SAFETY: as above.
unsafe impl Sync for Place<'_> {}

impl Place<'_> {
    fn is_half(self) -> bool {
        matches!(self, Self::Half(..))
    }

    /// The values of a range themselves, or else those of `scratch`, which [`store`](Self::store)
    /// rounds.
    ///
    /// # Safety
    /// The range must lie in the room, and no one else may use it meanwhile. The values are not
    /// initialised.
    unsafe fn values<'s>(self, range: &Range<usize>, scratch: &'s mut [f32]) -> &'s mut [f32]
    where
        Self: 's,
    {
        match self {
            // SAFETY: the caller's promise.
            Self::Single(first, _) => unsafe {
                std::slice::from_raw_parts_mut(first.add(range.start).cast(), range.len())
            },
            Self::Half(..) => scratch,
        }
    }

    /// Stores what was written to `scratch`, if it was.
    ///
    /// # Safety
    /// As for [`values`](Self::values).
    unsafe fn store(self, range: &Range<usize>, scratch: &[f32]) {
        if let Self::Half(first, _) = self {
            // SAFETY: the caller's promise.
            let to = unsafe { std::slice::from_raw_parts_mut(first.add(range.start), range.len()) };
            convert(scratch, to, round);
        }
    }
}

/// Tensors of one shape, stored as `dtypes` say, whose values `f` sets: pieces of some rows of `width`
/// values, on all threads. With them, what `f` gives for each piece.
///
/// # Safety
/// `f` must set every value of its slices and read none before: they are not initialised.
pub(crate) unsafe fn written_in_pieces<const N: usize, R: Send>(
    shape: &Shape,
    width: usize,
    dtypes: [DType; N],
    f: impl Fn(Range<usize>, [&mut [f32]; N]) -> R + Sync,
) -> ([FlexTensor; N], Vec<R>) {
    let len = shape.num_elements();
    let size = rows_per_piece(width) * width.max(1);
    let mut rooms = dtypes.map(|dtype| Room::new(len, dtype));
    let places = rooms.each_mut().map(Room::place);
    let halves = places.iter().filter(|place| place.is_half()).count();
    let piece = |i: usize| {
        let range = i * size..((i + 1) * size).min(len);
        with_scratch(halves * range.len(), |scratch| {
            let mut rest = &mut *scratch;
            // SAFETY: pieces are disjoint, and lie in the rooms.
            let values = places.map(|place| unsafe {
                let own = if place.is_half() { range.len() } else { 0 };
                let (own, after) = std::mem::take(&mut rest).split_at_mut(own);
                rest = after;
                place.values(&range, own)
            });
            let result = f(range.clone(), values);
            let halves = places.iter().filter(|place| place.is_half());
            for (place, scratch) in halves.zip(scratch.chunks_exact(range.len().max(1))) {
                // SAFETY: as above.
                unsafe { place.store(&range, scratch) };
            }
            result
        })
    };
    let pieces = len.div_ceil(size);
    let results = match pieces {
        0 | 1 => (0..pieces).map(piece).collect(),
        _ => (0..pieces).into_par_iter().map(piece).collect(),
    };
    // SAFETY: the pieces are all there is, and the caller promises to set them.
    (rooms.map(|room| unsafe { room.tensor(shape.clone()) }), results)
}

/// A tensor stored as `dtype`, whose values `f` sets: blocks of `size` values, one after the other.
///
/// # Safety
/// As for [`written_in_pieces`].
pub(crate) unsafe fn written_in_blocks(
    shape: Shape,
    size: usize,
    dtype: DType,
    mut f: impl FnMut(Range<usize>, &mut [f32]),
) -> FlexTensor {
    let len = shape.num_elements();
    let mut room = Room::new(len, dtype);
    let place = room.place();
    for start in (0..len).step_by(size.max(1)) {
        let range = start..(start + size).min(len);
        with_scratch(if place.is_half() { range.len() } else { 0 }, |scratch| {
            // SAFETY: blocks are disjoint, and lie in the room.
            unsafe {
                f(range.clone(), place.values(&range, scratch));
                place.store(&range, scratch);
            }
        });
    }
    // SAFETY: the blocks are all there is, and the caller promises to set them.
    unsafe { room.tensor(shape) }
}

/// The nearest values in `bf16`.
pub(crate) fn rounded(from: &[f32]) -> Vec<bf16> {
    let mut room = Box::new_uninit_slice(from.len());
    convert(from, &mut room, round);
    // SAFETY: rounding writes a value for each.
    unsafe { room.assume_init() }.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_the_crate_half() {
        let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-40, f32::NAN];
        let patterns = (0..200_000u32).map(|i| f32::from_bits(i.wrapping_mul(0x9E37_79B1)));
        let values: Vec<f32> = special.into_iter().chain(patterns).collect();
        let stored = rounded(&values);
        for (value, stored) in values.iter().zip(&stored) {
            assert_eq!(stored.to_bits(), bf16::from_f32(*value).to_bits(), "{value}");
        }
        let wide = Values::Half(Cow::Borrowed(&stored)).all();
        for (stored, value) in stored.iter().zip(wide.iter()) {
            assert_eq!(stored.to_f32().to_bits(), value.to_bits());
        }
    }

    #[test]
    fn pieces_are_stored_as_they_are_asked_for() {
        let (rows, width) = (700, 50);
        let shape = Shape::from([rows, width]);
        let dtypes = [DType::BF16, DType::F32, DType::BF16];
        // SAFETY: all values are set.
        let (tensors, pieces) = unsafe {
            written_in_pieces(&shape, width, dtypes, |range, outs| {
                for (k, out) in outs.into_iter().enumerate() {
                    assert_eq!(out.len(), range.len());
                    for (i, out) in range.clone().zip(out) {
                        *out = (i % 200 + k) as f32;
                    }
                }
                range
            })
        };
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.start % width == 0));
        assert_eq!(tensors.each_ref().map(FlexTensor::dtype), dtypes);
        for (k, tensor) in tensors.iter().enumerate() {
            let values = Values::of(tensor).all();
            assert!(values.iter().enumerate().all(|(i, x)| *x == (i % 200 + k) as f32));
        }
    }
}
