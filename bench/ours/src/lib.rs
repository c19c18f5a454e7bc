//! What our contestants share.

mod protocol;

pub use protocol::{ids, serve};

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: quintet_kernels::Recycler = quintet_kernels::Recycler::new();
