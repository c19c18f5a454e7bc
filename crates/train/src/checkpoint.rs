//! Training state on disk, whole or not at all.
//!
//! A run's directory holds one directory per kept checkpoint:
//!
//! | file | content |
//! |---|---|
//! | `step-000123/weights.safetensors` | the trained parameters, `f32` |
//! | `step-000123/optimizer.safetensors` | the optimiser's moments |
//! | `step-000123/state.json` | [`State`] |
//! | `step-000123/recipe.toml` | the recipe as it was run |
//!
//! A checkpoint is written to `step-000123.tmp-new`, flushed to the disk and renamed, so a name
//! without `.tmp-` is complete whatever happened in between.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use quintet_nn::Params;
use quintet_weights::{Lazy, SaveDType, Weights, save_safetensors};

use crate::{Error, Result, error::io, optim::AdamW, state::State};

/// File name of the trained parameters.
pub const WEIGHTS: &str = "weights.safetensors";
const OPTIMISER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
const RECIPE: &str = "recipe.toml";
const LOCK: &str = ".lock";
const UNFINISHED: &str = ".tmp-";

/// A killed process holds its lock until the disk has taken what it was flushing.
const GRACE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);

/// The checkpoints of one run, held by one process at a time.
#[derive(Debug)]
pub struct Checkpoints {
    dir: PathBuf,
    keep: usize,
    /// The system gives the lock back when the process ends, however it ends.
    _lock: File,
}

/// A complete checkpoint.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Its directory.
    pub path: PathBuf,
    /// Where the run stood.
    pub state: State,
}

impl Checkpoints {
    /// Makes `dir` if needed, takes its lock, and clears what a killed process left unfinished.
    /// The newest `keep` checkpoints are kept, at least one.
    ///
    /// # Errors
    /// If the directory cannot be written, or another process trains in it.
    pub fn open(dir: &Path, keep: usize) -> Result<Self> {
        fs::create_dir_all(dir).map_err(io(dir, "create the directory"))?;
        let path = dir.join(LOCK);
        let lock = File::create(&path).map_err(io(&path, "create"))?;
        let begun = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begun.elapsed() < GRACE => thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => return Err(Error::Busy { path: dir.to_owned() }),
                Err(TryLockError::Error(source)) => return Err(io(&path, "lock")(source)),
            }
        }
        for name in names(dir)? {
            if name.starts_with("step-") && name.contains(UNFINISHED) {
                let path = dir.join(name);
                fs::remove_dir_all(&path).map_err(io(&path, "remove the unfinished checkpoint"))?;
            }
        }
        Ok(Self { dir: dir.to_owned(), keep: keep.max(1), _lock: lock })
    }

    /// The newest complete checkpoint.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn latest(&self) -> Result<Option<Checkpoint>> {
        latest(&self.dir)
    }

    /// Writes a checkpoint, then removes those beyond the newest `keep`.
    ///
    /// # Errors
    /// If writing fails, on a full disk too; the older checkpoints stay as they were.
    pub fn save(
        &self,
        state: &State,
        params: &Params,
        optimiser: &AdamW,
        recipe: &str,
    ) -> Result<PathBuf> {
        let name = format!("step-{:06}", state.step);
        let path = self.dir.join(&name);
        let unfinished = self.dir.join(format!("{name}{UNFINISHED}new"));
        let written = write(&unfinished, state, params, optimiser, recipe)
            .and_then(|()| fs::rename(&unfinished, &path).map_err(io(&path, "rename")))
            .and_then(|()| sync_dir(&self.dir));
        if let Err(error) = written {
            // The first error is the one to report; what stays is cleared at the next start.
            let _ = fs::remove_dir_all(&unfinished);
            return Err(error);
        }
        self.prune()?;
        Ok(path)
    }

    fn prune(&self) -> Result<()> {
        let complete = complete(&self.dir)?;
        for (_, path) in complete.iter().rev().skip(self.keep) {
            // Removing a directory is not atomic, so it first loses the name of a complete one.
            let condemned = path.with_extension("tmp-old");
            fs::rename(path, &condemned).map_err(io(path, "rename"))?;
            fs::remove_dir_all(&condemned).map_err(io(&condemned, "remove"))?;
        }
        Ok(())
    }
}

impl Checkpoint {
    /// Restores weights and optimiser bit for bit. `optimiser` is over the trainable parameters,
    /// which must be those that were trained.
    ///
    /// # Errors
    /// If a file cannot be read, or the trained parameters differ from the checkpoint's.
    pub fn restore(&self, params: &Params, optimiser: &mut AdamW) -> Result<()> {
        let path = self.path.join(WEIGHTS);
        let file = Weights::open(&path)?;
        file.check(params.trainable().map(|cell| (cell.name(), cell.shape())))?;
        optimiser.load(&self.path.join(OPTIMISER))?;
        assign(&file, params)
    }
}

/// The newest complete checkpoint in a run's directory.
///
/// # Errors
/// If it cannot be read.
pub fn latest(dir: &Path) -> Result<Option<Checkpoint>> {
    let Some((_, path)) = complete(dir)?.pop() else { return Ok(None) };
    let file = path.join(STATE);
    let text = fs::read_to_string(&file).map_err(io(&file, "read"))?;
    let state = serde_json::from_str(&text).map_err(|error| Error::Checkpoint {
        path: file,
        reason: format!("{error}; remove {} to resume from the one before", path.display()),
    })?;
    Ok(Some(Checkpoint { path, state }))
}

/// Sets parameters from a `weights.safetensors`, such as those an earlier stage trained.
///
/// # Errors
/// If the file cannot be read, or holds a tensor that the model lacks or has in another shape.
pub fn load_weights(path: &Path, params: &Params) -> Result<()> {
    let file = Weights::open(path)?;
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    let expected = names.iter().filter_map(|name| params.get(name));
    file.check(expected.map(|cell| (cell.name(), cell.shape())))?;
    assign(&file, params)
}

fn assign(file: &Weights, params: &Params) -> Result<()> {
    for cell in params.iter() {
        if file.info(cell.name()).is_some() {
            Params::assign(cell, file.f32(cell.name())?);
        }
    }
    Ok(())
}

fn write(
    dir: &Path,
    state: &State,
    params: &Params,
    optimiser: &AdamW,
    recipe: &str,
) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(io(dir, "remove"))?;
    }
    fs::create_dir(dir).map_err(io(dir, "create the directory"))?;
    let weights =
        params.trainable().map(|cell| (cell.name(), cell.shape(), Lazy(move || cell.to_f32())));
    save_safetensors(&dir.join(WEIGHTS), weights, SaveDType::F32, &Default::default())?;
    optimiser.save(&dir.join(OPTIMISER))?;
    let state = serde_json::to_string_pretty(state)
        .map_err(|error| Error::Checkpoint { path: dir.join(STATE), reason: error.to_string() })?;
    write_file(&dir.join(STATE), &state)?;
    write_file(&dir.join(RECIPE), recipe)?;
    sync_dir(dir)
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    let mut file = File::create(path).map_err(io(path, "create"))?;
    file.write_all(text.as_bytes()).map_err(io(path, "write"))?;
    file.sync_all().map_err(io(path, "flush"))
}

/// Makes names in a directory durable; only unix can open one to do so.
fn sync_dir(dir: &Path) -> Result<()> {
    #[cfg(unix)]
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io(dir, "flush"))?;
    Ok(())
}

fn names(dir: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir).map_err(io(dir, "list"))?;
    let names: std::io::Result<Vec<_>> =
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect();
    names.map_err(io(dir, "list"))
}

/// Complete checkpoints with their steps, oldest first.
fn complete(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let step = |name: &str| name.strip_prefix("step-")?.parse::<u64>().ok();
    let mut found: Vec<_> =
        names(dir)?.iter().filter_map(|name| Some((step(name)?, dir.join(name)))).collect();
    found.sort();
    Ok(found)
}
