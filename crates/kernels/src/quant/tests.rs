use burn::Tolerance;
use quintet_weights::DType;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::unrounded;

const TYPES: [DType; 10] = [
    DType::BF16,
    DType::F16,
    DType::Q4_0,
    DType::Q4_1,
    DType::Q5_0,
    DType::Q5_1,
    DType::Q8_0,
    DType::Q4K,
    DType::Q5K,
    DType::Q6K,
];

/// Blocks of random bits, whose half-precision scales are made small numbers.
fn matrix(dtype: DType, rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> QuantMatrix {
    let len = dtype.byte_len(&[rows, columns]).unwrap();
    let mut bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
    let halves: &[usize] = match dtype {
        DType::Q4_1 | DType::Q5_1 | DType::Q4K | DType::Q5K => &[0, 2],
        DType::Q6K => &[208],
        _ => &[0],
    };
    // Exponents of 2⁻⁷ to 2⁻⁴ in half precision, of 2⁻⁶³ to 1 in `bf16`; either sign.
    let (set, keep) = if dtype == DType::BF16 { (0x20, 0x9f) } else { (0x20, 0x8f) };
    for block in bytes.chunks_exact_mut(dtype.block_bytes()) {
        for &at in halves {
            block[at + 1] = block[at + 1] & keep | set;
        }
    }
    QuantMatrix::new(Raw::new(dtype, vec![rows, columns], bytes).unwrap()).unwrap()
}

fn noise(len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..len).map(|_| rng.random_range(-2.0f32..2.0)).collect()
}

/// Largest distance, in shares of the largest expected value.
fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1e-9f32, |most, x| most.max(x.abs()));
    found.iter().zip(expected).fold(0f32, |most, (a, b)| most.max((a - b).abs())) / size
}

/// Products in `f64` with the reference dequantisation.
fn plain(weight: &[f32], x: &[f32], columns: usize) -> Vec<f32> {
    let products = x.chunks_exact(columns).flat_map(|x| {
        weight.chunks_exact(columns).map(move |row| {
            row.iter().zip(x).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
        })
    });
    products.collect()
}

#[test]
fn unpacking_agrees_with_the_readers() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for dtype in TYPES {
        let weight = matrix(dtype, 5, 512, &mut rng);
        let expected = weight.raw.to_f32();
        let mut found = vec![0.0; expected.len()];
        weight.unpack(0, &mut found);
        assert!(worst(&found, &expected) < 1e-6, "{dtype}");
        assert_eq!(weight.select(&[3, 0])[..512], found[3 * 512..4 * 512], "{dtype}");
        let whole: Vec<f32> = weight.tensor(&Device::flex()).into_data().iter::<f32>().collect();
        assert_eq!(whole, found);
    }
}

#[test]
fn products_agree_with_the_reference() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for dtype in TYPES {
        for (m, rows, columns) in
            [(1, 7, 256), (3, 130, 512), (5, 64, 1024), (16, 33, 256), (70, 200, 512)]
        {
            let weight = matrix(dtype, rows, columns, &mut rng);
            let x = noise(m * columns, &mut rng);
            let mut found = vec![f32::NAN; m * rows];
            weight.multiply(&x, &mut found);
            let expected = plain(&weight.raw.to_f32(), &x, columns);
            // Activations are rounded to 1/127 of their largest, or to 8 bits.
            assert!(worst(&found, &expected) < 1e-2, "{dtype} {m} x {rows} x {columns}");
        }
    }
}

#[test]
fn several_products_are_the_same_as_each() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let [a, b] = [(DType::Q4K, 300), (DType::Q8_0, 70)]
        .map(|(dtype, rows)| matrix(dtype, rows, 256, &mut rng));
    for m in [1, 3, 20] {
        let x = TensorData::new(noise(m * 256, &mut rng), [1, m, 256]);
        let x = Tensor::<3>::from_data(x, &Device::flex());
        let together = quantised_linears(x.clone(), [&a, &b]);
        for (found, weight) in together.into_iter().zip([&a, &b]) {
            let expected = quantised_linear(x.clone(), weight).into_data();
            assert_eq!(found.into_data(), expected);
        }
    }
}

#[test]
fn whole_activations_lose_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for dtype in TYPES {
        let weight = matrix(dtype, 40, 768, &mut rng);
        // Each 32 hold 127 and else whole numbers: nothing is rounded.
        let x: Vec<f32> = (0..2 * 768)
            .map(|i| if i % 32 == 0 { 127.0 } else { rng.random_range(-127i32..=127) as f32 })
            .collect();
        let mut found = vec![0.0; 80];
        weight.multiply(&x, &mut found);
        assert!(worst(&found, &plain(&weight.raw.to_f32(), &x, 768)) < 2e-6, "{dtype}");
    }
}

#[test]
fn unrounded_products_lose_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for dtype in TYPES {
        for m in [1, 20] {
            let weight = matrix(dtype, 40, 768, &mut rng);
            let x = noise(m * 768, &mut rng);
            let mut found = vec![0.0; m * 40];
            unrounded(|| weight.multiply(&x, &mut found));
            assert!(worst(&found, &plain(&weight.raw.to_f32(), &x, 768)) < 2e-6, "{dtype} {m}");
        }
    }
}

#[test]
fn every_processor_computes_the_same() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for dtype in TYPES.into_iter().filter(|dtype| !rows::is_half(*dtype)) {
        let weight = matrix(dtype, 9, 512, &mut rng);
        let x = activations::Activations::new(&noise(2 * 512, &mut rng), 512);
        let (mut best, mut any) = (vec![0.0; 18], vec![0.0; 18]);
        rows::dots(dtype, weight.raw.bytes(), &x, &mut best);
        rows::plain_dots(dtype, weight.raw.bytes(), &x, &mut any);
        assert!(worst(&best, &any) < 1e-6, "{dtype}");
    }
}

#[test]
fn the_gradient_goes_to_the_activations_alone() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let weight = matrix(DType::Q4_1, 24, 64, &mut rng);
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::from_data(TensorData::new(noise(3 * 64, &mut rng), [3, 64]), &device);
    let dy = Tensor::<2>::from_data(TensorData::new(noise(3 * 24, &mut rng), [3, 24]), &device);
    let (a, b) = (x.clone().require_grad(), x.require_grad());
    let plain = linear(b.clone(), weight.tensor(&Device::flex()), None);
    let gradients = (quantised_linear(a.clone(), &weight) * dy.clone()).sum().backward();
    let expected = (plain * dy).sum().backward();
    let found = a.grad(&gradients).unwrap().into_data();
    found.assert_approx_eq::<f32>(
        &b.grad(&expected).unwrap().into_data(),
        Tolerance::absolute(1e-4),
    );
}

#[test]
fn other_types_have_no_kernels() {
    let raw = Raw::new(DType::F32, vec![1, 1], vec![0; 4]).unwrap();
    assert!(QuantMatrix::new(raw).is_none());
    let raw = Raw::new(DType::Q3K, vec![1, 256], vec![0; 110]).unwrap();
    assert!(QuantMatrix::new(raw).is_none());
}
