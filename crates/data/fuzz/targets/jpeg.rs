#![no_main]

// The decoder's own files: it needs nothing of the rest of the crate, which would take minutes to
// build with instrumentation.
#[path = "../../src/media/jpeg/mod.rs"]
mod jpeg;

use libfuzzer_sys::fuzz_target;

/// Far below the real limit, so that a large picture that is rightly decoded is not slow.
const MAX_PIXELS: u64 = 1 << 16;

fn check_size(width: u64, height: u64) -> Result<(), String> {
    match width.checked_mul(height) {
        Some(1..=MAX_PIXELS) => Ok(()),
        _ => Err("size".into()),
    }
}

// Nothing may panic; what is decoded is a picture of an allowed size, and its metadata came from
// the file.
fuzz_target!(|data: &[u8]| {
    let Ok(jpeg) = jpeg::decode(data, check_size) else { return };
    let (width, height) = jpeg.image.dimensions();
    check_size(width.into(), height.into()).expect("a size that was not asked about");
    let metadata =
        [jpeg.exif, jpeg.xmp].into_iter().flatten().map(|bytes| bytes.len()).sum::<usize>();
    assert!(metadata <= data.len(), "more metadata than file");
});
