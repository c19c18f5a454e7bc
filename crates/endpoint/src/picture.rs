//! Pictures as endpoints take them.

use std::{
    borrow::Cow,
    fs::File,
    io::{Cursor, Read},
    path::Path,
};

use base64::prelude::{BASE64_STANDARD, Engine};
use image::{ImageFormat, ImageReader, RgbImage, codecs::jpeg::JpegEncoder};
use quintet_data::{media, sample::Media};
use serde::{Deserialize, Serialize};

/// The largest encoded picture that is sent.
const MAX_BYTES: u64 = 64 << 20;

/// How decoded pictures are encoded. Files are sent as they are, unless no endpoint reads their
/// format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Without loss.
    Png,
    /// At this quality, 1 to 100.
    Jpeg(u8),
}

impl Encoding {
    /// The MIME type and bytes of a picture.
    ///
    /// # Errors
    /// The encoder refuses its size; the text says so.
    pub fn encode(self, image: &RgbImage) -> Result<(&'static str, Vec<u8>), String> {
        let mut bytes = Vec::new();
        let (mime, done) = match self {
            Encoding::Png => {
                ("image/png", image.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png))
            }
            Encoding::Jpeg(quality) => {
                let encoder = JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100));
                ("image/jpeg", image.write_with_encoder(encoder))
            }
        };
        done.map_err(|e| format!("it cannot be encoded: {e}"))?;
        Ok((mime, bytes))
    }
}

/// The picture as a data URL (RFC 2397).
///
/// # Errors
/// It cannot be read, decoded or encoded; the text says why.
pub(crate) fn data_url(picture: &Media, encoding: Encoding) -> Result<String, String> {
    let (mime, bytes) = encoded(picture, encoding)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large());
    }
    Ok(format!("data:{mime};base64,{}", BASE64_STANDARD.encode(bytes)))
}

/// Width and height, from the head of the file.
///
/// # Errors
/// As [`data_url`].
pub(crate) fn size(picture: &Media) -> Result<(u32, u32), String> {
    let reason = |e: image::ImageError| format!("its size cannot be read: {e}");
    match picture {
        Media::Image(image) => Ok(image.dimensions()),
        Media::Bytes(bytes) => ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|e| e.to_string())?
            .into_dimensions()
            .map_err(reason),
        Media::File(path) => ImageReader::open(path)
            .and_then(ImageReader::with_guessed_format)
            .map_err(|e| format!("{}: {e}", path.display()))?
            .into_dimensions()
            .map_err(|e| format!("{}: {}", path.display(), reason(e))),
    }
}

fn encoded(picture: &Media, encoding: Encoding) -> Result<(&'static str, Cow<'_, [u8]>), String> {
    let encode = |image: &RgbImage| {
        let (mime, bytes) = encoding.encode(image)?;
        Ok((mime, Cow::Owned(bytes)))
    };
    let bytes = match picture {
        Media::Image(image) => return encode(image),
        Media::Bytes(bytes) => Cow::Borrowed(&**bytes),
        Media::File(path) => {
            Cow::Owned(read(path).map_err(|reason| format!("{}: {reason}", path.display()))?)
        }
    };
    let mime = match image::guess_format(&bytes) {
        Ok(ImageFormat::Png) => "image/png",
        Ok(ImageFormat::Jpeg) => "image/jpeg",
        Ok(ImageFormat::WebP) => "image/webp",
        Ok(ImageFormat::Gif) => "image/gif",
        _ => return encode(&*media::decode(picture).map_err(|e| e.to_string())?),
    };
    Ok((mime, bytes))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}

fn too_large() -> String {
    format!("it is larger than {} MiB: scale it down first", MAX_BYTES >> 20)
}
