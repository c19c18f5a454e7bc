//! Next-token loss on the answers of conversations (survey, Eq. 2): PT and SFT.

use std::sync::Arc;

use quintet_data::formats::Dataset;
use quintet_models::{
    Multimodal, Processor,
    multimodal::{Batch, Row, Side},
};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::{LossParts, Objective, error::BoxError};

/// Datasets with the share of samples that each gives, and the model they train.
pub struct Conversations<'a> {
    /// The model.
    pub model: &'a Multimodal,
    /// Text and pictures to tensors.
    pub processor: &'a Processor,
    /// Datasets and their weights.
    pub sources: Vec<Source>,
    /// Samples per micro-batch.
    pub batch: u32,
    /// Micro-batches per step.
    pub accumulate: u32,
    /// Seed of the order of samples.
    pub seed: u64,
}

/// A dataset of a mixture.
#[derive(Clone)]
pub struct Source {
    /// The samples.
    pub dataset: Arc<dyn Dataset>,
    /// Its share, in proportion to the other sources'.
    pub weight: f64,
    /// Whether the turns of a sample are questions of their own (see
    /// [`Processor::encode_turns`]).
    pub separate_turns: bool,
}

impl Conversations<'_> {
    /// Which sample is number `index` of the run: a source by weight, then a sample of a fresh
    /// shuffle of that source per pass.
    fn pick(&self, index: u64) -> (usize, usize) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(index);
        let total: f64 = self.sources.iter().map(|source| source.weight).sum();
        let mut left = rng.random::<f64>() * total;
        let mut chosen = 0;
        for (i, source) in self.sources.iter().enumerate() {
            chosen = i;
            left -= source.weight;
            if left <= 0.0 {
                break;
            }
        }
        let len = self.sources[chosen].dataset.len() as u64;
        if self.sources.len() > 1 {
            return (chosen, rng.random_range(0..len) as usize);
        }
        (chosen, permuted(index / len, index % len, len, self.seed))
    }

    fn row(&self, index: u64) -> Result<Row, BoxError> {
        let (source, sample) = self.pick(index);
        let source = &self.sources[source];
        let sample = source.dataset.get(sample)?;
        let row = match source.separate_turns {
            true => self.processor.encode_turns(&sample)?,
            false => self.processor.encode(&sample)?,
        };
        Ok(row)
    }
}

/// Place `at` of the shuffle of `len` samples for pass number `pass`.
fn permuted(pass: u64, at: u64, len: u64, seed: u64) -> usize {
    // A shuffle of blocks keeps this cheap for millions of rows and exact: each sample comes once
    // per pass.
    const BLOCK: u64 = 4096;
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    rng.set_stream(pass);
    let mut blocks: Vec<u64> = (0..len.div_ceil(BLOCK)).collect();
    blocks.shuffle(&mut rng);
    let mut before = 0;
    for block in blocks {
        let size = BLOCK.min(len - block * BLOCK);
        if at < before + size {
            let mut inside: Vec<u64> = (0..size).collect();
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ block);
            rng.set_stream(pass);
            inside.shuffle(&mut rng);
            return (block * BLOCK + inside[(at - before) as usize]) as usize;
        }
        before += size;
    }
    at as usize
}

impl Objective for Conversations<'_> {
    type Batch = Batch;

    fn batch(&self, step: u64, micro: u32) -> Result<Batch, BoxError> {
        let first = (step * u64::from(self.accumulate) + u64::from(micro)) * u64::from(self.batch);
        let rows = (first..first + u64::from(self.batch))
            .into_par_iter()
            .map(|index| self.row(index))
            .collect::<Result<Vec<_>, BoxError>>()?;
        Ok(Batch::new(rows, Side::Right))
    }

    fn loss(&self, batch: Batch) -> Result<LossParts, BoxError> {
        let (loss, supervised) = self.model.loss(&batch)?;
        Ok(LossParts {
            loss,
            weight: supervised as f64,
            samples: batch.size().0 as u64,
            tokens: batch.token_count() as u64,
            metrics: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::permuted;

    #[test]
    fn a_pass_visits_each_sample_once_and_passes_differ() {
        let order = |pass| (0..9000).map(|at| permuted(pass, at, 9000, 3)).collect::<Vec<_>>();
        let (first, second) = (order(0), order(1));
        assert_ne!(first, second);
        let mut sorted = first;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..9000));
    }
}
