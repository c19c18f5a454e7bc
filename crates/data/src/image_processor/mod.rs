//! From RGB pictures to the tensors that image encoders read: resize, crop, rescale, normalise.
//!
//! Follows the image processors of transformers 5 (`CLIPImageProcessor`,
//! `SiglipImageProcessor`, `BitImageProcessor` for DINOv2, `ViTImageProcessor`,
//! `LlavaImageProcessor`) with their default torchvision backend, whose antialiased 8-bit
//! resampling is Pillow's.

mod config;
mod resize;

use std::borrow::Borrow;

use image::RgbImage;
use rayon::prelude::*;

pub use self::config::{CropSize, ImageProcessor, Kind, Resample, Size};
use self::resize::Target;
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
        self.check(image.width().into(), image.height().into())?;
        if self.pads_to_square() && image.width() != image.height() {
            let side = image.width().max(image.height());
            self.check(side.into(), side.into())?;
            return self.process_padded(&self.pad_to_square(image, side));
        }
        self.process_padded(image)
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

    fn process_padded(&self, image: &RgbImage) -> Result<PixelValues> {
        let target = self.target(image)?;
        let pixels = resize::resize(image, &target, self.resample)
            .map_err(|reason| Error::Media { path: "picture".into(), reason })?;
        Ok(self.normalize(&pixels))
    }

    /// The resized size and the window of it that is kept.
    fn target(&self, image: &RgbImage) -> Result<Target> {
        let (height, width) = (u64::from(image.height()), u64::from(image.width()));
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
