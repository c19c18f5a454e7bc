//! Safetensors: hostile headers, and agreement with the reference implementation.

use std::collections::{BTreeMap, HashMap};

use quintet_weights::{DType, Error, Format, Result, SaveDType, Value, Weights, save_safetensors};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::assert_fails;

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn read(header: &str, data: &[u8]) -> Result<Weights> {
    parse(file(header, data))
}

fn parse(bytes: Vec<u8>) -> Result<Weights> {
    crate::parse(bytes, Format::Safetensors)
}

#[test]
fn plain_file() {
    let header = r#"{"__metadata__":{"format":"pt"},
        "b":{"dtype":"I16","shape":[2],"data_offsets":[8,12]},
        "a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#;
    let data = [0, 0, 128, 63, 0, 0, 0, 192, 1, 0, 255, 255];
    let weights = read(header, &data).unwrap();
    assert_eq!(weights.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(
        weights.info("a").map(|i| (i.dtype, i.shape.clone())),
        Some((DType::F32, vec![1, 2]))
    );
    assert_eq!(weights.f32("a").unwrap(), [1.0, -2.0]);
    assert_eq!(weights.f32("b").unwrap(), [1.0, -1.0]);
    assert_eq!(weights.raw("b").unwrap(), &data[8..]);
    assert_eq!(weights.metadata().get("format"), Some(&Value::String("pt".into())));
    assert_fails!(weights.f32("c"), Error::MissingTensor { .. }, "\"c\"");
}

/// Cut anywhere, a file is refused, whatever the reason.
#[test]
fn cut_short() {
    let whole = file(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, &[0; 8]);
    for len in 0..whole.len() {
        let error = parse(whole[..len].to_vec()).map(drop).unwrap_err();
        assert!(
            matches!(error, Error::Truncated { .. } | Error::OutOfBounds { .. }),
            "{len}: {error:?}"
        );
    }
    assert!(parse(whole).is_ok());
}

#[test]
fn hostile_headers() {
    let huge_header = [u64::MAX.to_le_bytes().as_slice(), b"{}"].concat();
    assert_fails!(parse(huge_header), Error::Limit { .. }, "header");
    let long_header = [99_000_000u64.to_le_bytes().as_slice(), b"{}"].concat();
    assert_fails!(parse(long_header), Error::Truncated { .. }, "header");
    assert_fails!(read("[]", &[]), Error::Malformed { .. }, "header");
    let deep = "[".repeat(100_000);
    assert_fails!(read(&format!(r#"{{"a":{deep}"#), &[]), Error::Malformed { .. }, "header");
    let negative = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#;
    assert_fails!(read(negative, &[]), Error::Malformed { .. }, "\"a\"");

    let kind = r#"{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}"#;
    assert_fails!(read(kind, &[0]), Error::UnsupportedDType { .. }, "\"a\"", "F8_E4M3");
    let overflow =
        format!(r#"{{"a":{{"dtype":"F32","shape":[{},{}],"data_offsets":[0,4]}}}}"#, 1u64 << 62, 8);
    assert_fails!(read(&overflow, &[0; 4]), Error::BadShape { .. }, "\"a\"");
}

#[test]
fn wrong_offsets() {
    let two = |a: [usize; 2], b: [usize; 2]| {
        format!(
            r#"{{"a":{{"dtype":"U8","shape":[{}],"data_offsets":{a:?}}},
                "b":{{"dtype":"U8","shape":[{}],"data_offsets":{b:?}}}}}"#,
            a[1] - a[0],
            b[1] - b[0]
        )
    };
    assert!(read(&two([0, 4], [4, 8]), &[0; 8]).is_ok());
    assert_fails!(read(&two([0, 5], [4, 8]), &[0; 8]), Error::Overlap { .. }, "\"a\"", "\"b\"");
    assert_fails!(read(&two([0, 4], [5, 8]), &[0; 8]), Error::Malformed { .. }, "\"b\"");
    assert_fails!(read(&two([0, 4], [4, 8]), &[0; 9]), Error::Malformed { .. }, "1 bytes");
    assert_fails!(read(&two([0, 4], [4, 9]), &[0; 8]), Error::OutOfBounds { .. }, "\"b\"");
    let end = usize::MAX - 1;
    assert_fails!(read(&two([0, 4], [4, end]), &[0; 8]), Error::OutOfBounds { .. }, "\"b\"");

    let short = r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#;
    assert_fails!(read(short, &[0; 8]), Error::SizeMismatch { .. }, "\"a\"", "12");
    let backwards = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#;
    assert_fails!(read(backwards, &[0; 8]), Error::SizeMismatch { .. }, "\"a\"");
    let twice = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
        "a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
    assert_fails!(read(twice, &[0; 2]), Error::DuplicateTensor { .. }, "\"a\"");
}

/// The reference implementation writes, we read: every type, random shapes and bytes.
#[test]
fn reads_what_the_reference_writes() {
    let types = [
        (Dtype::F64, DType::F64),
        (Dtype::F32, DType::F32),
        (Dtype::F16, DType::F16),
        (Dtype::BF16, DType::BF16),
        (Dtype::I64, DType::I64),
        (Dtype::I32, DType::I32),
        (Dtype::I16, DType::I16),
        (Dtype::I8, DType::I8),
        (Dtype::U64, DType::U64),
        (Dtype::U32, DType::U32),
        (Dtype::U16, DType::U16),
        (Dtype::U8, DType::U8),
        (Dtype::BOOL, DType::Bool),
    ];
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..20 {
        let tensors: Vec<_> = types
            .iter()
            .map(|&(theirs, ours)| {
                let shape = random_shape(&mut rng);
                let mut bytes = vec![0; ours.byte_len(&shape).unwrap()];
                rng.fill(&mut bytes[..]);
                (format!("tensor.{ours}"), theirs, ours, shape, bytes)
            })
            .collect();
        let views = tensors.iter().map(|(name, theirs, _, shape, bytes)| {
            (name.clone(), TensorView::new(*theirs, shape.clone(), bytes).unwrap())
        });
        let metadata = HashMap::from([("key".to_string(), "väl\"ue".to_string())]);
        let weights = parse(serialize(views, Some(metadata)).unwrap()).unwrap();
        assert_eq!(weights.names().len(), tensors.len());
        for (name, _, dtype, shape, bytes) in &tensors {
            let info = weights.info(name).unwrap();
            assert_eq!((info.dtype, &info.shape), (*dtype, shape));
            assert_eq!(weights.raw(name).unwrap(), bytes);
            assert_eq!(weights.f32(name).unwrap().len(), shape.iter().product::<usize>());
        }
        assert_eq!(weights.metadata().get("key"), Some(&Value::String("väl\"ue".into())));
    }
}

/// We write; the reference implementation and we read back the same.
#[test]
fn round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let mut rng = StdRng::seed_from_u64(2);
    for dtype in [SaveDType::F32, SaveDType::F16, SaveDType::BF16] {
        for round in 0..20 {
            let tensors: Vec<(String, Vec<usize>, Vec<f32>)> = (0..rng.random_range(0..6))
                .map(|i| {
                    let shape = random_shape(&mut rng);
                    let data = (0..shape.iter().product()).map(|_| rng.random_range(-9.0..9.0));
                    (format!("block.{i}.wéight"), shape.clone(), data.collect())
                })
                .collect();
            let metadata = BTreeMap::from([("round".to_string(), round.to_string())]);
            let written = tensors.iter().rev().map(|(n, s, d)| (n, s, d));
            save_safetensors(&path, written, dtype, &metadata).unwrap();

            let bytes = std::fs::read(&path).unwrap();
            let theirs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            assert_eq!(theirs.len(), tensors.len());
            let ours = Weights::open(&path).unwrap();
            assert_eq!(ours.metadata().get("round"), Some(&Value::String(round.to_string())));
            for (name, shape, data) in &tensors {
                assert_eq!(theirs.tensor(name).unwrap().shape(), shape);
                assert_eq!(ours.raw(name).unwrap(), theirs.tensor(name).unwrap().data());
                let expected: Vec<f32> = match dtype {
                    SaveDType::F32 => data.clone(),
                    SaveDType::F16 => data.iter().map(|&x| half::f16::from_f32(x).into()).collect(),
                    SaveDType::BF16 => {
                        data.iter().map(|&x| half::bf16::from_f32(x).into()).collect()
                    }
                };
                assert_eq!(ours.f32(name).unwrap(), expected);
            }
        }
    }
}

/// Up to four dimensions; now and then one of them is 0.
fn random_shape(rng: &mut StdRng) -> Vec<usize> {
    (0..rng.random_range(0..4)).map(|_| rng.random_range(0..7)).collect()
}
