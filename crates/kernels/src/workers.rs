//! Running many operations in a row on the threads that share their work.

use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rayon::Yield;

/// Looks for work in vain after which a thread lets others have the processor.
const PATIENCE: u32 = 64;

/// Runs `f` on one of the threads that operations share their work among, and keeps the others
/// awake: waking one takes longer than many operations do.
pub fn on_workers<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| {
        let awake = Awake::new();
        let result = f();
        drop(awake);
        result
    })
}

/// While it lives, the other threads look for work without sleeping.
struct Awake(Arc<AtomicBool>);

impl Awake {
    fn new() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (caller, seen) = (rayon::current_thread_index(), over.clone());
        rayon::spawn_broadcast(move |context| {
            // The caller finds this too when it waits for a part of its own work.
            if Some(context.index()) != caller {
                look_for_work(&seen);
            }
        });
        Self(over)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn look_for_work(over: &AtomicBool) {
    let mut idle = 0u32;
    while !over.load(Ordering::Acquire) {
        if rayon::yield_now() == Some(Yield::Executed) {
            idle = 0;
            continue;
        }
        idle += 1;
        if idle.is_multiple_of(PATIENCE) {
            thread::yield_now();
        } else {
            hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_and_calls_may_nest() {
        use rayon::prelude::*;
        let sum = on_workers(|| {
            let sum = |n: u64| (0..n).into_par_iter().sum::<u64>();
            sum(1000) + on_workers(|| sum(100))
        });
        assert_eq!(sum, 999 * 500 + 99 * 50);
    }

    #[test]
    fn a_panic_lets_the_others_go() {
        let over = Arc::new(std::sync::Mutex::new(None));
        let kept = over.clone();
        let outcome = std::panic::catch_unwind(move || {
            on_workers(|| {
                let awake = Awake::new();
                *kept.lock().unwrap() = Some(awake.0.clone());
                panic!("as tested");
            })
        });
        assert!(outcome.is_err());
        assert!(over.lock().unwrap().take().unwrap().load(Ordering::Acquire));
    }
}
