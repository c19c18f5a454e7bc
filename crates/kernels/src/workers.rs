//! Running many operations in a row on the threads that share their work.

use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rayon::Yield;

/// Looks for work in vain after which a thread lets others have the processor.
const PATIENCE: u32 = 64;
/// Time without work after which a thread goes to sleep during a call of [`on_workers`], and
/// after it: calls often follow on one another, one for each token.
const LONGEST: [Duration; 2] = [Duration::from_millis(4), Duration::from_micros(200)];
/// How long the others may take to wake up before the work begins without them.
const HEAD_START: Duration = Duration::from_micros(200);

static WORKERS: Workers = Workers::new();

/// Runs `f` on one of the threads that operations share their work among, and keeps the others
/// awake: waking one takes longer than many operations do.
pub fn on_workers<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    WORKERS.run(f)
}

/// What the threads do.
struct Workers {
    /// Calls of [`on_workers`] that are going on.
    calls: AtomicUsize,
    /// Threads that look for work without sleeping.
    awake: AtomicUsize,
}

/// Counts one more while it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Workers {
    const fn new() -> Self {
        Self { calls: AtomicUsize::new(0), awake: AtomicUsize::new(0) }
    }

    fn run<R: Send>(&'static self, f: impl FnOnce() -> R + Send) -> R {
        rayon::scope(|_| {
            let _call = Counted::new(&self.calls);
            self.wake_others();
            f()
        })
    }

    /// Asks the threads that sleep to stay awake, and waits a moment for them.
    ///
    /// A thread that waits for a part of somebody's work may find the request just then. It must not
    /// follow it: what stands below on its stack would wait as long as it stays. So a request counts
    /// only until the caller's work begins; and as the part may belong to another call, nobody looks
    /// longer than [`LONGEST`] in vain.
    fn wake_others(&'static self) {
        let others = rayon::current_num_threads().saturating_sub(self.calls.load(Ordering::SeqCst));
        if self.awake.load(Ordering::SeqCst) >= others {
            return;
        }
        let begun = Arc::new(AtomicBool::new(false));
        let (caller, seen) = (rayon::current_thread_index(), begun.clone());
        rayon::spawn_broadcast(move |context| {
            // The caller finds this too when it waits for a part of its own work.
            if Some(context.index()) != caller && !seen.load(Ordering::SeqCst) {
                let _awake = Counted::new(&self.awake);
                // Whoever is counted before the beginning takes no part of the work with it.
                if !seen.load(Ordering::SeqCst) {
                    self.look_for_work();
                }
            }
        });
        let start = Instant::now();
        while self.awake.load(Ordering::SeqCst) < others && start.elapsed() < HEAD_START {
            hint::spin_loop();
        }
        begun.store(true, Ordering::SeqCst);
    }

    fn look_for_work(&self) {
        let (mut idle, mut since) = (0u32, Instant::now());
        loop {
            if rayon::yield_now() == Some(Yield::Executed) {
                (idle, since) = (0, Instant::now());
                continue;
            }
            idle += 1;
            if !idle.is_multiple_of(PATIENCE) {
                hint::spin_loop();
                continue;
            }
            let [during, after] = LONGEST;
            let longest = if self.calls.load(Ordering::SeqCst) > 0 { during } else { after };
            if since.elapsed() > longest {
                return;
            }
            thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{self, AssertUnwindSafe};

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

    /// Two threads, and what they do.
    fn pair() -> (rayon::ThreadPool, &'static Workers) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        (pool, Box::leak(Box::new(Workers::new())))
    }

    /// Whether this comes true within `time`.
    fn within(time: Duration, what: impl Fn() -> bool) -> bool {
        let start = Instant::now();
        while !what() && start.elapsed() < time {
            thread::yield_now();
        }
        what()
    }

    #[test]
    fn the_other_thread_stays_awake_until_the_end() {
        let (pool, workers) = pair();
        let awake = || workers.awake.load(Ordering::SeqCst);
        // On a busy machine it may come too late for one call.
        let came = || pool.install(|| workers.run(|| awake() == 1));
        assert!(within(Duration::from_secs(60), came));
        assert!(within(Duration::from_secs(60), || awake() == 0));
        let outcome =
            panic::catch_unwind(AssertUnwindSafe(|| pool.install(|| workers.run(|| panic!()))));
        assert!(outcome.is_err() && workers.calls.load(Ordering::SeqCst) == 0);
        assert!(within(Duration::from_secs(60), || awake() == 0));
    }

    #[test]
    fn who_comes_after_the_beginning_does_not_stay() {
        let (pool, workers) = pair();
        let [held, go] = [AtomicBool::new(false), AtomicBool::new(false)];
        let is = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
        pool.scope(|scope| {
            scope.spawn(|_| {
                held.store(true, Ordering::SeqCst);
                while !is(&go) {
                    thread::yield_now();
                }
            });
            // This thread does not look for work meanwhile, so that the other has to.
            assert!(within(Duration::from_secs(60), || is(&held)));
            workers.run(|| {
                go.store(true, Ordering::SeqCst);
                let stays =
                    within(Duration::from_millis(50), || workers.awake.load(Ordering::SeqCst) > 0);
                assert!(!stays);
            });
        });
    }
}
