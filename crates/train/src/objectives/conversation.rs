//! Next-token loss on the answers of conversations (survey, Eq. 2): PT and SFT.

use std::sync::Arc;

use quintet_data::formats::Dataset;
use quintet_models::{
    Multimodal, Processor,
    multimodal::{Batch, Row, Side},
};
use rand::{SeedableRng, seq::SliceRandom};
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
    /// Which sample is number `index` of the run: a source by weight, then the next sample of that
    /// source, which shuffles them anew for each pass.
    fn pick(&self, index: u64) -> (usize, usize) {
        let weights: Vec<f64> = self.sources.iter().map(|source| source.weight).collect();
        let (source, number) = share(&weights, index, self.seed);
        let dataset = &self.sources[source].dataset;
        let (len, block) = (dataset.len() as u64, dataset.block().max(1) as u64);
        (source, permuted((number / len, number % len), (len, block), self.seed))
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

/// Samples that sources have their share of.
const BLOCK: u64 = 4096;

/// The source that sample number `index` comes from, and its number among those of that source. In
/// each block a source has the same part, its share or at least one sample.
fn share(weights: &[f64], index: u64, seed: u64) -> (usize, u64) {
    let total: f64 = weights.iter().sum();
    let parts =
        weights.iter().map(|weight| ((weight / total * BLOCK as f64).round() as u64).max(1));
    let mut parts: Vec<u64> = parts.collect();
    // What rounding adds or leaves is too little to be seen in the largest.
    let excess = parts.iter().sum::<u64>() as i64 - BLOCK as i64;
    if let Some(largest) = parts.iter_mut().max() {
        *largest = largest.saturating_add_signed(-excess);
    }
    let mut order: Vec<usize> = parts
        .iter()
        .enumerate()
        .flat_map(|(source, part)| (0..*part).map(move |_| source))
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x3177);
    rng.set_stream(index / BLOCK);
    order.shuffle(&mut rng);
    let (before, rest) = order.split_at((index % BLOCK) as usize);
    let source = rest[0];
    let earlier = before.iter().filter(|other| **other == source).count() as u64;
    (source, index / BLOCK * parts[source] + earlier)
}

/// Place `at` of the shuffle of `len` samples for pass number `pass`: each sample comes once. Blocks are
/// shuffled, and the samples of each.
fn permuted((pass, at): (u64, u64), (len, block): (u64, u64), seed: u64) -> usize {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    rng.set_stream(pass);
    let mut blocks: Vec<u64> = (0..len.div_ceil(block)).collect();
    blocks.shuffle(&mut rng);
    let mut before = 0;
    for number in blocks {
        let size = block.min(len - number * block);
        if at < before + size {
            let mut inside: Vec<u64> = (0..size).collect();
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ number);
            rng.set_stream(pass);
            inside.shuffle(&mut rng);
            return (number * block + inside[(at - before) as usize]) as usize;
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
    use super::{BLOCK, permuted, share};

    #[test]
    fn a_pass_visits_each_sample_once_and_passes_differ() {
        for block in [4096, 1000, 1] {
            let place = |pass, at| permuted((pass, at), (9000, block), 3);
            let order = |pass| (0..9000).map(|at| place(pass, at)).collect::<Vec<_>>();
            let (first, second) = (order(0), order(1));
            assert_ne!(first, second);
            let mut sorted = first;
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..9000));
        }
    }

    #[test]
    fn a_mixture_takes_the_samples_of_each_source_in_turn_by_its_share() {
        let weights = [0.3, 0.1, 0.6, 1e-9];
        let mut next = [0; 4];
        for index in 0..3 * BLOCK {
            let (source, number) = share(&weights, index, 7);
            assert_eq!(number, next[source]);
            next[source] += 1;
        }
        let shares = next.map(|count| count as f64 / (3 * BLOCK) as f64);
        for (share, weight) in shares.into_iter().zip(weights) {
            assert!((share - weight).abs() < 4e-4, "{share} of {weight}");
        }
        assert_eq!(next[3], 3);
        let first = |seed| (0..64).map(|index| share(&weights, index, seed).0).collect::<Vec<_>>();
        assert_ne!(first(1), first(2));
        assert_eq!(share(&[2.0], 12_345, 1), (0, 12_345));
    }
}
