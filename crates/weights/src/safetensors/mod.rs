//! Safetensors: an 8-byte length, a JSON header of that length, then the tensors' bytes.

pub(crate) mod read;
pub(crate) mod write;

/// The key of the header that holds free text, not a tensor.
const METADATA_KEY: &str = "__metadata__";
