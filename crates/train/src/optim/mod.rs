//! Optimisers and what feeds them.

mod adamw;
mod gradients;

pub use adamw::{AdamW, AdamWConfig, Group};
pub use gradients::GradientSum;

/// Values per unit of parallel work. Fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 1 << 14;
