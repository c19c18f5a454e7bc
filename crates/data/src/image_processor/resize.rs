//! Resampling as Pillow and torchvision do it.

use std::cell::RefCell;

use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::U8x3,
};
use image::RgbImage;

use super::Resample;

/// A resized picture and the window of it that becomes the output.
///
/// Along each axis (y, x) the output is `before` black pixels, then `kept` pixels from `start`
/// of the resized picture, then black again up to `output`.
pub(super) struct Target {
    pub axes: [Axis; 2],
}

/// A side of which a centre crop keeps less than one in so many pixels is not resampled whole.
const MOSTLY_CROPPED: u32 = 4;

#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub resized: u32,
    pub start: u32,
    kept: u32,
    pub before: u32,
    pub output: u32,
}

impl Target {
    /// From `(height, width)` of the resized picture and of the output; `None` if a number is
    /// out of range.
    pub fn new(resized: (u64, u64), output: (u64, u64)) -> Option<Self> {
        let axis = |resized: u64, output: u64| {
            let (resized, output) = (u32::try_from(resized).ok()?, u32::try_from(output).ok()?);
            Some(Axis {
                resized,
                start: resized.saturating_sub(output) / 2,
                kept: resized.min(output),
                before: output.saturating_sub(resized) / 2,
                output,
            })
        };
        Some(Self { axes: [axis(resized.0, output.0)?, axis(resized.1, output.1)?] })
    }
}

impl Axis {
    /// What is resampled: all of it, as the reference does, since weights are rounded by the greatest
    /// of a side, which its ends have; or else the window that is kept.
    fn resampled(self) -> Self {
        match self.resized / MOSTLY_CROPPED <= self.kept {
            true => Self { start: 0, kept: self.resized, ..self },
            false => self,
        }
    }
}

thread_local! {
    /// Keeps the resampler's scratch memory between pictures.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// Resizes `image` to `target`; the error is the reason in words.
pub(super) fn resize(
    image: &RgbImage,
    target: &Target,
    resample: Resample,
) -> Result<RgbImage, String> {
    let [y, x] = target.axes;
    let keep = |image: &RgbImage, top: u32, left: u32| {
        image::imageops::crop_imm(image, left, top, x.kept, y.kept).to_image()
    };
    let filtered = |filter, support| {
        let (whole_y, whole_x) = (y.resampled(), x.resampled());
        let resampled = resample_window(image, whole_y, whole_x, filter, support)?;
        Ok::<_, String>(keep(&resampled, y.start - whole_y.start, x.start - whole_x.start))
    };
    let window = if (y.resized, x.resized) == (image.height(), image.width()) {
        keep(image, y.start, x.start)
    } else {
        match resample {
            Resample::Nearest => nearest_window(image, y, x),
            Resample::Lanczos => filtered(FilterType::Lanczos3, 3.0)?,
            Resample::Bilinear => filtered(FilterType::Bilinear, 1.0)?,
            Resample::Bicubic => filtered(FilterType::CatmullRom, 2.0)?,
            Resample::Box => filtered(FilterType::Box, 0.5)?,
            Resample::Hamming => filtered(FilterType::Hamming, 1.0)?,
        }
    };
    if (y.kept, x.kept) == (y.output, x.output) {
        return Ok(window);
    }
    let mut output = RgbImage::new(x.output, y.output);
    image::imageops::replace(&mut output, &window, x.before.into(), y.before.into());
    Ok(output)
}

/// Takes the sample under each output pixel's centre, with the centre computed in single
/// precision as PyTorch's `nearest-exact` does: that decides ties.
fn nearest_window(image: &RgbImage, y: Axis, x: Axis) -> RgbImage {
    let source = |axis: Axis, size: u32, kept: u32| {
        let scale = size as f32 / axis.resized as f32;
        (((axis.start + kept) as f32 + 0.5) * scale).min(size as f32 - 1.0) as u32
    };
    let columns: Vec<u32> = (0..x.kept).map(|i| source(x, image.width(), i)).collect();
    RgbImage::from_fn(x.kept, y.kept, |i, j| {
        *image.get_pixel(columns[i as usize], source(y, image.height(), j))
    })
}

/// Resamples horizontally, then vertically with the intermediate rounded to 8 bits: Pillow's and
/// torchvision's order, which the resampler would swap if it did both at once. The order shows
/// where the cubic filter overshoots at sharp edges. `support` is the filter's reach in pixels.
fn resample_window(
    image: &RgbImage,
    y: Axis,
    x: Axis,
    filter: FilterType,
    support: f64,
) -> Result<RgbImage, String> {
    let (x_scale, y_scale) = (
        f64::from(image.width()) / f64::from(x.resized),
        f64::from(image.height()) / f64::from(y.resized),
    );
    let left = f64::from(x.start) * x_scale;
    let top = f64::from(y.start) * y_scale;
    // Rounding must not push the window over the edge.
    let kept_width = (f64::from(x.kept) * x_scale).min(f64::from(image.width()) - left);
    let kept_height = (f64::from(y.kept) * y_scale).min(f64::from(image.height()) - top);

    // Source rows that the vertical pass reads, with a margin of two.
    let reach = support * y_scale.max(1.0) + 2.0;
    let first_row = (top - reach).floor().max(0.0);
    let end_row = (top + kept_height + reach).ceil().min(f64::from(image.height()));
    let rows = (end_row - first_row) as u32;

    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    let mut middle = RgbImage::new(x.kept, rows);
    let across = options.crop(left, first_row, kept_width, f64::from(rows));
    convolve(image, &mut middle, &across)?;
    let mut output = RgbImage::new(x.kept, y.kept);
    let down = options.crop(0.0, top - first_row, f64::from(x.kept), kept_height);
    convolve(&middle, &mut output, &down)?;
    Ok(output)
}

/// Of known pixels: compiled for all that the resampler can resize, it takes minutes.
fn convolve(from: &RgbImage, to: &mut RgbImage, options: &ResizeOptions) -> Result<(), String> {
    let (width, height) = to.dimensions();
    let from = TypedImageRef::<U8x3>::from_buffer(from.width(), from.height(), from.as_raw());
    let to = TypedImage::<U8x3>::from_buffer(width, height, to);
    let (from, mut to) = (from.map_err(|e| e.to_string())?, to.map_err(|e| e.to_string())?);
    RESIZER
        .with_borrow_mut(|resizer| resizer.resize_typed(&from, &mut to, options))
        .map_err(|e| e.to_string())
}
