//! Weight files: those of `segment-anything` and MobileSAM, and `transformers`' directories.

mod infer;
mod source;
#[cfg(test)]
mod tests;
mod transformers;

use std::path::Path;

use burn::{DType, Device};
use quintet_nn::{Checkpoint, Params, Vars};
use quintet_weights::Weights;

use self::source::Source;
use crate::{Error, Result, config::SamConfig, network::Sam};

/// A configuration of `transformers` is a few kilobytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Reads a model and its parameters. What the model is, its tensors or its `config.json` say, never
/// the file's name.
///
/// `path` is a weight file (`sam_vit_b_01ec64.pth`, `mobile_sam.pt`) or a directory that
/// `transformers` wrote.
///
/// # Errors
/// If a file cannot be read, is of another architecture, or lacks or has left over a tensor.
pub fn load(path: &Path, device: &Device) -> Result<(Sam, Params)> {
    let (source, config) = open(path)?;
    let vars = Vars::load(source, device, DType::F32);
    let sam = Sam::new(&vars, &config)?;
    Ok((sam, vars.finish()?))
}

fn open(path: &Path) -> Result<(Source, SamConfig)> {
    let weights = Weights::open(path)?;
    let file = path.join("config.json");
    if file.is_file() {
        let config = transformers::config(&read(&file)?)
            .map_err(|reason| Error::Config { path: file, reason })?;
        return Ok((Source::new(Checkpoint::new(path, weights, transformers::name)), config));
    }
    let keep = |name: &str, _: &Weights| infer::keep(name).then(|| name.to_owned());
    let source = Source::new(Checkpoint::new(path, weights, keep));
    let config =
        infer::config(&source).map_err(|reason| Error::Config { path: path.to_owned(), reason })?;
    Ok((source, config))
}

fn read(path: &Path) -> Result<String> {
    let fail = |reason: String| Error::Config { path: path.to_owned(), reason };
    let length = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?.len();
    if length > MAX_CONFIG_BYTES {
        return Err(fail(format!("{length} bytes are no configuration")));
    }
    std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))
}
