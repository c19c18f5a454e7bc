//! What `Weights::open` finds behind a path.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use quintet_weights::{Error, SaveDType, Weights, save_safetensors};
use tempfile::TempDir;

use crate::{assert_fails, golden};

fn save(path: &Path, name: &str, x: f32) {
    save_safetensors(path, [(name, [1], [x])], SaveDType::F32, &BTreeMap::new()).unwrap();
}

/// A directory whose path holds "test-input", which `assert_fails` looks for.
fn dir() -> TempDir {
    tempfile::Builder::new().prefix("test-input").tempdir().unwrap()
}

#[test]
fn one_file_in_a_directory() {
    let dir = dir();
    assert_fails!(Weights::open(dir.path()), Error::NoWeights { .. }, "model.safetensors");
    fs::copy(golden("gguf/small.gguf"), dir.path().join("a.gguf")).unwrap();
    assert!(Weights::open(dir.path()).unwrap().info("matrix.f32").is_some());
    fs::copy(golden("gguf/small.gguf"), dir.path().join("b.gguf")).unwrap();
    assert_fails!(Weights::open(dir.path()), Error::SeveralGguf { .. }, "a.gguf", "b.gguf");
    fs::copy(golden("pth/state.pt"), dir.path().join("pytorch_model.bin")).unwrap();
    assert!(Weights::open(dir.path()).unwrap().info("0.weight").is_some());
    save(&dir.path().join("model.safetensors"), "x", 1.0);
    assert_eq!(Weights::open(dir.path()).unwrap().names().collect::<Vec<_>>(), ["x"]);
}

#[test]
fn shards() {
    let dir = dir();
    let index = dir.path().join("model.safetensors.index.json");
    let write = |map: &str| {
        fs::write(&index, format!(r#"{{"metadata":{{}},"weight_map":{map}}}"#)).unwrap();
    };
    save(&dir.path().join("one.safetensors"), "x", 1.0);
    save(&dir.path().join("two.safetensors"), "y", 2.0);

    write(r#"{"x":"one.safetensors","y":"two.safetensors"}"#);
    for path in [dir.path(), &index] {
        let weights = Weights::open(path).unwrap();
        assert_eq!(weights.f32("x").unwrap(), [1.0]);
        assert_eq!(weights.f32("y").unwrap(), [2.0]);
    }

    write(r#"{"x":"one.safetensors","y":"three.safetensors"}"#);
    assert_fails!(Weights::open(dir.path()), Error::Io { action: "open", .. }, "three.safetensors");
    write(r#"{"x":"one.safetensors","z":"two.safetensors"}"#);
    assert_fails!(Weights::open(dir.path()), Error::NotInShard { .. }, "\"z\"", "two.safetensors");
    write(r#"{"x":"two.safetensors","y":"one.safetensors"}"#);
    assert_fails!(Weights::open(dir.path()), Error::NotInShard { .. }, "\"x\"");
    for outside in ["../one.safetensors", "/etc/passwd", "a/one.safetensors", ".."] {
        write(&format!(r#"{{"x":"{outside}"}}"#));
        assert_fails!(Weights::open(dir.path()), Error::Malformed { .. }, outside);
    }
    write("[]");
    assert_fails!(Weights::open(dir.path()), Error::Malformed { .. }, "weight_map");

    save(&dir.path().join("two.safetensors"), "x", 3.0);
    write(r#"{"x":"one.safetensors","y":"two.safetensors"}"#);
    assert_fails!(Weights::open(dir.path()), Error::DuplicateTensor { .. }, "\"x\"");
}

#[test]
fn not_weights() {
    let dir = dir();
    let file = dir.path().join("model.safetensors");
    let write = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        Weights::open(&file)
    };
    assert_fails!(Weights::open(&file), Error::Io { action: "open", .. });
    assert_fails!(write(b""), Error::Truncated { .. });
    assert_fails!(write(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."), Error::BarePickle { .. });
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
    assert_fails!(write(pointer), Error::LfsPointer { .. });
    let text = dir.path().join("notes.txt");
    fs::write(&text, "these are no weights at all").unwrap();
    assert_fails!(Weights::open(&text), Error::UnknownFormat { .. });
}

#[test]
fn check_names_every_fault() {
    let dir = dir();
    let file = dir.path().join("model.safetensors");
    let tensors = [("a", [2], [1.0, 2.0]), ("b", [2], [1.0, 2.0]), ("c", [2], [1.0, 2.0])];
    save_safetensors(&file, tensors, SaveDType::F32, &BTreeMap::new()).unwrap();
    let weights = Weights::open(&file).unwrap();
    let two: &[usize] = &[2];
    weights.check([("a", two), ("b", two), ("c", two)]).unwrap();
    assert_fails!(
        weights.check([("a", two), ("b", &[1, 2][..]), ("d", two)]),
        Error::Mismatch { .. },
        "\"b\" is [2], expected [1, 2]",
        "\"c\" is not part of the model",
        "\"d\" is missing"
    );
}

#[test]
fn weights_cross_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Weights>();
}
