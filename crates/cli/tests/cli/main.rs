//! The binary, as a person or a script meets it.

mod answers;
mod benchmarks;
mod broken;
mod datasets;
mod disk;
mod endpoint;
#[cfg(unix)]
mod interrupt;
mod listing;
mod marks;
mod ode;
mod program;
mod tensors;
mod training;

#[path = "../../../weights/tests/weights/gguf_file.rs"]
#[allow(dead_code)]
mod gguf_file;
#[path = "../../../weights/tests/weights/torch_zip.rs"]
mod torch_zip;
