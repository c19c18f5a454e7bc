//! Built scenes: named objects and written words composed on photographs and plain grounds, with
//! exact masks, boxes, counts, colours and relations, and the questions that follow from them.
//!
//! Objects are emoji, each name drawn in up to five [styles](Style). Everything is determined by
//! a seed and an index; nothing is stored but the sources.

mod augment;
mod background;
mod build;
mod bundled;
mod colour;
mod crop;
mod cutouts;
mod dataset;
mod export;
mod names;
mod photos;
mod plan;
mod raster;
mod rng;
mod sources;
mod spec;
mod sprites;
mod store;
mod style;
pub mod tasks;
#[cfg(test)]
mod tests;
mod text;
mod tile;
mod words;

pub use background::Background;
pub use build::{Object, Scene, Word};
pub use colour::Colour;
pub use crop::Crop;
pub use dataset::SceneDataset;
pub use export::write_dataset;
pub use names::{Group, NAMES, Name, name_id};
pub use spec::{Augment, CropSpec, SceneSpec};
pub use sprites::SpriteSet;
pub use style::{Split, Style};
pub use words::{WORDS, word_id};
