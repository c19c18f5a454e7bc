//! Layers of transformers: parameters with names, attention, norms, MLPs, rotary embedding,
//! KV cache and LoRA.
//!
//! Every layer is built from [`Vars`], which either reads a checkpoint or draws initial values,
//! so a model has one constructor. Shapes are written with one letter each: `b` batch, `t`
//! tokens, `s` source (key) tokens, `d` width, `h` heads, `k` width of a head.

pub mod attention;
mod checkpoint;
pub mod embedding;
pub mod error;
pub mod layout;
pub mod linear;
pub mod lora;
pub mod mask;
pub mod mlp;
pub mod norm;
pub mod param;
pub mod rope;
mod save;
pub mod vars;

pub use attention::{Attention, AttentionConfig, KvCache, LayerCache};
pub use checkpoint::Checkpoint;
pub use embedding::Embedding;
pub use error::{Error, Result};
pub use layout::{Layout, Segments};
pub use linear::{Linear, Lora};
pub use lora::{AdapterFiles, Adapters, LoraConfig};
pub use mask::{Rows, attention_bias};
pub use mlp::{Activation, GatedMlp, Mlp};
pub use norm::{LayerNorm, RmsNorm, in_dtype};
pub use param::{Param, Params};
pub use rope::{Rope, RopeScaling};
pub use save::write_file;
pub use vars::{Init, Vars, as_stored};
