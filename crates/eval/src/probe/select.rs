//! Which of a model's many attentions are looked at.

use std::ops::Range;

use burn::Tensor;

use crate::{Error, Result};

/// Which attention is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// A layer; the mean of all when `None`.
    pub layer: Option<usize>,
    /// A head; the mean of all when `None`.
    pub head: Option<usize>,
}

/// The mean over the layers and heads selected, of the columns that are a picture.
pub(super) struct Mean {
    select: Select,
    picture: Range<usize>,
    /// Of the layers so far, `[t, v]`.
    sum: Option<Tensor<2>>,
    layers: usize,
    heads: usize,
}

impl Mean {
    pub fn of(select: Select, picture: Range<usize>) -> Self {
        Self { select, picture, sum: None, layers: 0, heads: 0 }
    }

    /// Takes in a layer's weights, `[1, h, t, t]`.
    pub fn add(&mut self, layer: usize, weights: Tensor<4>) {
        let [_, heads, t, _] = weights.dims();
        (self.layers, self.heads) = (layer + 1, heads);
        let Select { layer: chosen, head } = self.select;
        if chosen.is_some_and(|chosen| chosen != layer) || head.is_some_and(|head| head >= heads) {
            return;
        }
        let heads = head.map_or(0..heads, |head| head..head + 1);
        let seen = weights.slice([0..1, heads, 0..t, self.picture.clone()]).mean_dim(1);
        let seen = seen.reshape([t, self.picture.len()]);
        self.sum = Some(match self.sum.take() {
            None => seen,
            Some(sum) => sum + seen,
        });
    }

    /// The mean, `[t, v]`.
    ///
    /// # Errors
    /// If there is no such layer or head.
    pub fn finish(self) -> Result<Vec<f32>> {
        let missing = |what: &str, index: Option<usize>, count: usize| {
            let last = count.saturating_sub(1);
            let index = index.filter(|index| *index >= count)?;
            Some(format!("there is no {what} {index}: they go from 0 to {last}"))
        };
        let missing = missing("layer", self.select.layer, self.layers)
            .or_else(|| missing("head", self.select.head, self.heads));
        if let Some(reason) = missing {
            return Err(Error::Settings(reason));
        }
        let layers = self.select.layer.map_or(self.layers, |_| 1);
        let mean = self.sum.map(|sum| sum.div_scalar(layers as f32).into_data());
        Ok(mean.map_or_else(Vec::new, |mean| mean.iter::<f32>().collect()))
    }
}
