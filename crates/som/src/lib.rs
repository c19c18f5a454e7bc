//! Set-of-Mark: regions, marks, listing data (paper: *List Items One by One*, 2024).

pub mod error;
pub mod listing;
pub mod marks;
pub mod regions;

pub use error::{Error, Result};
