//! Templates, tokenizers, encoding and dataset formats against their references.

mod coco;
mod encode;
mod files;
mod golden;
mod parquet;
mod templates;
mod tokens;
