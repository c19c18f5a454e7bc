//! The joined model and its processor against `transformers` (`golden/llava/make.py`), and what is
//! saved of them.

mod adapter;
mod common;
mod likelihood;
mod parity;
mod saved;
mod turns;
mod video;
