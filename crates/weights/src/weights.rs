//! The front: one type over every kind of weight file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::Bytes;
use crate::parsed::{Entry, Parsed};
use crate::{Error, GgufTokenizer, Raw, Result, TensorInfo, Value};
use crate::{convert, directory, gguf, safetensors, torch};

/// A kind of weight file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A safetensors file.
    Safetensors,
    /// The zip file of `torch.save`.
    Torch,
    /// GGUF, version 2 or 3.
    Gguf,
}

/// Named tensors in one or several weight files, memory-mapped.
///
/// Tensors of a torch file are named by the dictionary keys and list positions that lead to them,
/// joined with dots: `{"model_state_dict": {"conv.weight": …}}` holds
/// `model_state_dict.conv.weight`. Its numbers and texts are metadata under the same kind of name.
pub struct Weights {
    path: PathBuf,
    files: Vec<(PathBuf, Arc<Bytes>)>,
    /// Each tensor with the position of its file in `files`.
    tensors: BTreeMap<String, (usize, Entry)>,
    metadata: BTreeMap<String, Value>,
}

impl Weights {
    /// Opens a weight file, an index of sharded files, or a directory that holds one of
    /// `model.safetensors`, `model.safetensors.index.json`, `pytorch_model.bin`,
    /// `pytorch_model.bin.index.json` (the first that exists) or a single `*.gguf`.
    ///
    /// Reads and checks the headers of all files, not the tensors' data.
    ///
    /// # Errors
    /// If nothing is found, a shard is missing, or a header is wrong in any way.
    pub fn open(path: &Path) -> Result<Self> {
        let found = directory::locate(path)?;
        let mut weights = Self::empty(path);
        for file in found.files {
            let bytes = Bytes::map(&file)?;
            let format = detect(&file, &bytes)?;
            weights.add(file, bytes, format)?;
        }
        for (tensor, shard) in found.index {
            let holder = weights.tensors.get(&tensor).and_then(|(f, _)| weights.files.get(*f));
            if holder.and_then(|(p, _)| p.file_name()) != Some(shard.as_ref()) {
                return Err(Error::NotInShard { path: path.into(), tensor, shard });
            }
        }
        Ok(weights)
    }

    /// Reads weights from memory. `label` takes the place of the file's path in errors.
    ///
    /// # Errors
    /// If the bytes are not a well-formed file of this format.
    pub fn from_bytes(label: &Path, bytes: Vec<u8>, format: Format) -> Result<Self> {
        let mut weights = Self::empty(label);
        weights.add(label.into(), Bytes::Owned(bytes), format)?;
        Ok(weights)
    }

    fn empty(path: &Path) -> Self {
        Self {
            path: path.into(),
            files: Vec::new(),
            tensors: BTreeMap::new(),
            metadata: BTreeMap::new(),
        }
    }

    fn add(&mut self, path: PathBuf, bytes: Bytes, format: Format) -> Result<()> {
        let Parsed { tensors, metadata } = match format {
            Format::Safetensors => safetensors::read::read(&path, &bytes)?,
            Format::Torch => torch::read(&path, &bytes)?,
            Format::Gguf => gguf::read(&path, &bytes)?,
        };
        for (tensor, entry) in tensors {
            if self.tensors.contains_key(&tensor) {
                return Err(Error::DuplicateTensor { path, tensor });
            }
            self.tensors.insert(tensor, (self.files.len(), entry));
        }
        for (key, value) in metadata {
            self.metadata.entry(key).or_insert(value);
        }
        self.files.push((path, Arc::new(bytes)));
        Ok(())
    }

    /// The path given to [`open`](Self::open).
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Type and shape of a tensor, if there is one of this name.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name).map(|(_, entry)| &entry.info)
    }

    /// The file's metadata: GGUF key-values, safetensors `__metadata__`, a torch checkpoint's
    /// numbers and texts.
    pub fn metadata(&self) -> &BTreeMap<String, Value> {
        &self.metadata
    }

    /// The tokenizer embedded in a GGUF file, if there is one.
    ///
    /// # Errors
    /// If its parts have wrong types or contradict each other.
    pub fn gguf_tokenizer(&self) -> Result<Option<GgufTokenizer>> {
        GgufTokenizer::from_metadata(&self.path, &self.metadata)
    }

    /// A tensor's numbers in row-major order, converted (quantised types: dequantised) to `f32`.
    ///
    /// # Errors
    /// If there is no such tensor.
    pub fn f32(&self, name: &str) -> Result<Vec<f32>> {
        let (entry, bytes) = self.find(name)?;
        let dtype = entry.info.dtype;
        Ok(match &entry.strides {
            None => convert::to_f32(dtype, bytes),
            Some(strides) => {
                let shape = &entry.info.shape;
                convert::to_f32(dtype, &convert::gather(bytes, dtype.block_bytes(), shape, strides))
            }
        })
    }

    /// A tensor's bytes as they lie in the file (little-endian, row-major, still quantised).
    ///
    /// # Errors
    /// If there is no such tensor, or it is a strided view of a torch storage.
    pub fn raw(&self, name: &str) -> Result<&[u8]> {
        match self.find(name)? {
            (Entry { strides: None, .. }, bytes) => Ok(bytes),
            _ => Err(Error::NotContiguous { path: self.path.clone(), tensor: name.into() }),
        }
    }

    /// A tensor as it lies in the file, which stays mapped as long as the tensor is held.
    ///
    /// # Errors
    /// As [`raw`](Self::raw).
    pub fn share(&self, name: &str) -> Result<Raw> {
        self.raw(name)?;
        let found = self.tensors.get(name).and_then(|(file, entry)| {
            let (_, bytes) = self.files.get(*file)?;
            Some(Raw::part(bytes.clone(), &entry.info, entry.start..entry.start + entry.len))
        });
        found.ok_or_else(|| Error::MissingTensor { path: self.path.clone(), tensor: name.into() })
    }

    /// Checks that the tensors are exactly `expected`, by name and shape.
    ///
    /// # Errors
    /// [`Error::Mismatch`], with a line for every missing, extra or wrong-shaped tensor.
    pub fn check<'a>(
        &self,
        expected: impl IntoIterator<Item = (&'a str, &'a [usize])>,
    ) -> Result<()> {
        let expected: BTreeMap<_, _> = expected.into_iter().collect();
        let mut faults = Vec::new();
        for (name, shape) in &expected {
            match self.info(name) {
                None => faults.push(format!("{name:?} is missing")),
                Some(info) if info.shape != *shape => {
                    faults.push(format!("{name:?} is {:?}, expected {shape:?}", info.shape));
                }
                Some(_) => {}
            }
        }
        let extra = self.names().filter(|name| !expected.contains_key(name));
        faults.extend(extra.map(|name| format!("{name:?} is not part of the model")));
        if faults.is_empty() {
            return Ok(());
        }
        Err(Error::Mismatch { path: self.path.clone(), faults })
    }

    fn find(&self, name: &str) -> Result<(&Entry, &[u8])> {
        self.tensors
            .get(name)
            .and_then(|(file, entry)| {
                let (_, bytes) = self.files.get(*file)?;
                Some((entry, bytes.get(entry.start..entry.start.checked_add(entry.len)?)?))
            })
            .ok_or_else(|| Error::MissingTensor { path: self.path.clone(), tensor: name.into() })
    }
}

/// The format of a file by its first bytes; a name ending in `.safetensors` decides where they do
/// not, so that a file cut short is reported as such.
fn detect(path: &Path, bytes: &[u8]) -> Result<Format> {
    let header = bytes.get(8) == Some(&b'{');
    match bytes {
        [b'G', b'G', b'U', b'F', ..] => Ok(Format::Gguf),
        [b'P', b'K', 3, 4, ..] => Ok(Format::Torch),
        _ if header => Ok(Format::Safetensors),
        [0x80, ..] => Err(Error::BarePickle { path: path.into() }),
        _ if bytes.starts_with(b"version https://git-lfs") => {
            Err(Error::LfsPointer { path: path.into() })
        }
        _ if path.extension().is_some_and(|e| e == "safetensors") => Ok(Format::Safetensors),
        _ => Err(Error::UnknownFormat { path: path.into() }),
    }
}
