//! A weight file as the networks read it.

use std::collections::BTreeSet;

use quintet_nn::{Checkpoint, vars::TensorSource};

/// Added to variances by batch norms, as PyTorch does by default.
const BATCH_EPS: f32 = 1e-5;
/// The names of a batch norm, beside those of the convolution before it.
const BATCH: [&str; 4] = ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"];
/// Of training, beside them.
const COUNT: &str = "bn.num_batches_tracked";
const CONVOLUTION: &str = "c.weight";
const BIAS: &str = "c.bias";

/// A weight file under the names that the networks use, with every batch norm folded into the
/// convolution before it (Ioffe and Szegedy, 2015, Algorithm 2): at inference both are one map.
pub struct Source {
    file: Checkpoint,
    /// Where a batch norm is folded: `p` of `p.c.weight` and `p.bn.weight`, with a dot at its end.
    folded: BTreeSet<String>,
}

impl Source {
    /// Folds the batch norms of a file.
    pub fn new(file: Checkpoint) -> Self {
        let names: BTreeSet<String> = file.names().into_iter().collect();
        let places = names.iter().filter_map(|name| name.strip_suffix(CONVOLUTION));
        let has_norm = |place: &&str| BATCH.iter().all(|n| names.contains(&format!("{place}{n}")));
        let folded = places.filter(has_norm).map(str::to_owned).collect();
        Self { file, folded }
    }

    /// Whether a tensor of the file is part of a folded batch norm.
    fn is_folded(&self, name: &str) -> bool {
        BATCH.iter().chain(&[COUNT]).any(|part| self.place(name, part).is_some())
    }

    /// `p` of `p.c.weight`, if a batch norm is folded there.
    fn place<'a>(&self, name: &'a str, suffix: &str) -> Option<&'a str> {
        name.strip_suffix(suffix).filter(|place| self.folded.contains(*place))
    }

    /// Gain and shift of each channel of a folded batch norm.
    fn norm(&self, place: &str) -> quintet_nn::Result<(Vec<f32>, Vec<f32>)> {
        let read = |name: &str| self.file.read(&format!("{place}{name}"));
        let [weight, bias, mean, variance] = BATCH;
        let (weight, variance) = (read(weight)?, read(variance)?);
        let gain: Vec<f32> =
            weight.iter().zip(&variance).map(|(w, v)| w / (v + BATCH_EPS).sqrt()).collect();
        let moved = gain.iter().zip(read(mean)?).map(|(gain, mean)| gain * mean);
        let shift = read(bias)?.into_iter().zip(moved).map(|(bias, moved)| bias - moved).collect();
        Ok((gain, shift))
    }
}

impl TensorSource for Source {
    fn describe(&self) -> String {
        self.file.describe()
    }

    fn names(&self) -> Vec<String> {
        let biases = self.folded.iter().map(|place| format!("{place}{BIAS}"));
        let own = self.file.names().into_iter().filter(|name| !self.is_folded(name));
        own.chain(biases).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        if let Some(place) = self.place(name, BIAS) {
            // The norm is as wide as the convolution, or it is not this convolution's.
            let channels = self.file.shape(&format!("{place}{CONVOLUTION}"))?.first().copied()?;
            let same = |name| self.file.shape(&format!("{place}{name}")) == Some(vec![channels]);
            return BATCH.into_iter().all(same).then(|| vec![channels]);
        }
        self.file.shape(name).filter(|_| !self.is_folded(name))
    }

    fn read(&self, name: &str) -> quintet_nn::Result<Vec<f32>> {
        if let Some(place) = self.place(name, BIAS) {
            return Ok(self.norm(place)?.1);
        }
        let mut values = self.file.read(name)?;
        if let Some(place) = self.place(name, CONVOLUTION) {
            let (gain, _) = self.norm(place)?;
            let channel = values.len() / gain.len().max(1);
            for (values, gain) in values.chunks_mut(channel.max(1)).zip(gain) {
                values.iter_mut().for_each(|value| *value *= gain);
            }
        }
        Ok(values)
    }
}
