//! Mixed precision: which products may round their operands to `bf16`.

use std::cell::Cell;

use crate::gemm::tiles;

thread_local! {
    static MIXED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` with matrix products in mixed precision: operands rounded to `bf16`, sums in `f32`
/// (Micikevicius et al., 2018). Weights, gradients and everything between products stay `f32`.
///
/// Counts for operations that this thread starts within `f`, and for their backward passes
/// wherever those run. Without [`has_fast_bf16`] nothing changes.
pub fn mixed_precision<T>(f: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            MIXED.set(self.0);
        }
    }
    let _restore = Restore(MIXED.replace(true));
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
