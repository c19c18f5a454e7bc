//! Readers for the files that model weights travel in: safetensors (one file or sharded), the
//! zip files of `torch.save`, and GGUF. One front, [`Weights`], opens any of them:
//!
//! ```no_run
//! # fn main() -> quintet_weights::Result<()> {
//! let weights = quintet_weights::Weights::open("path/to/model".as_ref())?;
//! for name in weights.names() {
//!     println!("{name} {:?}", weights.info(name));
//! }
//! let embedding: Vec<f32> = weights.f32("model.embed_tokens.weight")?;
//! # Ok(()) }
//! ```
//!
//! Files are untrusted. No length, offset or count is believed before it is checked against the
//! size of the file, a pickle runs no code, and nothing here panics on outside data. `fuzz/` holds
//! one fuzz target per format.
//!
//! | file | module | source of the format |
//! |---|---|---|
//! | `.safetensors`, `*.index.json` | `safetensors` | the `safetensors` project's README, "Format" |
//! | `.pt`, `.pth`, `.bin` | `torch` | `torch.serialization`, `pickletools`, PKWARE APPNOTE 6.3.10 |
//! | `.gguf` | `gguf` | ggml `docs/gguf.md`; block layouts in `ggml-common.h` |

mod atomic;
mod bytes;
mod convert;
mod cursor;
mod directory;
mod dtype;
mod error;
mod gguf;
mod parsed;
mod raw;
mod safetensors;
mod torch;
mod value;
mod weights;

pub use atomic::write_atomically;
pub use dtype::DType;
pub use error::{Error, Result};
pub use gguf::tokenizer::GgufTokenizer;
pub use parsed::TensorInfo;
pub use raw::Raw;
pub use safetensors::write::{Lazy, Numbers, SaveDType, save_safetensors};
pub use value::Value;
pub use weights::{Format, Weights};
