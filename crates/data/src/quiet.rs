//! Libraries that panic where their input is broken.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// The result of `work`, or `None` if it panicked: for libraries that assert what files must hold.
pub fn quietly<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    QUIET.set(before);
    done
}

/// Whether this thread is within [`quietly`]: a panic hook has nothing to tell then.
pub fn is_quiet() -> bool {
    QUIET.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_within_is_quiet() {
        let nested = quietly(|| {
            assert_eq!(quietly(|| -> bool { panic!("expected by this test") }), None);
            is_quiet()
        });
        assert_eq!((nested, is_quiet()), (Some(true), false));
    }
}
