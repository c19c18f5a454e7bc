//! From marked pictures to a dataset on disk.

use std::{iter, ops::ControlFlow, path::PathBuf, sync::Arc};

use quintet_data::sample::{Media, Sample};
use quintet_endpoint::Encoding;
use rayon::prelude::*;
use serde::Serialize;

use super::{
    builder::Builder,
    error::{Error, Result},
    pictures::Pictures,
    write::{write_llava, write_parquet},
};

/// Pictures marked at a time; bounds the memory.
const BATCH: usize = 64;

/// Where samples go.
#[derive(Clone, Debug)]
pub enum Output {
    /// A new folder in LLaVA's layout.
    Llava(PathBuf),
    /// One Parquet file.
    Parquet(PathBuf),
}

impl Output {
    /// Writes samples as they come.
    ///
    /// # Errors
    /// See [`write_llava`] and [`write_parquet`].
    pub fn write(&self, samples: impl IntoIterator<Item = Result<Sample>>) -> Result<usize> {
        match self {
            Output::Llava(folder) => write_llava(folder, samples),
            Output::Parquet(file) => write_parquet(file, samples),
        }
    }
}

/// What was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Built {
    /// Samples written.
    pub samples: usize,
    /// Pictures with nothing to mark.
    pub bare: usize,
    /// Pictures that cannot be read or marked, and why.
    pub unusable: Vec<(String, String)>,
}

/// Marks pictures, builds their samples and writes them; `progress` is told how many pictures are
/// done and may end it. Pictures that cannot be read or marked are left out and reported.
///
/// # Errors
/// No picture gives a sample, `progress` ends it, or the output cannot be written; nothing is then
/// left.
pub fn build(
    pictures: &dyn Pictures,
    builder: &Builder,
    output: &Output,
    encoding: Encoding,
    mut progress: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Built> {
    let count = pictures.count();
    let one = |i: usize| (i, sample(pictures, builder, encoding, i));
    let batch = |start: usize| (start..(start + BATCH).min(count)).into_par_iter().map(one);
    let mut results = (0..count).step_by(BATCH).flat_map(|start| batch(start).collect::<Vec<_>>());
    let mut built = Built::default();
    let samples = iter::from_fn(|| {
        for (i, sample) in results.by_ref() {
            if progress(i + 1).is_break() {
                return Some(Err(Error::Stopped));
            }
            match sample {
                Ok(Some(sample)) => {
                    built.samples += 1;
                    return Some(Ok(sample));
                }
                Ok(None) => built.bare += 1,
                Err(error) => built.unusable.push((pictures.title(i), error.to_string())),
            }
        }
        // An output without samples fails before it gets its name.
        (built.samples == 0).then(|| Err(Error::no_samples(count, &built.unusable)))
    });
    output.write(samples)?;
    Ok(built)
}

fn sample(
    pictures: &dyn Pictures,
    builder: &Builder,
    encoding: Encoding,
    i: usize,
) -> Result<Option<Sample>> {
    let mut marked = pictures.marked(i)?;
    if let Media::Image(image) = &marked.picture {
        let (_, bytes) = encoding.encode(image).map_err(|reason| {
            Error::from(quintet_data::Error::Media { path: pictures.title(i), reason })
        })?;
        marked.picture = Media::Bytes(Arc::from(bytes));
    }
    Ok(builder.sample(&marked))
}
