//! Laws, and parity with `transformers`.

mod automatic;
mod networks;
mod segmenter;

use burn::Device;
use image::RgbImage;

use crate::{
    Segmenter,
    testing::{examples, random},
};

/// A small model of random weights, whose masks are of no objects.
fn small_segmenter() -> Segmenter {
    Segmenter::new(random(&examples()[0]).0, &Device::flex())
}

fn picture([width, height]: [u32; 2]) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 7) as u8, (y * 5 + x) as u8, (x * y / 3) as u8])
    })
}
