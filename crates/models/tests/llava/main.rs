//! The joined model and its processor against `transformers` (`golden/llava/make.py`), and what is
//! saved of them.

mod common;
mod likelihood;
mod parity;
mod saved;
