//! Where a picture lies in the encoder's image.

use burn::{Device, Tensor, TensorData};
use image::RgbImage;
use quintet_data::image_processor::{ImageProcessor, Kind, Resample, Size};

use crate::{Error, Result};

/// ImageNet's, by which the pictures were normalised in training.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];

/// The longest side of a picture: what is kept for each row and column stays small.
const LONGEST: u32 = 1 << 16;

/// A picture resized so that its longest side fills the encoder's square image; zeros follow on the
/// right or below. Reference: `transforms.py` of `segment-anything`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Width and height of the picture.
    pub picture: [u32; 2],
    /// Width and height after resizing, at least 1.
    pub resized: [u32; 2],
    /// Side of the encoder's image.
    pub side: u32,
}

impl Frame {
    /// The frame of a picture of `width` × `height`.
    ///
    /// # Errors
    /// If the picture has no pixels, or a side of more than 2¹⁶.
    pub fn new([width, height]: [u32; 2], side: usize) -> Result<Self> {
        if width == 0 || height == 0 {
            return Err(Error::Request(format!("a picture of {width}x{height} has no pixels")));
        }
        if width.max(height) > LONGEST {
            return Err(Error::Request(format!(
                "a picture of {width}x{height} has a side of more than {LONGEST} pixels: crop or \
                 resize it"
            )));
        }
        let scale = side as f64 / f64::from(width.max(height));
        let resize = |size: u32| ((f64::from(size) * scale + 0.5) as u32).max(1);
        let side = u32::try_from(side).unwrap_or(u32::MAX);
        Ok(Self { picture: [width, height], resized: [resize(width), resize(height)], side })
    }

    /// The encoder's input.
    ///
    /// # Shapes
    /// - output: `[1, 3, side, side]`
    ///
    /// # Errors
    /// If the picture is too large to be resized.
    pub fn pixels(&self, image: &RgbImage, device: &Device) -> Result<Tensor<4>> {
        let [width, height] = self.resized;
        let processor = ImageProcessor {
            size: Size::Exact { height, width },
            resample: Resample::Bilinear,
            image_mean: MEAN,
            image_std: DEVIATION,
            ..ImageProcessor::new(Kind::Vit)
        };
        let values = processor.process(image)?;
        let (width, height, side) = (values.width, values.height, self.side as usize);
        let data = TensorData::new(values.data, [1, 3, height, width]);
        let pixels = Tensor::from_data(data, device);
        if [width, height] == [side, side] {
            return Ok(pixels);
        }
        let zeros = Tensor::zeros([1, 3, side, side], device);
        Ok(zeros.slice_assign([0..1, 0..3, 0..height, 0..width], pixels))
    }

    /// A place of the picture in the encoder's image.
    pub fn place(&self, [x, y]: [f64; 2]) -> [f32; 2] {
        let scale = |axis: usize| f64::from(self.resized[axis]) / f64::from(self.picture[axis]);
        [(x * scale(0)) as f32, (y * scale(1)) as f32]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_side_fills_the_image() {
        for (picture, resized) in [
            ([640, 480], [1024, 768]),
            ([480, 640], [768, 1024]),
            ([1, 1], [1024, 1024]),
            ([5000, 1], [1024, 1]),
            ([1, 65_536], [1, 1024]),
            ([1023, 999], [1024, 1000]),
        ] {
            let frame = Frame::new(picture, 1024).unwrap();
            assert_eq!(frame.resized, resized);
            let corner = picture.map(f64::from);
            assert_eq!(frame.place(corner), resized.map(|size| size as f32));
        }
        assert!(Frame::new([0, 5], 1024).is_err());
        assert!(Frame::new([1, 65_537], 1024).is_err());
    }

    #[test]
    fn pixels_are_normalised_and_padded_with_zeros() {
        let image = RgbImage::from_pixel(8, 4, image::Rgb([124, 116, 104]));
        let frame = Frame::new([8, 4], 16).unwrap();
        let pixels = frame.pixels(&image, &Device::flex()).unwrap();
        assert_eq!(pixels.dims(), [1, 3, 16, 16]);
        let values: Vec<f32> = pixels.into_data().iter().collect();
        for (channel, expected) in
            [(124.0 - 123.675) / 58.395, (116.0 - 116.28) / 57.12, (104.0 - 103.53) / 57.375]
                .into_iter()
                .enumerate()
        {
            let (picture, padding) = values[channel * 256..][..256].split_at(128);
            assert!(picture.iter().all(|value| (value - expected).abs() < 1e-5));
            assert!(padding.iter().all(|value| *value == 0.0));
        }
    }
}
