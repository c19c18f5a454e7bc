//! Where marked pictures come from.

mod coco;
mod records;
mod scenes;
#[cfg(test)]
mod tests;

pub use coco::CocoPictures;
pub use records::RecordedPictures;
pub use scenes::MarkedScenes;

use super::{error::Result, item::MarkedPicture};

/// Marked pictures by number, of things whose names are known.
pub trait Pictures: Sync {
    /// The number of pictures.
    fn count(&self) -> usize;

    /// What picture `i` is called in reports.
    fn title(&self, i: usize) -> String;

    /// Picture `i`; it may have nothing that can be marked.
    ///
    /// # Errors
    /// It cannot be read or marked.
    fn marked(&self, i: usize) -> Result<MarkedPicture>;

    /// All names that the pictures can show.
    fn names(&self) -> Vec<String>;
}
