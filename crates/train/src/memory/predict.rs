//! Predicted peak memory of one training step.
//!
//! The peak lies at the beginning of the backward pass: weights, optimiser state, the batch, and
//! every activation that a backward operation will read. From then on activations are freed block
//! by block, and the gradients that take their place are smaller except in models with few tokens;
//! both moments are computed and the larger one counts.
//!
//! The constants are for the CPU. `tests/memory.rs` holds them to measured peaks: a change of what
//! the layers keep for their backward pass is a change of these numbers.
//!
//! Letters: `n` tokens in the batch (all sequences together), `d` width, `f` width of the MLP.

use std::fmt;

use serde::Serialize;

use super::human;

/// Bytes of an `f32`.
const F32: u64 = 4;
/// Bytes of a `bf16`.
const BF16: u64 = 2;

/// `n·d` values kept by the two norms of a block: their outputs, which linear maps read.
const NORM_VALUES: u64 = 2;
/// `n·d` values kept by attention on the query side: the queries, and the joined heads.
const QUERY_VALUES: u64 = 2;
/// `n·(key width)` values kept on the key and value side: keys and values.
const KEY_VALUE_VALUES: u64 = 2;
/// `n·f` values kept by a gated MLP: both projections and the product.
const GATED_MLP_VALUES: u64 = 3;
/// `n·f` values kept by a plain MLP: projection and activation.
const MLP_VALUES: u64 = 2;
/// `n·d` values kept by the two residual sums.
const RESIDUAL_VALUES: u64 = 2;
/// AdamW keeps `m` and `v`.
const MOMENTS: u64 = 2;
/// Bytes that the allocator keeps for reuse ([`quintet_kernels::Recycler`]).
const KEPT: u64 = 32 << 20;

/// How a tower takes part in the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flow {
    /// No gradient goes through: only one block is in memory at a time.
    #[default]
    Forward,
    /// Gradients go through, whether its own weights learn or not.
    Backward,
}

/// A stack of transformer blocks with its load.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Transformer {
    /// Shown in the table.
    pub name: String,
    /// Blocks.
    pub layers: u64,
    /// Width of the residual stream.
    pub width: u64,
    /// Width of keys (and of values), all heads together: less than `width` with grouped queries.
    pub key_width: u64,
    /// Width of the MLP.
    pub mlp_width: u64,
    /// Whether the MLP is gated (SwiGLU).
    pub gated: bool,
    /// Sequences in the micro-batch (pictures for an encoder).
    pub sequences: u64,
    /// Tokens per sequence, padding and visual tokens included.
    pub tokens: u64,
    /// Its part in the backward pass.
    pub flow: Flow,
    /// Whether linear maps keep what they read. Those whose weights stay in half precision or quantised
    /// have no gradient that would need it, unless an adapter does.
    pub keeps_inputs: bool,
    /// Values per token and block between the two factors of adapters: the sum of their ranks.
    pub adapter_values: u64,
}

/// Everything a training step holds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Load {
    /// Values in trained parameters (held in `f32`).
    pub trainable: u64,
    /// Bytes of frozen parameters as they are held. Those in a mapped file count too: they could be
    /// dropped and read again, but every step reads them all.
    pub frozen_bytes: u64,
    /// The towers.
    pub towers: Vec<Transformer>,
    /// Whether what lies between a norm and a residual sum is stored in `bf16`.
    pub half_storage: bool,
    /// Values of logits, and of what the loss makes of them.
    pub logit_values: u64,
    /// Bytes of one micro-batch as the objective makes it (pixels, ids).
    pub batch_bytes: u64,
    /// Micro-batches in memory at once: the one in use, those in the queue, the one being made.
    pub batches: u64,
    /// Whether gradients of several micro-batches are summed up.
    pub accumulates: bool,
    /// Memory in use before the model is built: the program, the dataset's index, decoders.
    pub baseline: u64,
}

/// Predicted bytes by part, at the peak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// All parameters.
    pub weights: u64,
    /// Gradients alive at the peak.
    pub gradients: u64,
    /// Moments.
    pub optimiser: u64,
    /// Activations of each tower.
    pub activations: Vec<(String, u64)>,
    /// Logits and what the loss makes of them.
    pub logits: u64,
    /// What the allocator keeps.
    pub allocator: u64,
    /// Batches.
    pub batch: u64,
    /// The rest of the process.
    pub baseline: u64,
}

impl Transformer {
    /// Bytes that one block keeps for its backward pass.
    fn block_bytes(&self, half_storage: bool) -> u64 {
        let n = self.sequences * self.tokens;
        let in_mlp = if self.gated { GATED_MLP_VALUES } else { MLP_VALUES };
        let read = u64::from(self.keeps_inputs);
        let between = n * self.width * (NORM_VALUES * read + QUERY_VALUES)
            + n * self.key_width * KEY_VALUE_VALUES
            + n * self.mlp_width * (in_mlp - 1 + read)
            + n * self.adapter_values;
        let stored = if half_storage { BF16 } else { F32 };
        F32 * n * self.width * RESIDUAL_VALUES + stored * between
    }

    fn bytes(&self, half_storage: bool) -> u64 {
        let blocks = match self.flow {
            Flow::Forward => 1,
            Flow::Backward => self.layers,
        };
        self.block_bytes(half_storage) * blocks
    }
}

/// Predicts the peak of a training step.
pub fn predict(load: &Load) -> Prediction {
    let logits = F32 * load.logit_values;
    let bytes = |tower: &Transformer| (tower.name.clone(), tower.bytes(load.half_storage));
    let activations: Vec<(String, u64)> = load.towers.iter().map(bytes).collect();
    let gradients = F32 * load.trainable;
    // While activations are at their most, the only gradients are those of earlier micro-batches.
    let early = if load.accumulates { gradients } else { 0 };
    let active = logits + activations.iter().map(|(_, bytes)| bytes).sum::<u64>();
    let at_backward_start = active + early;
    let at_update = gradients + early;
    let (activations, logits, gradients_held) = if at_backward_start >= at_update {
        (activations, logits, early)
    } else {
        let none = activations.into_iter().map(|(name, _)| (name, 0)).collect();
        (none, 0, at_update)
    };
    Prediction {
        weights: F32 * load.trainable + load.frozen_bytes,
        gradients: gradients_held,
        optimiser: F32 * MOMENTS * load.trainable,
        activations,
        logits,
        allocator: KEPT,
        batch: load.batch_bytes * load.batches,
        baseline: load.baseline,
    }
}

impl Prediction {
    /// The sum of all parts.
    pub fn total(&self) -> u64 {
        self.rows().iter().map(|(_, bytes)| bytes).sum()
    }

    /// The parts that take anything, largest first.
    pub(super) fn in_one_line(&self) -> String {
        let mut rows = self.rows();
        rows.retain(|(_, bytes)| *bytes > 0);
        rows.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let parts = rows.iter().map(|(name, bytes)| format!("{name} {}", human(*bytes)));
        parts.collect::<Vec<_>>().join(", ")
    }

    fn rows(&self) -> Vec<(String, u64)> {
        let mut rows = vec![
            ("weights".to_owned(), self.weights),
            ("gradients".to_owned(), self.gradients),
            ("optimiser".to_owned(), self.optimiser),
        ];
        rows.extend(
            self.activations.iter().map(|(name, bytes)| (format!("{name} activations"), *bytes)),
        );
        rows.push(("logits".to_owned(), self.logits));
        rows.push(("allocator".to_owned(), self.allocator));
        rows.push(("batches".to_owned(), self.batch));
        rows.push(("process".to_owned(), self.baseline));
        rows
    }
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, bytes) in self.rows() {
            writeln!(f, "  {name:<24} {:>12}", human(bytes))?;
        }
        write!(f, "  {:<24} {:>12}", "total", human(self.total()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(flow: Flow, trainable: u64) -> Load {
        let tower = Transformer {
            name: "backbone".into(),
            layers: 3,
            width: 8,
            key_width: 4,
            mlp_width: 16,
            gated: true,
            sequences: 5,
            tokens: 10,
            flow,
            keeps_inputs: true,
            adapter_values: 0,
        };
        Load {
            trainable,
            frozen_bytes: 200,
            towers: vec![tower],
            half_storage: false,
            logit_values: 63,
            batch_bytes: 11,
            batches: 4,
            accumulates: false,
            baseline: 1000,
        }
    }

    #[test]
    fn every_part_is_counted_once() {
        let found = predict(&load(Flow::Backward, 1000));
        let block = 50 * 8 * 6 + 50 * 4 * 2 + 50 * 16 * 3;
        let expected = Prediction {
            weights: 4 * 1000 + 200,
            gradients: 0,
            optimiser: 8 * 1000,
            activations: vec![("backbone".into(), 4 * 3 * block)],
            logits: 4 * 63,
            allocator: KEPT,
            batch: 44,
            baseline: 1000,
        };
        assert_eq!(found, expected);
        assert_eq!(found.total(), 4200 + 8000 + 12 * block + 252 + KEPT + 44 + 1000);
        let half = predict(&Load { half_storage: true, ..load(Flow::Backward, 1000) });
        let residual = 50 * 8 * 2;
        assert_eq!(half.activations[0].1, 3 * (4 * residual + 2 * (block - residual)));
        let forward = predict(&load(Flow::Forward, 10));
        assert_eq!(forward.activations[0].1, 4 * block);
        let mut stored = load(Flow::Backward, 10);
        stored.towers[0].keeps_inputs = false;
        let unread = 50 * 8 * 2 + 50 * 16;
        assert_eq!(predict(&stored).activations[0].1, 4 * 3 * (block - unread));
        stored.towers[0].adapter_values = 7;
        assert_eq!(predict(&stored).activations[0].1, 4 * 3 * (block - unread + 50 * 7));
    }

    #[test]
    fn gradients_rule_when_there_are_few_tokens() {
        let found = predict(&load(Flow::Backward, 10_000_000));
        assert_eq!((found.gradients, found.logits), (40_000_000, 0));
        let summed = Load { accumulates: true, ..load(Flow::Backward, 10_000_000) };
        assert_eq!(predict(&summed).gradients, 80_000_000);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let predicted = predict(&load(Flow::Backward, 10_000_000));
        let error = super::super::check(&predicted, Some(64 << 20)).unwrap_err().to_string();
        let start = "184.6 MiB of memory are needed (optimiser 76.3 MiB, weights 38.1 MiB, ";
        assert!(error.starts_with(start), "{error}");
        assert!(error.contains("but only 64.0 MiB are free"), "{error}");
        super::super::check(&predicted, Some(predicted.total())).unwrap();
        super::super::check(&predicted, None).unwrap();
    }
}
