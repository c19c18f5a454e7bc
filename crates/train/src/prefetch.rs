//! Batches made in the background while the model computes.

use std::{
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use crate::{Error, Objective, Result};

/// Micro-batches in order.
pub(crate) struct Batches<B> {
    queue: Receiver<Result<B>>,
}

impl<B> Batches<B> {
    /// The next micro-batch, waiting for it if need be.
    pub(crate) fn next(&self, step: u64, micro: u32) -> Result<B> {
        self.queue.recv().unwrap_or_else(|_| {
            let source = "the thread that makes batches has stopped".into();
            Err(Error::Objective { step: step + 1, micro, source })
        })
    }
}

/// Runs `consume` while one worker makes the micro-batches of `steps`, at most `depth` ahead.
///
/// The worker ends when `consume` returns, at the latest after the batch in hand.
pub(crate) fn with_batches<O: Objective, R>(
    objective: &O,
    steps: std::ops::Range<u64>,
    accumulate: u32,
    depth: usize,
    consume: impl FnOnce(Batches<O::Batch>) -> R,
) -> R {
    thread::scope(|scope| {
        let (sender, queue) = sync_channel(depth);
        scope.spawn(move || {
            for step in steps {
                for micro in 0..accumulate {
                    let batch = objective.batch(step, micro).map_err(|source| Error::Objective {
                        step: step + 1,
                        micro,
                        source,
                    });
                    let failed = batch.is_err();
                    if sender.send(batch).is_err() || failed {
                        return;
                    }
                }
            }
        });
        consume(Batches { queue })
    })
}
