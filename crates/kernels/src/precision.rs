//! Which products may round their operands.

use std::{cell::Cell, thread::LocalKey};

use burn::DType;

use crate::gemm::tiles;

thread_local! {
    static MIXED: Cell<bool> = const { Cell::new(false) };
    static HALF: Cell<bool> = const { Cell::new(false) };
    static UNROUNDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` with matrix products in mixed precision: operands rounded to `bf16`, sums in `f32`
/// (Micikevicius et al., 2018). Weights, gradients and everything between products stay `f32`.
///
/// Counts for operations that this thread starts within `f`, and for their backward passes
/// wherever those run. Without [`has_fast_bf16`] nothing changes.
pub fn mixed_precision<T>(f: impl FnOnce() -> T) -> T {
    within(&MIXED, f)
}

/// Runs `f` with what lies between a norm and the next residual sum stored in `bf16`: norms of `f32`
/// give `bf16`, and operations on that kind give it again. What a backward pass keeps takes little more
/// than half of the memory. Weights, residual sums, gradients and losses stay `f32`, and so does
/// arithmetic.
///
/// Counts for norms that this thread starts within `f`, on the CPU.
pub fn half_storage<T>(f: impl FnOnce() -> T) -> T {
    within(&HALF, f)
}

/// Runs `f` with products of quantised matrices that do not round what they multiply: slower, for
/// the few whose outcome decides much.
///
/// Counts for operations that this thread starts within `f`.
pub fn unrounded<T>(f: impl FnOnce() -> T) -> T {
    within(&UNROUNDED, f)
}

/// Runs `f` with the flag set.
fn within<T>(flag: &'static LocalKey<Cell<bool>>, f: impl FnOnce() -> T) -> T {
    struct Restore(&'static LocalKey<Cell<bool>>, bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }
    let _restore = Restore(flag, flag.replace(true));
    f()
}

/// Whether this processor multiplies `bf16` matrices in hardware (Intel AMX).
pub fn has_fast_bf16() -> bool {
    tiles::available()
}

/// Whether products started now run in mixed precision.
pub(crate) fn mixed() -> bool {
    MIXED.get() && tiles::available()
}

/// What a norm of numbers of this kind gives.
pub(crate) fn normed(dtype: DType) -> DType {
    if HALF.get() && dtype == DType::F32 { DType::BF16 } else { dtype }
}

/// Whether products of quantised matrices started now leave what they multiply as it is.
pub(crate) fn keeps_operands() -> bool {
    UNROUNDED.get()
}
