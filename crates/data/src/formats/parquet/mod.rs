//! Parquet in the layout of Hugging Face `datasets`.
//!
//! A picture is a struct of `bytes` and `path`, a conversation a list of structs; the features are
//! described again in the file's `huggingface` metadata.

mod field;
mod file;
mod media;
mod pages;
mod read;
mod recent;
mod texts;
mod write;

pub use read::ParquetDataset;
pub use write::{ParquetWriter, WriteOptions};
