//! Which keys each query may see.

use std::ops::Range;

use burn::{DType, Device, Tensor, TensorData};

/// The real tokens of each row of a padded batch: left padding when the range does not start
/// at 0, right padding when it ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows(Vec<Range<usize>>);

impl Rows {
    /// One range of real tokens per row.
    pub fn new(ranges: Vec<Range<usize>>) -> Self {
        Self(ranges)
    }

    /// Rows of these lengths, padded on the left to `total`.
    pub fn left_padded(lengths: &[usize], total: usize) -> Self {
        Self(lengths.iter().map(|&len| total.saturating_sub(len)..total).collect())
    }

    /// Rows of these lengths, padded on the right.
    pub fn right_padded(lengths: &[usize]) -> Self {
        Self(lengths.iter().map(|&len| 0..len).collect())
    }

    /// The ranges.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// Rows after `count` more real tokens were appended to each.
    #[must_use]
    pub fn grown(&self, count: usize) -> Self {
        Self(self.0.iter().map(|range| range.start..range.end + count).collect())
    }

    /// Whether no row of a batch of this length is padded.
    pub fn are_full(&self, len: usize) -> bool {
        self.0.iter().all(|range| range.start == 0 && range.end >= len)
    }

    /// Position of token `index` in its row, counted from the row's first real token.
    pub fn position(&self, row: usize, index: usize) -> usize {
        index.saturating_sub(self.0[row].start)
    }
}

/// What attention is allowed to see, before padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visibility {
    /// A query sees no later key.
    pub causal: bool,
    /// A query sees this many keys, itself included (Mistral's sliding window).
    pub window: Option<usize>,
}

impl Visibility {
    /// Everything before and including the query.
    pub const CAUSAL: Self = Self { causal: true, window: None };
    /// Everything.
    pub const FULL: Self = Self { causal: false, window: None };
}

/// What is added to the score of a key that must not be seen: finite, so that a query that sees
/// nothing stays finite.
pub(crate) fn hidden_score(dtype: DType) -> f32 {
    if dtype == DType::F16 { -6.0e4 } else { -1.0e30 }
}

/// The additive mask for `queries` that are the last of `keys` tokens; `None` when every query
/// sees every key.
///
/// A row without any visible key keeps finite scores, so its output is finite too.
///
/// # Shapes
/// - output: `[b, 1, queries, keys]`, with `b = 1` when no row is padded
pub fn attention_bias(
    visibility: Visibility,
    rows: Option<&Rows>,
    queries: usize,
    keys: usize,
    dtype: DType,
    device: &Device,
) -> Option<Tensor<4>> {
    let rows = rows.filter(|rows| !rows.are_full(keys));
    let sees_all = !visibility.causal || queries == 1;
    let in_window = visibility.window.is_none_or(|window| window >= keys);
    if sees_all && in_window && rows.is_none() {
        return None;
    }
    let hidden = hidden_score(dtype);
    let full = 0..keys;
    let ranges = rows.map_or(std::slice::from_ref(&full), Rows::ranges);
    let mut bias = Vec::with_capacity(ranges.len() * queries * keys);
    for real in ranges {
        for query in keys - queries..keys {
            let last = if visibility.causal { query } else { keys };
            let first = visibility.window.map_or(0, |window| (query + 1).saturating_sub(window));
            bias.extend((0..keys).map(|key| {
                let visible = real.contains(&key) && key >= first && key <= last;
                if visible { 0.0f32 } else { hidden }
            }));
        }
    }
    let data = TensorData::new(bias, [ranges.len(), 1, queries, keys]);
    Some(Tensor::from_data(data, (device, dtype)))
}
