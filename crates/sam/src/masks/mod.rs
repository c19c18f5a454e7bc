//! From the decoder's logits to masks of the picture.

mod regions;
mod runs;
mod upsample;

pub use self::{
    regions::{fill_holes, remove_islands},
    runs::Runs,
    upsample::{Cut, Upsampler},
};
