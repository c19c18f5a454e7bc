//! Pictures and videos: from files and bytes to RGB.
//!
//! The pixels are those of PIL's `ImageOps.exif_transpose(Image.open(f)).convert("RGB")`, which
//! is how `transformers.image_utils.load_image` reads a picture: turned upright, alpha dropped,
//! CMYK through PIL's formula, 16-bit colour cut to its high byte, 16-bit grey clipped at 255.

mod animation;
mod ffmpeg;
mod jpeg;
mod orientation;
mod still;
mod video;

use std::{fs::File, io::Read, path::Path, sync::Arc};

use image::RgbImage;

pub use self::video::{VIDEO_FRAMES, sample_frames};
use crate::{Error, Result, sample::Media};

/// The largest picture that is decoded, in pixels. A file of a few kilobytes can claim
/// gigabytes of pixels; a claim above this is refused before anything is allocated.
pub const MAX_PIXELS: u64 = 50_000_000;

/// The largest encoded picture that is read into memory, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// What becomes of transparent pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transparency {
    /// The colour stored under them shows, as with PIL's `convert("RGB")`.
    #[default]
    Drop,
    /// They are laid over white, as the image processors of transformers 5 do when they are
    /// given a picture that still has its alpha channel.
    OnWhite,
}

/// Decodes a picture, dropping transparency. A decoded one is returned as it is.
///
/// # Errors
/// [`Error::Media`] naming the file and the reason: missing, empty, of an unknown format,
/// truncated, damaged, or above [`MAX_PIXELS`].
pub fn decode(media: &Media) -> Result<Arc<RgbImage>> {
    decode_with(media, Transparency::Drop)
}

/// Decodes a picture with a choice about transparency.
///
/// # Errors
/// See [`decode`].
pub fn decode_with(media: &Media, transparency: Transparency) -> Result<Arc<RgbImage>> {
    if let Media::Image(image) = media {
        return Ok(image.clone());
    }
    let bytes = encoded(media)?;
    still::decode(&bytes, transparency).map(Arc::new).map_err(|reason| error(media, reason))
}

/// Decodes a picture file, dropping transparency.
///
/// # Errors
/// See [`decode`].
pub fn decode_file(path: impl AsRef<Path>) -> Result<Arc<RgbImage>> {
    decode(&Media::File(path.as_ref().to_owned()))
}

/// Decodes an encoded picture held in memory, dropping transparency. `name` is what errors
/// call it.
///
/// # Errors
/// See [`decode`].
pub fn decode_bytes(name: &str, bytes: &[u8]) -> Result<Arc<RgbImage>> {
    still::decode(bytes, Transparency::Drop)
        .map(Arc::new)
        .map_err(|reason| Error::Media { path: name.into(), reason })
}

/// The encoded bytes of a file or of a picture in memory.
fn encoded(media: &Media) -> Result<Arc<[u8]>> {
    match media {
        Media::File(path) => read(path).map(Arc::from).map_err(|reason| error(media, reason)),
        Media::Bytes(bytes) => Ok(bytes.clone()),
        Media::Image(_) => Err(error(media, "the picture is already decoded".into())),
    }
}

fn read(path: &Path) -> std::result::Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|e| format!("cannot open the picture: {e}"))?;
    let mut bytes = Vec::new();
    let length = file
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("cannot read the picture: {e}"))?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20));
    }
    Ok(bytes)
}

/// Refuses sizes that are zero or above [`MAX_PIXELS`].
fn check_size(width: u64, height: u64) -> std::result::Result<(), String> {
    match width.checked_mul(height) {
        Some(0) => Err(format!("the picture is {width}x{height}: it has no pixels")),
        Some(pixels) if pixels <= MAX_PIXELS => Ok(()),
        _ => Err(format!(
            "the picture claims {width}x{height} pixels, above the limit of {} megapixels: \
             scale it down first",
            MAX_PIXELS / 1_000_000
        )),
    }
}

fn error(media: &Media, reason: String) -> Error {
    let path = match media {
        Media::File(path) => path.display().to_string(),
        Media::Bytes(_) => "picture in memory".into(),
        Media::Image(_) => "decoded picture".into(),
    };
    Error::Media { path, reason }
}
