//! What our contestants share.

mod ensembles;
mod protocol;
mod training;

pub use ensembles::Asked;
pub use protocol::{ids, noise, serve};
pub use training::{as_a_step, precision, serve_steps};

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: quintet_kernels::Recycler = quintet_kernels::Recycler::new();
