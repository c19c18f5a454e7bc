//! What must hold for any bytes whatever.

use std::path::Path;

use quintet_weights::{Format, Weights};

/// Reads the bytes; if they are accepted, reads every tensor too. Nothing may panic, and each
/// tensor has as many numbers as its shape says.
pub fn check(bytes: Vec<u8>, format: Format) {
    let Ok(weights) = Weights::from_bytes(Path::new("input"), bytes, format) else { return };
    for name in weights.names() {
        let info = weights.info(name).expect("a listed tensor has no info");
        let numbers = weights.f32(name).expect("a listed tensor cannot be read");
        assert_eq!(numbers.len(), info.shape.iter().product::<usize>());
        if let Ok(raw) = weights.raw(name) {
            assert_eq!(Some(raw.len()), info.dtype.byte_len(&info.shape));
        }
    }
    drop(weights.gguf_tokenizer());
}
