//! Digests of what is asked.

use quintet_data::sample::Media;
use quintet_hub::digest::of_bytes;

use super::super::{error::Result, write::encoded};

/// SHA-256 of a picture's file, or of the file that it would be written to.
///
/// # Errors
/// It cannot be read.
pub(super) fn picture(picture: &Media) -> Result<String> {
    Ok(of_bytes(&encoded(picture)?.0))
}
