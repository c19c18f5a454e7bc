#![no_main]

mod laws;
#[path = "../../tests/weights/torch_zip.rs"]
mod torch_zip;

use libfuzzer_sys::fuzz_target;
use quintet_weights::Format;

// Zip files as they are; anything else is a pickle, put into a sound zip file so that the search
// reaches the unpickler.
fuzz_target!(|data: &[u8]| {
    let bytes = if data.starts_with(b"PK") {
        data.to_vec()
    } else {
        torch_zip::zip(&[("x/data.pkl", data), ("x/data/0", &[1; 64]), ("x/data/1", &[2; 8])])
    };
    laws::check(bytes, Format::Torch);
});
