#![no_main]

mod laws;

use libfuzzer_sys::fuzz_target;
use quintet_weights::Format;

fuzz_target!(|data: &[u8]| laws::check(data.to_vec(), Format::Gguf));
