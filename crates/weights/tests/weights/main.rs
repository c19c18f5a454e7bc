//! The readers, through the public front, on files built here and on goldens.

mod directory;
mod gguf;
mod gguf_file;
mod safetensors;
mod save;
mod torch;
mod torch_zip;

use std::path::{Path, PathBuf};

use quintet_weights::{Format, Result, Weights};

/// A file of the goldens; `QUINTET_GOLDEN` points at another root, such as one made with a new
/// seed.
fn golden(name: &str) -> PathBuf {
    let root = std::env::var_os("QUINTET_GOLDEN")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden"), PathBuf::from);
    root.join(name)
}

fn parse(bytes: Vec<u8>, format: Format) -> Result<Weights> {
    Weights::from_bytes(Path::new("test-input"), bytes, format)
}

/// Asserts that reading fails with an error that matches the pattern, and that the message names
/// the file and each of the texts.
macro_rules! assert_fails {
    ($result:expr, $pattern:pat $(, $text:expr)*) => {{
        let error = $result.map(drop).expect_err("a broken file was accepted");
        assert!(matches!(error, $pattern), "another error: {error:?}");
        let message = error.to_string();
        assert!(message.contains("test-input"), "the file is not named: {message}");
        $(assert!(message.contains($text), "{:?} is not named: {message}", $text);)*
    }};
}
use assert_fails;

/// Asserts that two files hold the same tensors, values within a relative 1e-6.
fn assert_same(ours: &Weights, expected: &Weights) {
    assert!(expected.names().len() > 0);
    assert_eq!(ours.names().collect::<Vec<_>>(), expected.names().collect::<Vec<_>>());
    for name in expected.names() {
        let shape = |w: &Weights| w.info(name).map(|i| i.shape.clone());
        assert_eq!(shape(ours), shape(expected), "{name}");
        assert_close(name, &ours.f32(name).unwrap(), &expected.f32(name).unwrap());
    }
}

fn assert_close(name: &str, ours: &[f32], expected: &[f32]) {
    assert_eq!(ours.len(), expected.len(), "{name}");
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 1e-6 * b.abs().max(1e-3), "{name}[{i}]: {a}, expected {b}");
    }
}
