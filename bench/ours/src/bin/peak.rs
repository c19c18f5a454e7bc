//! What the machine can do: `peak` prints the bytes read in a second, and the floating-point
//! operations of products in f32 and in mixed precision, the best of some tries.

use std::time::Instant;

use burn::{Device, Tensor, TensorData};
use quintet_train::Precision;
use rayon::prelude::*;
use serde_json::json;

/// Bytes that no cache holds.
const BYTES: usize = 1 << 30;
/// Side of the matrices.
const SIDE: usize = 2048;
const TRIES: usize = 9;

fn main() {
    let data = vec![1u64; BYTES / 8];
    let read = best(|| {
        let sum: u64 = data.par_chunks(1 << 16).map(|part| part.iter().sum::<u64>()).sum();
        assert_eq!(sum as usize, data.len());
    });
    let matrix = || {
        let values = quintet_bench::noise(SIDE * SIDE);
        Tensor::<2>::from_data(TensorData::new(values, [SIDE, SIDE]), &Device::flex())
    };
    let (a, b) = (matrix(), matrix());
    let product = |precision| {
        let operations = 2.0 * (SIDE as f64).powi(3);
        let multiply = || quintet_kernels::linear(a.clone(), b.clone(), None);
        operations / best(|| drop(quintet_bench::as_a_step(precision, multiply)))
    };
    let found = json!({
        "bytes_per_s": BYTES as f64 / read,
        "f32_per_s": product(Precision::Single),
        "mixed_per_s": product(Precision::Mixed),
    });
    println!("{found}");
}

/// Seconds of the fastest try.
fn best(f: impl Fn()) -> f64 {
    let seconds = (0..TRIES).map(|_| {
        let begun = Instant::now();
        f();
        begun.elapsed().as_secs_f64()
    });
    seconds.fold(f64::INFINITY, f64::min)
}
