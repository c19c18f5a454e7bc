//! A weight file as the networks read it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use quintet_nn::vars::TensorSource;
use quintet_weights::Weights;

/// Added to variances by batch norms, as PyTorch does by default.
const BATCH_EPS: f32 = 1e-5;
/// The names of a batch norm, beside those of the convolution before it.
const BATCH: [&str; 4] = ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"];
const CONVOLUTION: &str = "c.weight";
const BIAS: &str = "c.bias";

/// A weight file under the names that the networks use, with every batch norm folded into the
/// convolution before it (Ioffe and Szegedy, 2015, Algorithm 2): at inference both are one map.
pub struct Source {
    path: PathBuf,
    weights: Weights,
    /// Network name to file name.
    names: BTreeMap<String, String>,
    /// Where a batch norm is folded: `p` of `p.c.weight` and `p.bn.weight`, with a dot at its end.
    folded: BTreeSet<String>,
}

impl Source {
    /// `rename` maps a file's name to the networks', or to `None` for a tensor to leave out; it is
    /// given all names of the file.
    pub fn new(
        path: &Path,
        weights: Weights,
        rename: impl Fn(&str, &Weights) -> Option<String>,
    ) -> Self {
        let mut names: BTreeMap<String, String> = weights
            .names()
            .filter_map(|name| Some((rename(name, &weights)?, name.to_owned())))
            .collect();
        let mut folded = BTreeSet::new();
        let places = names.keys().filter_map(|name| name.strip_suffix(CONVOLUTION));
        for place in places.map(str::to_owned).collect::<Vec<_>>() {
            let of_norm = BATCH.map(|name| format!("{place}{name}"));
            if of_norm.iter().all(|name| names.contains_key(name)) {
                of_norm.iter().for_each(|name| drop(names.remove(name)));
                names.remove(&format!("{place}bn.num_batches_tracked"));
                folded.insert(place);
            }
        }
        Self { path: path.to_owned(), weights, names, folded }
    }

    /// `p` of `p.c.weight`, if a batch norm is folded there.
    fn place<'a>(&self, name: &'a str, suffix: &str) -> Option<&'a str> {
        name.strip_suffix(suffix).filter(|place| self.folded.contains(*place))
    }

    /// Gain and shift of each channel of a folded batch norm.
    fn norm(&self, place: &str) -> quintet_nn::Result<(Vec<f32>, Vec<f32>)> {
        let read = |name: &str| self.weights.f32(&format!("{place}{name}"));
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
        self.path.display().to_string()
    }

    fn names(&self) -> Vec<String> {
        let biases = self.folded.iter().map(|place| format!("{place}{BIAS}"));
        self.names.keys().cloned().chain(biases).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let shape = |name: &str| Some(self.weights.info(name)?.shape.clone());
        if let Some(place) = self.place(name, BIAS) {
            // The norm is as wide as the convolution, or it is not this convolution's.
            let channels = shape(&format!("{place}{CONVOLUTION}"))?.first().copied()?;
            let same = |name| shape(&format!("{place}{name}")) == Some(vec![channels]);
            return BATCH.into_iter().all(same).then(|| vec![channels]);
        }
        shape(self.names.get(name)?)
    }

    fn read(&self, name: &str) -> quintet_nn::Result<Vec<f32>> {
        if let Some(place) = self.place(name, BIAS) {
            return Ok(self.norm(place)?.1);
        }
        let file_name = self.names.get(name).map_or(name, String::as_str);
        let mut values = self.weights.f32(file_name)?;
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
