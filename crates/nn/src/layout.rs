//! How the tokens of a batch lie: padded rows, or continuations that share a prefix.

use burn::{DType, Device, Tensor, TensorData};

use crate::mask::{Rows, Visibility, attention_bias, hidden_score};

/// How the tokens of a batch lie in its rows.
#[derive(Clone, Debug)]
pub enum Layout {
    /// One text per row.
    Rows(Rows),
    /// Several texts per row that begin alike.
    Segments(Vec<Segments>),
}

/// A row of a prefix and continuations of it that do not see one another: the same result as one
/// row per continuation, with the prefix computed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    prefix: usize,
    /// Where each continuation starts.
    starts: Vec<usize>,
    len: usize,
}

impl Segments {
    /// A row of one text.
    pub fn whole(len: usize) -> Self {
        Self { prefix: len, starts: Vec::new(), len }
    }

    /// A prefix of this many tokens and continuations of these lengths.
    pub fn new(prefix: usize, continuations: &[usize]) -> Self {
        let mut len = prefix;
        let mut starts = Vec::with_capacity(continuations.len());
        for continuation in continuations {
            starts.push(len);
            len += continuation;
        }
        Self { prefix, starts, len }
    }

    /// Where the continuation that holds `token` starts; 0 in the prefix.
    fn start(&self, token: usize) -> usize {
        let after = self.starts.partition_point(|&start| start <= token);
        after.checked_sub(1).map_or(0, |segment| self.starts[segment])
    }

    /// Position of a token in its own text.
    fn position(&self, token: usize) -> usize {
        match self.start(token) {
            0 => token,
            start => self.prefix + token - start,
        }
    }

    fn sees(&self, query: usize, key: usize) -> bool {
        key <= query && key < self.len && (key < self.prefix || key >= self.start(query))
    }
}

impl Layout {
    /// Rows in the batch.
    pub fn batch(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.ranges().len(),
            Self::Segments(rows) => rows.len(),
        }
    }

    /// Positions of `t` tokens after `past` others: one list per row, or one for all rows where
    /// they agree.
    pub fn positions(&self, past: usize, t: usize) -> Vec<Vec<usize>> {
        match self {
            Self::Rows(rows) if rows.ranges().iter().all(|range| range.start == 0) => {
                vec![(past..past + t).collect()]
            }
            Self::Rows(rows) => (0..rows.ranges().len())
                .map(|row| (past..past + t).map(|token| rows.position(row, token)).collect())
                .collect(),
            Self::Segments(rows) => rows
                .iter()
                .map(|row| (past..past + t).map(|token| row.position(token)).collect())
                .collect(),
        }
    }

    /// The additive mask of `queries` that are the last of `keys` tokens; see
    /// [`attention_bias`].
    ///
    /// # Shapes
    /// - output: `[b or 1, 1, queries, keys]`
    pub fn bias(
        &self,
        visibility: Visibility,
        queries: usize,
        keys: usize,
        dtype: DType,
        device: &Device,
    ) -> Option<Tensor<4>> {
        let rows = match self {
            Self::Rows(rows) => {
                return attention_bias(visibility, Some(rows), queries, keys, dtype, device);
            }
            Self::Segments(rows) => rows,
        };
        let hidden = hidden_score(dtype);
        let mut bias = Vec::with_capacity(rows.len() * queries * keys);
        for row in rows {
            for query in keys - queries..keys {
                let in_window = |key: usize| {
                    let distance = row.position(query).saturating_sub(row.position(key));
                    visibility.window.is_none_or(|window| distance < window)
                };
                bias.extend((0..keys).map(|key| {
                    let visible = row.sees(query, key) && in_window(key);
                    if visible { 0.0f32 } else { hidden }
                }));
            }
        }
        let data = TensorData::new(bias, [rows.len(), 1, queries, keys]);
        Some(Tensor::from_data(data, (device, dtype)))
    }
}

#[cfg(test)]
mod tests {
    use super::Segments;

    #[test]
    fn continuations_see_the_prefix_and_themselves() {
        let row = Segments::new(2, &[2, 3]);
        let seen = |query| (0..7).filter(|&key| row.sees(query, key)).collect::<Vec<_>>();
        assert_eq!(seen(1), [0, 1]);
        assert_eq!(seen(3), [0, 1, 2, 3]);
        assert_eq!(seen(4), [0, 1, 4]);
        assert_eq!(seen(6), [0, 1, 4, 5, 6]);
        assert_eq!((0..7).map(|t| row.position(t)).collect::<Vec<_>>(), [0, 1, 2, 3, 2, 3, 4]);
    }
}
