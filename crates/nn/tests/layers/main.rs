//! Laws of single layers.

mod attention;
mod lora;
mod mask;
mod norm;
mod rope;

use burn::{Device, Tensor, TensorData};

/// Numbers that look random and are the same everywhere.
pub(crate) fn numbers(len: usize, salt: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + salt * 104_729 + 13) % 1009) as f32 / 504.5 - 1.0).collect()
}

pub(crate) fn tensor<const D: usize>(shape: [usize; D], salt: usize) -> Tensor<D> {
    let data = TensorData::new(numbers(shape.iter().product(), salt), shape);
    Tensor::from_data(data, &Device::flex())
}

pub(crate) fn values<const D: usize>(x: &Tensor<D>) -> Vec<f32> {
    x.clone().into_data().iter::<f32>().collect()
}

pub(crate) fn assert_close(ours: &[f32], theirs: &[f32], tolerance: f32, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}: lengths");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= tolerance, "{what}: value {i} is {a}, expected {b}");
    }
}
