//! Fused operations with hand-written backward passes, for the CPU.
//!
//! Each operation stands beside a plain composition of tensor operations that gives the same
//! values; tensors on other devices, or of other number kinds, take that one. This is the only
//! crate of the project with `unsafe`.
//!
//! Matrix products take their operands in `f32`. Inside [`mixed_precision`] they are rounded to
//! `bf16` where the processor multiplies that kind in hardware, and summed in `f32`. Activations may be
//! stored in `bf16` ([`half_storage`]); each operation computes in `f32` and stores what it gives as
//! what it was given. Gradients are `f32`.

mod bridge;
mod gemm;
mod lanes;
mod ops;
mod precision;
mod quant;
#[cfg(target_os = "linux")]
mod recycler;
mod storage;
mod workers;

pub use ops::{
    attention::attention,
    cross_entropy::{mean_cross_entropy, mean_cross_entropy_values},
    elementwise::{Pointwise, gated, pointwise},
    embedding::embedding,
    linear::linear,
    norm::{layer_norm, rms_norm},
    residual::{add, add_layer_norm, add_rms_norm, single},
    rope::rotate,
};
pub use precision::{half_storage, has_fast_bf16, mixed_precision, unrounded};
pub use quant::{QuantMatrix, quantised_linear, quantised_linears};
#[cfg(target_os = "linux")]
pub use recycler::Recycler;
pub use workers::on_workers;
