//! From RGB pictures to the tensors that image encoders read: resize, crop, rescale, normalise.
//!
//! Follows the image processors of transformers 5 (`CLIPImageProcessor`,
//! `SiglipImageProcessor`, `BitImageProcessor` for DINOv2, `ViTImageProcessor`,
//! `LlavaImageProcessor`) with their default torchvision backend, whose antialiased 8-bit
//! resampling is Pillow's.

mod config;
mod placement;
mod resize;

use std::borrow::Borrow;

use image::RgbImage;
use rayon::prelude::*;

pub use self::config::{CropSize, ImageProcessor, Kind, Resample, Size};
pub use self::placement::Placement;
use self::resize::{Axis, Target};
use crate::{Error, Result, media::MAX_PIXELS};

/// A picture ready for an image encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelValues {
    /// `[3, height, width]`, row-major; red, green, blue.
    pub data: Vec<f32>,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageProcessor {
    /// Processes one picture.
    ///
    /// # Shapes
    /// `[3, crop height, crop width]` where the processor crops, else `[3, h, w]` of the
    /// resized picture.
    ///
    /// # Errors
    /// [`Error::Media`] if the picture has no pixels, or if it would exceed
    /// [`MAX_PIXELS`] on the way (an extreme aspect ratio without a crop).
    pub fn process(&self, image: &RgbImage) -> Result<PixelValues> {
        Ok(self.normalize(&self.view(image)?))
    }

    /// The picture as the encoder sees it: padded, resized and cropped, not yet normalised.
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub fn view(&self, image: &RgbImage) -> Result<RgbImage> {
        let (width, height) = image.dimensions();
        let side = self.padded(width, height)?;
        let padded;
        let image = if side == [width, height] {
            image
        } else {
            padded = self.pad_to_square(image, side[0]);
            &padded
        };
        let target = self.target(side)?;
        resize::resize(image, &target, self.resample)
            .map_err(|reason| Error::Media { path: "picture".into(), reason })
    }

    /// Where the pixels of a picture of this size come to lie in its [`view`](Self::view).
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub fn placement(&self, width: u32, height: u32) -> Result<Placement> {
        let [padded_width, padded_height] = self.padded(width, height)?;
        let [y, x] = self.target([padded_width, padded_height])?.axes;
        let axis = |size: u32, padded: u32, axis: Axis| {
            let scale = f64::from(axis.resized) / f64::from(padded);
            let before = f64::from((padded - size) / 2) * scale;
            (scale, before + f64::from(axis.before) - f64::from(axis.start))
        };
        let (across, down) = (axis(width, padded_width, x), axis(height, padded_height, y));
        Ok(Placement {
            size: [x.output, y.output],
            scale: [across.0, down.0],
            offset: [across.1, down.1],
        })
    }

    /// Processes pictures in parallel; the n-th result is the n-th picture's.
    ///
    /// # Errors
    /// The first failure of [`process`](Self::process).
    pub fn process_batch<T: Borrow<RgbImage> + Sync>(
        &self,
        images: &[T],
    ) -> Result<Vec<PixelValues>> {
        images.par_iter().map(|image| self.process(image.borrow())).collect()
    }

    /// Width and height after padding to a square, where that is done.
    fn padded(&self, width: u32, height: u32) -> Result<[u32; 2]> {
        self.check(width.into(), height.into())?;
        if !self.pads_to_square() {
            return Ok([width, height]);
        }
        let side = width.max(height);
        self.check(side.into(), side.into())?;
        Ok([side, side])
    }

    /// The resized size and the window of it that is kept.
    fn target(&self, [width, height]: [u32; 2]) -> Result<Target> {
        let (height, width) = (u64::from(height), u64::from(width));
        let resized =
            if self.do_resize { self.size.resolve(height, width) } else { (height, width) };
        let output = match self.crop_size {
            Some(crop) if self.do_center_crop => (u64::from(crop.height), u64::from(crop.width)),
            _ => resized,
        };
        self.check(resized.1.min(output.1), resized.0.min(output.0))?;
        self.check(output.1, output.0)?;
        Target::new(resized, output).ok_or_else(|| self.too_large(resized.1, resized.0))
    }

    fn check(&self, width: u64, height: u64) -> Result<()> {
        match width.checked_mul(height) {
            Some(0) => Err(Error::Media {
                path: "picture".into(),
                reason: format!("the picture is {width}x{height} on its way to the encoder"),
            }),
            Some(pixels) if pixels <= MAX_PIXELS => Ok(()),
            _ => Err(self.too_large(width, height)),
        }
    }

    fn too_large(&self, width: u64, height: u64) -> Error {
        Error::Media {
            path: "picture".into(),
            reason: format!(
                "the image processor would make {width}x{height} pixels of it, above the limit of \
                 {} megapixels: crop the picture to a usual aspect ratio",
                MAX_PIXELS / 1_000_000
            ),
        }
    }

    /// Centres a picture on a square of the mean colour (LLaVA-1.5's `expand2square`).
    fn pad_to_square(&self, image: &RgbImage, side: u32) -> RgbImage {
        let mean = self.image_mean.map(|mean| (mean * 255.0) as u8);
        let mut square = RgbImage::from_pixel(side, side, image::Rgb(mean));
        let left = i64::from((side - image.width()) / 2);
        let top = i64::from((side - image.height()) / 2);
        image::imageops::replace(&mut square, image, left, top);
        square
    }

    /// Rescales and normalises: one look-up per sample, since a sample has only 256 values.
    fn normalize(&self, pixels: &RgbImage) -> PixelValues {
        let tables = self.tables();
        let (width, height) = (pixels.width() as usize, pixels.height() as usize);
        let mut data = vec![0.0; 3 * width * height];
        let (red, rest) = data.split_at_mut(width * height);
        let (green, blue) = rest.split_at_mut(width * height);
        let planes = red.iter_mut().zip(green).zip(blue);
        for (((r, g), b), pixel) in planes.zip(pixels.as_chunks::<3>().0) {
            *r = tables[0][usize::from(pixel[0])];
            *g = tables[1][usize::from(pixel[1])];
            *b = tables[2][usize::from(pixel[2])];
        }
        PixelValues { data, height, width }
    }

    /// The value of every 8-bit sample, per channel; computed in the reference's order and
    /// precision (mean and deviation multiplied by `1 / rescale_factor` where both steps apply).
    fn tables(&self) -> [[f32; 256]; 3] {
        let factor = self.rescale_factor;
        std::array::from_fn(|c| {
            let (mut mean, mut std) = (self.image_mean[c] as f32, self.image_std[c] as f32);
            if self.do_rescale {
                mean *= (1.0 / factor) as f32;
                std *= (1.0 / factor) as f32;
            }
            std::array::from_fn(|sample| {
                let sample = sample as f32;
                match (self.do_normalize, self.do_rescale) {
                    (true, _) => (sample - mean) / std,
                    (false, true) => sample * factor as f32,
                    (false, false) => sample,
                }
            })
        })
    }
}
