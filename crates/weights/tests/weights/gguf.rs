//! GGUF: goldens of the `gguf` Python package, and hostile headers.

use quintet_weights::{DType, Error, Format, Result, Value, Weights};

use crate::gguf_file::{GgufFile, array, pair, tensor, text};
use crate::{assert_close, assert_fails, assert_same, golden};

const U8: u32 = 0;
const U32: u32 = 4;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;
const F32_TENSOR: u32 = 0;
const Q4_0_TENSOR: u32 = 2;

fn read(file: &GgufFile) -> Result<Weights> {
    parse(file.bytes())
}

fn parse(bytes: Vec<u8>) -> Result<Weights> {
    crate::parse(bytes, Format::Gguf)
}

#[test]
fn every_block_type_decodes_as_the_reference() {
    let types = [
        ("Q4_0", 2, DType::Q4_0),
        ("Q4_1", 3, DType::Q4_1),
        ("Q5_0", 6, DType::Q5_0),
        ("Q5_1", 7, DType::Q5_1),
        ("Q8_0", 8, DType::Q8_0),
        ("Q2_K", 10, DType::Q2K),
        ("Q3_K", 11, DType::Q3K),
        ("Q4_K", 12, DType::Q4K),
        ("Q5_K", 13, DType::Q5K),
        ("Q6_K", 14, DType::Q6K),
    ];
    let expected = Weights::open(&golden("gguf/blocks.safetensors")).unwrap();
    for (name, kind, dtype) in types {
        let raw = expected.raw(&format!("{name}.raw")).unwrap();
        let values = format!("{name}.values");
        let shape = expected.info(&values).unwrap().shape.clone();
        let dims = [shape[1] as u64, shape[0] as u64];
        let file = GgufFile {
            tensors: vec![tensor(name, &dims, kind, 0)],
            data: raw.to_vec(),
            ..GgufFile::default()
        };
        let weights = read(&file).unwrap();
        let info = weights.info(name).unwrap();
        assert_eq!((info.dtype, &info.shape), (dtype, &shape));
        assert_eq!(dtype.to_string(), name);
        assert_eq!(weights.raw(name).unwrap(), raw);
        assert_close(name, &weights.f32(name).unwrap(), &expected.f32(&values).unwrap());
    }
}

#[test]
fn whole_file() {
    let weights = Weights::open(&golden("gguf/small.gguf")).unwrap();
    assert_same(&weights, &Weights::open(&golden("gguf/small.safetensors")).unwrap());
    assert_eq!(weights.info("cube.f16").unwrap().dtype, DType::F16);
    assert_eq!(weights.info("brain.bf16").unwrap().dtype, DType::BF16);

    let metadata = |key: &str| weights.metadata().get(key).unwrap();
    assert_eq!(metadata("general.architecture").as_str(), Some("llama"));
    assert_eq!(metadata("test.u8"), &Value::Unsigned(200));
    assert_eq!(metadata("test.i8"), &Value::Signed(-100));
    assert_eq!(metadata("test.u16"), &Value::Unsigned(60_000));
    assert_eq!(metadata("test.i16"), &Value::Signed(-30_000));
    assert_eq!(metadata("test.u32"), &Value::Unsigned(4_000_000_000));
    assert_eq!(metadata("test.i32"), &Value::Signed(-2_000_000_000));
    assert_eq!(metadata("test.u64"), &Value::Unsigned((1 << 63) + 5));
    assert_eq!(metadata("test.i64"), &Value::Signed(-(1 << 62)));
    assert_eq!(metadata("test.f32"), &Value::Float(0.25));
    assert_eq!(metadata("test.f64"), &Value::Float(0.1));
    assert_eq!(metadata("test.bool"), &Value::Bool(true));
    assert_eq!(metadata("test.text").as_str(), Some("Grüße, 世界"));
    let ints: Vec<_> =
        metadata("test.ints").as_array().unwrap().iter().map(Value::as_i64).collect();
    assert_eq!(ints, [Some(1), Some(-2), Some(3)]);
}

#[test]
fn embedded_tokenizer() {
    let weights = Weights::open(&golden("gguf/small.gguf")).unwrap();
    let tokenizer = weights.gguf_tokenizer().unwrap().unwrap();
    assert_eq!(tokenizer.model, "gpt2");
    assert_eq!(tokenizer.pre.as_deref(), Some("smollm"));
    assert_eq!(tokenizer.tokens, ["<s>", "</s>", "a", "b", "ab"]);
    assert_eq!(tokenizer.scores, [0.0, 0.0, -1.0, -2.0, -3.5]);
    assert_eq!(tokenizer.types, [3, 3, 1, 1, 1]);
    assert_eq!(tokenizer.merges, ["a b"]);
    assert_eq!((tokenizer.bos, tokenizer.eos), (Some(0), Some(1)));
    assert_eq!((tokenizer.unknown, tokenizer.padding), (None, None));
    assert_eq!((tokenizer.add_bos, tokenizer.add_eos), (Some(false), None));
    assert_eq!(tokenizer.chat_template.as_deref(), Some("{{ messages[0].content }}"));
}

#[test]
fn wrong_tokenizers() {
    let tokenizer = |pairs: Vec<Vec<u8>>| {
        let model = pair("tokenizer.ggml.model", TEXT, &text("gpt2"));
        let tokens = [text("a"), text("b")].concat();
        let tokens = pair("tokenizer.ggml.tokens", ARRAY, &array(TEXT, 2, &tokens));
        let pairs = [vec![model, tokens], pairs].concat();
        read(&GgufFile { pairs, ..GgufFile::default() }).unwrap().gguf_tokenizer()
    };
    assert_eq!(tokenizer(vec![]).unwrap().unwrap().tokens, ["a", "b"]);
    let id = |n: u32| pair("tokenizer.ggml.eos_token_id", U32, &n.to_le_bytes());
    assert_eq!(tokenizer(vec![id(1)]).unwrap().unwrap().eos, Some(1));
    assert_fails!(tokenizer(vec![id(2)]), Error::Malformed { .. }, "eos_token_id", "2 tokens");
    let types = pair("tokenizer.ggml.token_type", ARRAY, &array(U8, 1, &[1]));
    assert_fails!(tokenizer(vec![types]), Error::Malformed { .. }, "token_type", "2 tokens");
    let merges = pair("tokenizer.ggml.merges", ARRAY, &array(U8, 1, &[1]));
    assert_fails!(tokenizer(vec![merges]), Error::Malformed { .. }, "merges", "texts");
    assert!(read(&GgufFile::default()).unwrap().gguf_tokenizer().unwrap().is_none());
}

#[test]
fn hostile_counts() {
    let counts = |tensor_count, pair_count| GgufFile {
        tensor_count: Some(tensor_count),
        pair_count: Some(pair_count),
        ..GgufFile::default()
    };
    assert_fails!(read(&counts(u64::MAX, 0)), Error::Limit { .. }, "tensor count");
    assert_fails!(read(&counts(0, u64::MAX)), Error::Limit { .. }, "metadata count");
    assert_fails!(read(&counts(1 << 40, 0)), Error::Limit { .. }, "tensor count");

    let metadata = |kind, value: &[u8]| {
        read(&GgufFile { pairs: vec![pair("the.key", kind, value)], ..GgufFile::default() })
    };
    let endless = u64::MAX.to_le_bytes();
    assert_fails!(metadata(TEXT, &endless), Error::Limit { .. }, "the.key");
    let long = 1_000_000u64.to_le_bytes();
    assert_fails!(metadata(TEXT, &long), Error::Truncated { .. }, "the.key");
    assert_fails!(metadata(ARRAY, &array(U8, u64::MAX, &[])), Error::Limit { .. }, "the.key");
    assert_fails!(metadata(ARRAY, &array(TEXT, 1 << 60, &[])), Error::Limit { .. }, "the.key");
    let nested = array(ARRAY, 1, &[]).repeat(50);
    assert_fails!(metadata(ARRAY, &nested), Error::Limit { .. }, "depth", "the.key");
    let many = array(U8, (1 << 24) + 1, &vec![0; (1 << 24) + 1]);
    assert_fails!(metadata(ARRAY, &many), Error::Limit { .. }, "the.key");
    assert_fails!(metadata(99, &[0]), Error::Malformed { .. }, "the.key", "99");
    assert_fails!(metadata(7, &[2]), Error::Malformed { .. }, "the.key");
    let broken = [&2u64.to_le_bytes()[..], &[0xff, 0xfe]].concat();
    assert_fails!(metadata(TEXT, &broken), Error::Malformed { .. }, "the.key", "UTF-8");
}

#[test]
fn versions() {
    let version = |version| read(&GgufFile { version, ..GgufFile::default() });
    assert!(version(2).is_ok());
    assert_fails!(version(1), Error::Malformed { .. }, "version", "found 1");
    assert_fails!(version(4), Error::Malformed { .. }, "version", "found 4");
    assert_fails!(version(3u32.swap_bytes()), Error::Malformed { .. }, "big-endian");
    assert_fails!(parse(b"GGML".to_vec()), Error::Malformed { .. }, "magic");
}

#[test]
fn wrong_tensors() {
    let tensors = |tensors: Vec<Vec<u8>>| {
        read(&GgufFile { tensors, data: vec![0; 64], ..GgufFile::default() })
    };
    let one = |dims: &[u64], kind, offset| tensors(vec![tensor("the.tensor", dims, kind, offset)]);
    assert_eq!(one(&[8, 2], F32_TENSOR, 0).unwrap().info("the.tensor").unwrap().shape, [2, 8]);
    assert_fails!(one(&[17], F32_TENSOR, 0), Error::OutOfBounds { .. }, "the.tensor");
    assert_fails!(one(&[8], F32_TENSOR, 64), Error::OutOfBounds { .. }, "the.tensor");
    assert_fails!(one(&[8], F32_TENSOR, u64::MAX - 31), Error::OutOfBounds { .. }, "the.tensor");
    assert_fails!(one(&[8], F32_TENSOR, 4), Error::Malformed { .. }, "the.tensor", "32");
    assert_fails!(one(&[1 << 62, 8], F32_TENSOR, 0), Error::BadShape { .. }, "the.tensor");
    assert_fails!(one(&[16, 2], Q4_0_TENSOR, 0), Error::BadShape { .. }, "the.tensor", "Q4_0");
    assert_fails!(one(&[1; 5], F32_TENSOR, 0), Error::Limit { .. }, "the.tensor", "dimensions");
    assert_fails!(one(&[32], 16, 0), Error::UnsupportedDType { .. }, "the.tensor", "16");

    let two = |second, offset| {
        tensors(vec![
            tensor("first", &[8], F32_TENSOR, 0),
            tensor(second, &[8], F32_TENSOR, offset),
        ])
    };
    assert!(two("second", 32).is_ok());
    assert_fails!(two("second", 0), Error::Overlap { .. }, "first", "second");
    assert_fails!(two("first", 32), Error::DuplicateTensor { .. }, "first");
}

#[test]
fn metadata_twice_and_wrong_alignment() {
    let key = |value: u32| pair("general.alignment", U32, &value.to_le_bytes());
    let read = |pairs| read(&GgufFile { pairs, ..GgufFile::default() });
    assert!(read(vec![key(64)]).is_ok());
    assert_fails!(read(vec![key(64), key(64)]), Error::Malformed { .. }, "general.alignment");
    for wrong in [0, 3, 1 << 31] {
        assert_fails!(read(vec![key(wrong)]), Error::Malformed { .. }, "general.alignment");
    }
}

#[test]
fn cut_short() {
    let whole = std::fs::read(golden("gguf/small.gguf")).unwrap();
    for len in 0..whole.len() - 32 {
        let result = parse(whole[..len].to_vec());
        assert!(
            matches!(
                result.as_ref().err(),
                Some(Error::Truncated { .. } | Error::OutOfBounds { .. } | Error::Limit { .. })
            ),
            "{len}: {:?}",
            result.err()
        );
    }
}
