//! Some requests at a time.

use std::{
    ops::ControlFlow,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Does `work` on the jobs in at most `threads` threads and hands each result, with its job's
/// number, to `each`, one at a time, in the order in which they are done.
///
/// Jobs are drawn only when a thread is free. After [`ControlFlow::Break`] no job is begun; those
/// that run on other threads are finished, and their results are still handed over.
pub fn in_parallel<Job, Done>(
    jobs: impl IntoIterator<Item = Job, IntoIter: Send>,
    threads: usize,
    work: impl Fn(Job) -> Done + Sync,
    each: impl FnMut(usize, Done) -> ControlFlow<()> + Send,
) {
    let jobs = Mutex::new(jobs.into_iter().enumerate());
    let each = Mutex::new(each);
    let stop = AtomicBool::new(false);
    let next = || if stop.load(Ordering::SeqCst) { None } else { hold(&jobs).next() };
    let worker = || {
        while let Some((number, job)) = next() {
            let done = work(job);
            if hold(&each)(number, done).is_break() {
                stop.store(true, Ordering::SeqCst);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(worker);
        }
    });
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, time::Duration};

    use super::*;

    #[test]
    fn every_job_is_done_once_and_never_too_many_at_a_time() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |n: usize| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(2));
            running.fetch_sub(1, Ordering::SeqCst);
            n * n
        };
        let mut seen = Vec::new();
        in_parallel(0..40, 4, work, |number, done| {
            assert_eq!(done, number * number);
            seen.push(number);
            ControlFlow::Continue(())
        });
        seen.sort_unstable();
        assert_eq!(seen, (0..40).collect::<Vec<_>>());
        let most = most.into_inner();
        assert!((2..=4).contains(&most), "{most} at a time");
    }

    #[test]
    fn after_a_break_no_job_begins_and_none_is_lost() {
        let begun = AtomicUsize::new(0);
        let work = |_| {
            begun.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(2));
        };
        let mut handed = 0;
        in_parallel(0..1000, 3, work, |_, ()| {
            handed += 1;
            if handed == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let begun = begun.into_inner();
        assert_eq!(begun, handed);
        assert!((5..=7).contains(&begun), "{begun}");
    }
}
