//! Weight files as the tensor source that models are built from, under the names they use.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use quintet_weights::{Raw, Weights};

use crate::{Result, vars::TensorSource};

/// A weight file whose tensors may go by other names in the model.
pub struct Checkpoint {
    path: PathBuf,
    weights: Weights,
    /// Model name to file name.
    names: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens a weight file or a checkpoint directory.
    ///
    /// `rename` maps a file's name to the model's, or to `None` for a tensor to leave out
    /// (buffers that some exporters write, such as `position_ids`).
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open(path: &Path, rename: impl Fn(&str) -> Option<String>) -> Result<Self> {
        Ok(Self::new(path, Weights::open(path)?, |name, _| rename(name)))
    }

    /// A file that is open already, with a `rename` that may look into it.
    pub fn new(
        path: &Path,
        weights: Weights,
        rename: impl Fn(&str, &Weights) -> Option<String>,
    ) -> Self {
        let rename = |name: &str| Some((rename(name, &weights)?, name.to_owned()));
        let names = weights.names().filter_map(rename).collect();
        Self { path: path.to_owned(), weights, names }
    }
}

impl TensorSource for Checkpoint {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.weights.info(self.names.get(name)?)?.shape.clone())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>> {
        let file_name = self.names.get(name).map_or(name, String::as_str);
        Ok(self.weights.f32(file_name)?)
    }

    fn quantised(&self, name: &str) -> Option<Raw> {
        self.weights.share(self.names.get(name)?).ok()
    }
}
