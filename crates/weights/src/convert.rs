//! Stored numbers to `f32`.

use half::{bf16, f16};

use crate::DType;
use crate::gguf::quant::{q2_k, q3_k, q4_0, q4_1, q4_k, q5_0, q5_1, q5_k, q6_k, q8_0};

/// Every number of `bytes`, a whole number of `dtype` blocks. Wide integers and `f64` are rounded
/// to the nearest `f32`; a bool is 0 or 1.
pub(crate) fn to_f32(dtype: DType, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        DType::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        DType::F32 => each(bytes, f32::from_le_bytes),
        DType::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        DType::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        DType::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
        DType::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
        DType::I16 => each(bytes, |b| i16::from_le_bytes(b).into()),
        DType::I8 => each(bytes, |b| i8::from_le_bytes(b).into()),
        DType::U64 => each(bytes, |b| u64::from_le_bytes(b) as f32),
        DType::U32 => each(bytes, |b| u32::from_le_bytes(b) as f32),
        DType::U16 => each(bytes, |b| u16::from_le_bytes(b).into()),
        DType::U8 => each(bytes, |b| u8::from_le_bytes(b).into()),
        DType::Bool => each(bytes, |b: [u8; 1]| f32::from(b != [0])),
        DType::Q4_0 => blocks(bytes, q4_0::dequantize),
        DType::Q4_1 => blocks(bytes, q4_1::dequantize),
        DType::Q5_0 => blocks(bytes, q5_0::dequantize),
        DType::Q5_1 => blocks(bytes, q5_1::dequantize),
        DType::Q8_0 => blocks(bytes, q8_0::dequantize),
        DType::Q2K => blocks(bytes, q2_k::dequantize),
        DType::Q3K => blocks(bytes, q3_k::dequantize),
        DType::Q4K => blocks(bytes, q4_k::dequantize),
        DType::Q5K => blocks(bytes, q5_k::dequantize),
        DType::Q6K => blocks(bytes, q6_k::dequantize),
    }
}

fn each<const N: usize>(bytes: &[u8], decode: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&b| decode(b)).collect()
}

fn blocks<const B: usize, const N: usize>(
    bytes: &[u8],
    dequantize: impl Fn(&[u8; B], &mut [f32; N]),
) -> Vec<f32> {
    let blocks = bytes.as_chunks().0;
    let mut out = vec![0.0; blocks.len() * N];
    for (block, out) in blocks.iter().zip(out.as_chunks_mut().0) {
        dequantize(block, out);
    }
    out
}

/// The elements of a strided view in row-major order. `bytes` starts at the view's first element
/// and holds its last; `size` is the bytes of an element.
pub(crate) fn gather(bytes: &[u8], size: usize, shape: &[usize], strides: &[usize]) -> Vec<u8> {
    let count: usize = shape.iter().product();
    let mut out = Vec::with_capacity(count * size);
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    for _ in 0..count {
        out.extend_from_slice(&bytes[at * size..(at + 1) * size]);
        for ((i, &dim), &stride) in index.iter_mut().zip(shape).zip(strides).rev() {
            *i += 1;
            if *i < dim {
                at += stride;
                break;
            }
            at -= (dim - 1) * stride;
            *i = 0;
        }
    }
    out
}
