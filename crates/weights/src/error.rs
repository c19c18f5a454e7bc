//! The error type of this crate.

use std::path::PathBuf;

use crate::DType;

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong with a weight file. Every message names the file and, where there is one, the
/// tensor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted, as a verb: "open", "write".
        action: &'static str,
        /// The system's own error.
        source: std::io::Error,
    },
    /// The file is none of the supported kinds.
    #[error("{}: not a weight file: expected safetensors, a torch zip file or GGUF", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// A placeholder of Git LFS lies where the weights should be.
    #[error("{}: this is a Git LFS pointer, not the weights; run `git lfs pull`", path.display())]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A pickle of torch before 1.6, or any other bare pickle.
    #[error(
        "{}: a bare pickle (torch before 1.6) is not supported; \
         load it in torch and save it again with torch.save", path.display()
    )]
    BarePickle {
        /// The file.
        path: PathBuf,
    },
    /// A directory without weights.
    #[error("{}: no weights here: expected {expected}", path.display())]
    NoWeights {
        /// The directory.
        path: PathBuf,
        /// The file names looked for.
        expected: String,
    },
    /// A directory with several GGUF files.
    #[error("{}: several GGUF files ({}); name one of them", path.display(), found.join(", "))]
    SeveralGguf {
        /// The directory.
        path: PathBuf,
        /// Their names.
        found: Vec<String>,
    },
    /// The file ends too early.
    #[error(
        "{}: the file ends inside {what}: {needed} bytes expected at offset {at}, {available} left",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What was being read.
        what: String,
        /// Offset of the read.
        at: usize,
        /// Bytes wanted.
        needed: u64,
        /// Bytes there are.
        available: usize,
    },
    /// A count or length above what the file can hold or this crate accepts.
    #[error("{}: {what} is {found}, at most {limit} is possible here", path.display())]
    Limit {
        /// The file.
        path: PathBuf,
        /// What was counted.
        what: String,
        /// The number in the file.
        found: u64,
        /// The largest acceptable one.
        limit: u64,
    },
    /// The structure of the file is wrong.
    #[error("{}: {what}: expected {expected}, found {found}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The part of the file.
        what: String,
        /// What belongs there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A number format that cannot be read.
    #[error("{}: tensor {tensor:?} has type {dtype}, which is not supported", path.display())]
    UnsupportedDType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The type as the file names it.
        dtype: String,
    },
    /// A shape whose size overflows, or whose rows are not whole blocks.
    #[error(
        "{}: tensor {tensor:?}: shape {shape:?} is impossible for {dtype}: \
         too large, or rows that are not whole blocks of {}", path.display(), dtype.block_len()
    )]
    BadShape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Its type.
        dtype: DType,
    },
    /// Shape and stored bytes disagree.
    #[error(
        "{}: tensor {tensor:?}: its shape needs {expected} bytes, the file gives it {found}",
        path.display()
    )]
    SizeMismatch {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Bytes by shape and type.
        expected: u64,
        /// Bytes by offsets.
        found: u64,
    },
    /// A tensor that reaches past the data.
    #[error(
        "{}: tensor {tensor:?} ends at {end}, but there is data only up to {available}; \
         the file may be cut short", path.display()
    )]
    OutOfBounds {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Where it ends, in bytes (torch: elements of its storage).
        end: u64,
        /// Where the data ends.
        available: u64,
    },
    /// Two tensors in the same bytes.
    #[error("{}: tensors {first:?} and {second:?} overlap", path.display())]
    Overlap {
        /// The file.
        path: PathBuf,
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// Two tensors with one name.
    #[error("{}: tensor {tensor:?} appears twice", path.display())]
    DuplicateTensor {
        /// The file.
        path: PathBuf,
        /// The name.
        tensor: String,
    },
    /// A pickle that asks for anything but tensors.
    #[error(
        "{}: the pickle refers to {global:?}, which is not part of a tensor; \
         refusing to read it. Save only the state dict", path.display()
    )]
    ForbiddenGlobal {
        /// The file.
        path: PathBuf,
        /// `module.name`.
        global: String,
    },
    /// The tensor asked for is not in the file.
    #[error("{}: there is no tensor {tensor:?}", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The name.
        tensor: String,
    },
    /// The index promises a tensor that its shard does not hold.
    #[error("{}: tensor {tensor:?} should be in {shard}, but is not", path.display())]
    NotInShard {
        /// The index.
        path: PathBuf,
        /// The name.
        tensor: String,
        /// File name of the shard.
        shard: String,
    },
    /// The file's tensors are not the model's.
    #[error("{}: the weights do not fit the model: {}", path.display(), faults.join("; "))]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// One line per missing, extra or wrong-shaped tensor.
        faults: Vec<String>,
    },
    /// The tensor is a strided view, so it has no bytes of its own in order.
    #[error("{}: tensor {tensor:?} is a strided view and has no contiguous bytes", path.display())]
    NotContiguous {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
}
