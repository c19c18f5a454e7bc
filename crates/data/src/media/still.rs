//! Still pictures: PNG, JPEG, WebP, GIF, BMP.

use std::io::Cursor;

use image::{
    ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageFormat, Limits,
    RgbImage,
    codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, webp::WebPDecoder},
};

use super::{MAX_PIXELS, Transparency, check_size, jpeg, orientation};

/// Decodes a whole picture; the error is the reason in words.
pub(super) fn decode(bytes: &[u8], transparency: Transparency) -> Result<RgbImage, String> {
    let (image, exif, xmp) = match format(bytes)? {
        ImageFormat::Jpeg => {
            let jpeg = jpeg::decode(bytes, check_size)?;
            (jpeg.image, jpeg.exif, jpeg.xmp)
        }
        ImageFormat::Png => read(open_png(bytes)?, transparency)?,
        ImageFormat::WebP => {
            read(WebPDecoder::new(Cursor::new(bytes)).map_err(reason)?, transparency)?
        }
        ImageFormat::Gif => {
            read(GifDecoder::new(Cursor::new(bytes)).map_err(reason)?, transparency)?
        }
        _ => read(BmpDecoder::new(Cursor::new(bytes)).map_err(reason)?, transparency)?,
    };
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation::find(exif.as_deref(), xmp.as_deref()));
    Ok(image.into_rgb8())
}

/// Opens a PNG. Its size is checked here: the decoder reserves memory when it is made.
pub(super) fn open_png(bytes: &[u8]) -> Result<PngDecoder<Cursor<&[u8]>>, String> {
    if let Some(&[a, b, c, d, e, f, g, h]) = bytes.get(16..).and_then(|rest| rest.first_chunk()) {
        let (width, height) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        check_size(width.into(), height.into())?;
    }
    PngDecoder::with_limits(Cursor::new(bytes), limits()).map_err(reason)
}

/// Recognises a supported format by its first bytes.
pub(super) fn format(bytes: &[u8]) -> Result<ImageFormat, String> {
    if bytes.is_empty() {
        return Err("the file is empty".into());
    }
    match image::guess_format(bytes) {
        Ok(
            format @ (ImageFormat::Png
            | ImageFormat::Jpeg
            | ImageFormat::WebP
            | ImageFormat::Gif
            | ImageFormat::Bmp),
        ) => Ok(format),
        Ok(format) => Err(format!(
            "{format:?} pictures are not supported: convert it to PNG, JPEG, WebP, GIF or BMP"
        )),
        Err(_) => Err("not a picture in a known format (PNG, JPEG, WebP, GIF or BMP)".into()),
    }
}

type Decoded = (RgbImage, Option<Vec<u8>>, Option<Vec<u8>>);

/// Reads the pixels, the EXIF chunk and the XMP packet.
fn read(mut decoder: impl ImageDecoder, transparency: Transparency) -> Result<Decoded, String> {
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into())?;
    decoder.set_limits(limits()).map_err(reason)?;
    // Metadata that cannot be read leaves the picture as it lies.
    let exif = decoder.exif_metadata().ok().flatten();
    let xmp = decoder.xmp_metadata().ok().flatten();
    let color = decoder.color_type();
    let sixteen_bit_grey = decoder.original_color_type() == ExtendedColorType::L16;
    let mut raw = vec![0; usize::try_from(decoder.total_bytes()).map_err(|e| e.to_string())?];
    decoder.read_image(&mut raw).map_err(reason)?;
    let rgb = to_rgb(raw, color, sixteen_bit_grey, transparency)?;
    let image =
        RgbImage::from_raw(width, height, rgb).ok_or("the decoder returned too few pixels")?;
    Ok((image, exif, xmp))
}

/// Converts samples as PIL's modes do.
fn to_rgb(
    raw: Vec<u8>,
    color: ColorType,
    sixteen_bit_grey: bool,
    transparency: Transparency,
) -> Result<Vec<u8>, String> {
    let on_white = transparency == Transparency::OnWhite;
    let eight = match color {
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => {
            // PIL keeps 16-bit grey as `I;16`, whose conversion clips; of other 16-bit samples
            // it keeps the high byte.
            let narrow = |sample: &[u8; 2]| {
                let value = u16::from_ne_bytes(*sample);
                if sixteen_bit_grey { value.min(255) as u8 } else { (value >> 8) as u8 }
            };
            raw.as_chunks().0.iter().map(narrow).collect()
        }
        _ => raw,
    };
    Ok(match color.channel_count() {
        1 => eight.iter().flat_map(|&grey| [grey; 3]).collect(),
        2 => eight
            .as_chunks()
            .0
            .iter()
            .flat_map(|&[grey, alpha]| [if on_white { over_white(grey, alpha) } else { grey }; 3])
            .collect(),
        3 => eight,
        4 => rgba_to_rgb(&eight, transparency),
        n => return Err(format!("pictures of {n} channels are not supported")),
    })
}

/// What a decoder may allocate: the largest picture with 16-bit RGBA samples.
pub(super) fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(8 * MAX_PIXELS + (1 << 20));
    limits
}

/// Removes the alpha channel.
pub(super) fn rgba_to_rgb(rgba: &[u8], transparency: Transparency) -> Vec<u8> {
    let on_white = transparency == Transparency::OnWhite;
    let pixels = rgba.as_chunks::<4>().0.iter();
    pixels
        .flat_map(
            |&[r, g, b, alpha]| {
                if on_white { [r, g, b].map(|v| over_white(v, alpha)) } else { [r, g, b] }
            },
        )
        .collect()
}

/// `value` at opacity `alpha` over 255, rounded.
fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// The reason for a decoder's refusal, for the error message.
pub(super) fn reason(error: ImageError) -> String {
    match &error {
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the file is truncated".into()
        }
        _ => format!("the picture is damaged or truncated: {error}"),
    }
}
