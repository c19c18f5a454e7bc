//! Which products may round their operands.

use std::{cell::Cell, thread::LocalKey};

use crate::gemm::tiles;

thread_local! {
    static MIXED: Cell<bool> = const { Cell::new(false) };
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

/// Whether products of quantised matrices started now leave what they multiply as it is.
pub(crate) fn keeps_operands() -> bool {
    UNROUNDED.get()
}
