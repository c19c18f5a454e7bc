//! Square windows that attention stays within.

use burn::Tensor;

/// Cuts images into windows of `side × side` tokens; zeros fill those that reach over the right and
/// lower edge.
///
/// # Shapes
/// - x: `[b, h, w, d]`
/// - output: `[b · windows, side², d]`
pub fn partition(x: Tensor<4>, side: usize) -> Tensor<3> {
    let [b, h, w, d] = x.dims();
    let [rows, columns] = [h.div_ceil(side), w.div_ceil(side)];
    let whole = [b, rows * side, columns * side, d];
    let x = if [h, w] == [whole[1], whole[2]] {
        x
    } else {
        let zeros = Tensor::zeros(whole, (&x.device(), x.dtype()));
        zeros.slice_assign([0..b, 0..h, 0..w, 0..d], x)
    };
    x.reshape([b, rows, side, columns, side, d]).permute([0, 1, 3, 2, 4, 5]).reshape([
        b * rows * columns,
        side * side,
        d,
    ])
}

/// Undoes [`partition`].
///
/// # Shapes
/// - windows: `[b · windows, side², d]`
/// - output: `[b, h, w, d]`
pub fn join(windows: Tensor<3>, side: usize, [b, h, w]: [usize; 3]) -> Tensor<4> {
    let d = windows.dims()[2];
    let [rows, columns] = [h.div_ceil(side), w.div_ceil(side)];
    windows
        .reshape([b, rows, columns, side, side, d])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([b, rows * side, columns * side, d])
        .slice([0..b, 0..h, 0..w, 0..d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use quintet_testing::{difference, noise};

    #[test]
    fn windows_joined_are_the_image() {
        for (size, side) in [([2, 6, 4, 3], 2), ([1, 5, 7, 2], 4), ([1, 3, 3, 1], 5)] {
            let [b, h, w, d] = size;
            let x = noise(1, size);
            let windows = partition(x.clone(), side);
            let count = h.div_ceil(side) * w.div_ceil(side);
            assert_eq!(windows.dims(), [b * count, side * side, d]);
            assert_eq!(difference(&join(windows, side, [b, h, w]), &x), 0.0);
        }
        // The first window is the upper left corner, row by row; beyond the edge are zeros.
        let x = noise(2, [1, 3, 5, 1]);
        let first = partition(x.clone(), 2).narrow(0, 0, 1).reshape([1, 2, 2, 1]);
        assert_eq!(difference(&first, &x.slice([0..1, 0..2, 0..2, 0..1])), 0.0);
        let ones = Tensor::ones([1, 3, 5, 1], &burn::Device::flex());
        assert_eq!(partition(ones, 2).sum().into_scalar::<f32>(), 15.0);
    }
}
