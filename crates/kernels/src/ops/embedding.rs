//! Tables of vectors that are looked up.

use std::{ops::Range, sync::Arc};

use burn::{Int, Shape, Tensor, module};
use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::{
    bridge::{BackwardPass, Kernel, input, run, tensor, values},
    storage::{Values, written_in_pieces},
};

/// Parts of a table that threads add gradients to.
const PARTS: usize = 16;

/// The rows of `table` with these numbers.
///
/// The gradient is made of the rows that were looked up: memory of the others is never written, so that
/// a large vocabulary costs what a text uses of it.
///
/// # Shapes
/// - table: `[count, d]`
/// - ids: `[b, t]`
/// - output: `[b, t, d]`
///
/// # Panics
/// If a number is not below `count`.
pub fn embedding(table: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    let Some(tracked) = input(&table) else { return module::embedding(table, ids) };
    let ([count, _], [b, t]) = (table.dims(), ids.dims());
    let ids: Arc<[usize]> = ids.into_data().iter::<i64>().map(|id| id as usize).collect();
    assert!(ids.iter().all(|&id| id < count), "a number outside a table of {count} rows");
    run(Lookup { ids, shape: [b, t] }, [tracked])
}

#[derive(Clone, Debug)]
struct Lookup {
    ids: Arc<[usize]>,
    shape: [usize; 2],
}

impl Kernel<1> for Lookup {
    fn forward(&self, [table]: [FlexTensor; 1]) -> (FlexTensor, [usize; 2]) {
        let [count, d] = table.shape().dims::<2>();
        let rows = Values::of(&table);
        let [b, t] = self.shape;
        let piece = |range: Range<usize>, [found]: [&mut [f32]; 1]| {
            let ids = &self.ids[range.start / d..];
            for (found, id) in found.chunks_exact_mut(d).zip(ids) {
                rows.part(id * d..(id + 1) * d, |row| found.copy_from_slice(row));
            }
        };
        let shape = Shape::from([b, t, d]);
        // SAFETY: every row is set.
        let ([found], _) = unsafe { written_in_pieces(&shape, d, [table.dtype()], piece) };
        (found, [count, d])
    }
}

impl BackwardPass<1> for Lookup {
    /// The table's shape.
    type Saved = [usize; 2];

    fn backward(
        &self,
        [count, d]: [usize; 2],
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let gradient = values(&gradient);
        let mut table = vec![0f32; count * d];
        let rows = count.div_ceil(PARTS);
        // Each thread looks for its own rows, so that each sum is in the order of the numbers.
        table.par_chunks_mut((rows * d).max(1)).enumerate().for_each(|(i, part)| {
            let own = i * rows..(i + 1) * rows;
            for (id, gradient) in self.ids.iter().zip(gradient.chunks_exact(d)) {
                if own.contains(id) {
                    let row = &mut part[(id - own.start) * d..][..d];
                    row.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
                }
            }
        });
        [Some(tensor(table, Shape::from([count, d])))]
    }
}
