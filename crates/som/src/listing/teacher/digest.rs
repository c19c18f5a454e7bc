//! Digests of what is asked.

use quintet_data::sample::Media;
use quintet_hub::digest::Hasher;

use super::super::{error::Result, write::encoded};

/// SHA-256 in hexadecimal.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// That of a picture's file, or of the file that it would be written to.
///
/// # Errors
/// It cannot be read.
pub(super) fn picture(picture: &Media) -> Result<String> {
    Ok(bytes(&encoded(picture)?.0))
}
