//! Torch zip files: goldens of `torch.save`, and hostile pickles.

use quintet_weights::{DType, Error, Format, Result, Value, Weights};

use crate::torch_zip::zip;
use crate::{assert_fails, assert_same, golden};

fn parse(bytes: Vec<u8>) -> Result<Weights> {
    crate::parse(bytes, Format::Torch)
}

/// Reads this pickle, beside a storage "0" of 64 bytes.
fn unpickle(pickle: &[u8]) -> Result<Weights> {
    parse(zip(&[("x/data.pkl", pickle), ("x/data/0", &[0; 64])]))
}

/// A pickle of one float tensor with these parts, each a pickled object.
fn tensor(storage_len: &[u8], offset: &[u8], shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let mut out = b"\x80\x02}X\x01\0\0\0tctorch._utils\n_rebuild_tensor_v2\n(".to_vec();
    out.extend(b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu");
    out.extend([storage_len, b"tQ", offset, shape, strides].concat());
    out.extend(b"\x89ccollections\nOrderedDict\n)RtRs.");
    out
}

#[test]
fn reads_what_torch_writes() {
    for name in ["state", "checkpoint", "protocol4"] {
        let ours = Weights::open(&golden(&format!("pth/{name}.pt"))).unwrap();
        assert_same(&ours, &Weights::open(&golden(&format!("pth/{name}.safetensors"))).unwrap());
    }
}

#[test]
fn types_views_and_metadata() {
    let weights = Weights::open(&golden("pth/checkpoint.pt")).unwrap();
    for (name, dtype) in [
        ("half", DType::F16),
        ("bfloat", DType::BF16),
        ("double", DType::F64),
        ("long", DType::I64),
        ("byte", DType::U8),
        ("flags", DType::Bool),
        ("wide", DType::U16),
        ("parameter", DType::F32),
        ("list.1.0", DType::F32),
    ] {
        assert_eq!(weights.info(name).unwrap().dtype, dtype, "{name}");
    }
    assert_eq!(weights.raw("tail").unwrap().len(), 3 * 4);
    let view = weights.raw("model.transposed").unwrap_err();
    assert!(
        matches!(view, Error::NotContiguous { ref tensor, .. } if tensor == "model.transposed")
    );

    let metadata = weights.metadata();
    assert_eq!(metadata.get("epoch"), Some(&Value::Signed(7)));
    assert_eq!(metadata.get("negative"), Some(&Value::Signed(-70_000)));
    assert_eq!(metadata.get("rate"), Some(&Value::Float(0.125)));
    assert_eq!(metadata.get("name"), Some(&Value::String("tiny".into())));
    assert_eq!(metadata.get("done"), Some(&Value::Bool(false)));
    assert_eq!(metadata.get("device"), Some(&Value::String("cpu".into())));
    assert_eq!(metadata.get("nothing"), None);
}

#[test]
fn calls_are_refused() {
    let system = b"\x80\x02cos\nsystem\nX\x02\0\0\0id\x85R.";
    assert_fails!(unpickle(system), Error::ForbiddenGlobal { .. }, "os.system");
    let stack_global = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.";
    assert_fails!(unpickle(stack_global), Error::ForbiddenGlobal { .. }, "posix.system");
    for global in [
        "builtins\neval",
        "torch\nload",
        "torch.hub\nload",
        "torch._utils\n_rebuild_wrapper_subclass",
        "collections\nCounter",
    ] {
        let pickle = format!("c{global}\n).");
        let name = global.replace('\n', ".");
        assert_fails!(unpickle(pickle.as_bytes()), Error::ForbiddenGlobal { .. }, &name);
    }
    // INST, OBJ, NEWOBJ, EXT1: other ways to call, not part of the language here.
    for pickle in
        [b"(ios\nsystem\n.".as_slice(), b"(o.", b"ccollections\nOrderedDict\n)\x81.", b"\x82\x01."]
    {
        assert_fails!(unpickle(pickle), Error::Malformed { .. }, "opcode");
    }
    // An allowed global, called with something that is no tensor.
    let odd = b"ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x02K\x03K\x04tR.";
    assert_fails!(unpickle(odd), Error::Malformed { .. }, "storage");
    assert_fails!(unpickle(b"ctorch\nFloatStorage\n)R."), Error::Malformed { .. }, "REDUCE");
}

#[test]
fn views_stay_in_their_storage() {
    let shape = |pickle: &[u8], shape: &[usize]| {
        assert_eq!(unpickle(pickle).unwrap().info("t").unwrap().shape, shape);
    };
    let (sixteen, zero) = (b"K\x10", b"K\0");
    shape(&tensor(sixteen, zero, b"K\x04K\x04\x86", b"K\x04K\x01\x86"), &[4, 4]);
    shape(&tensor(sixteen, b"K\x0f", b"K\x01\x85", b"K\x01\x85"), &[1]);
    shape(&tensor(sixteen, zero, b"K\0K\x7f\x86", b"K\x7fK\x01\x86"), &[0, 127]);

    let past_end = tensor(sixteen, b"K\x01", b"K\x10\x85", b"K\x01\x85");
    assert_fails!(unpickle(&past_end), Error::OutOfBounds { .. }, "\"t\"", "17");
    let wide_stride = tensor(sixteen, zero, b"K\x02\x85", b"K\x10\x85");
    assert_fails!(unpickle(&wide_stride), Error::OutOfBounds { .. }, "\"t\"");
    let max = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
    let overflow = tensor(
        sixteen,
        max,
        &[max.as_slice(), b"\x85"].concat(),
        &[max.as_slice(), b"\x85"].concat(),
    );
    assert_fails!(unpickle(&overflow), Error::OutOfBounds { .. }, "\"t\"");
    // A stride of 0 repeats one number as often as it likes.
    let repeated = tensor(sixteen, zero, &[max.as_slice(), b"\x85"].concat(), b"K\0\x85");
    assert_fails!(unpickle(&repeated), Error::SizeMismatch { .. }, "\"t\"");
    let negative = tensor(sixteen, b"J\xff\xff\xff\xff", b"K\x01\x85", b"K\x01\x85");
    assert_fails!(unpickle(&negative), Error::Malformed { .. }, "not negative");
    let uneven = tensor(sixteen, zero, b"K\x01\x85", b"K\x01K\x01\x86");
    assert_fails!(unpickle(&uneven), Error::Malformed { .. }, "strides");
    let many = [b"(".as_slice(), &b"K\x01".repeat(17), b"t"].concat();
    assert_fails!(unpickle(&tensor(sixteen, zero, &many, &many)), Error::Malformed { .. }, "16");

    let long_storage = tensor(b"K\x11", zero, b"K\x01\x85", b"K\x01\x85");
    assert_fails!(unpickle(&long_storage), Error::SizeMismatch { .. }, "\"t\"", "68");
    let no_storage = tensor(sixteen, zero, b"K\x01\x85", b"K\x01\x85");
    let lonely = parse(zip(&[("x/data.pkl", &no_storage)]));
    assert_fails!(lonely, Error::Malformed { .. }, "\"t\"", "data/0");
}

#[test]
fn hostile_structures() {
    // A dictionary that contains itself.
    let cycle = b"}q\0X\x01\0\0\0ah\0s.";
    assert_fails!(unpickle(cycle), Error::Limit { .. });
    // Thirty lists, each twice in the next: a billion paths.
    let mut doubling = b"]q\0".to_vec();
    doubling.extend(b"]q\x01(h\0h\0eh\x01q\0".repeat(30));
    doubling.push(b'.');
    assert_fails!(unpickle(&doubling), Error::Limit { .. }, "unfolded");
    let deep = [b"]".repeat(100_000), b"a".repeat(99_999), b".".to_vec()].concat();
    assert_fails!(unpickle(&deep), Error::Limit { .. }, "depth");
    let mut name = b"}X\xe8\x03\0\0".to_vec();
    name.extend([b'n'; 1000]);
    name.extend(b"K\x01s.");
    assert_fails!(unpickle(&name), Error::Limit { .. }, "name");
    assert_fails!(unpickle(b"X\xff\xff\xff\xff."), Error::Truncated { .. });
    for empty in [b".".as_slice(), b"t.", b"R.", b"q\0.", b"(q\0.", b"(R."] {
        assert_fails!(unpickle(empty), Error::Malformed { .. }, "stack");
    }
    assert_fails!(unpickle(b"h\x07."), Error::Malformed { .. }, "slot 7");
    assert_fails!(unpickle(b"K\x01"), Error::Truncated { .. }, "pickle");
}

#[test]
fn wrong_zip_files() {
    let pickle: (&str, &[u8]) = ("x/data.pkl", b"}.");
    let whole = zip(&[pickle]);
    assert!(parse(whole.clone()).is_ok());
    for len in 0..whole.len() {
        assert!(parse(whole[..len].to_vec()).is_err(), "accepted when cut to {len} bytes");
    }
    assert_fails!(parse(whole[..40].to_vec()), Error::Malformed { .. }, "end record");
    assert_fails!(parse(zip(&[("x/other", b"")])), Error::Malformed { .. }, "data.pkl");
    assert_fails!(
        parse(zip(&[pickle, ("y/data.pkl", b"}.")])),
        Error::Malformed { .. },
        "data.pkl"
    );
    let big = parse(zip(&[pickle, ("x/byteorder", b"big")]));
    assert_fails!(big, Error::Malformed { .. }, "byte order", "big");

    let directory = whole.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let patched = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        parse(file)
    };
    let (flags, method) = (directory + 8, directory + 10);
    assert_fails!(patched(method, &[8]), Error::Malformed { .. }, "x/data.pkl", "compression 8");
    assert_fails!(patched(flags, &[1]), Error::Malformed { .. }, "x/data.pkl", "encryption");
    let sizes = [0xf0; 8];
    assert_fails!(patched(directory + 20, &sizes), Error::Truncated { .. }, "x/data.pkl");
    let offset = [0xf0; 4];
    assert_fails!(patched(directory + 42, &offset), Error::Truncated { .. }, "x/data.pkl");
    let end = whole.len() - 22;
    assert_fails!(patched(end + 10, &[0xff, 0xff]), Error::Malformed { .. }, "directory");
    assert_fails!(patched(end + 16, &[0xff; 4]), Error::Truncated { .. }, "directory");
}
