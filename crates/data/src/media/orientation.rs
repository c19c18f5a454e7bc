//! Which way is up: the EXIF orientation tag, or the XMP one where EXIF has none, as PIL's
//! `getexif` looks for it.

use image::metadata::Orientation;

/// Finds the transformation that turns a picture upright.
pub(super) fn find(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Orientation {
    exif.and_then(from_exif).or_else(|| xmp.and_then(from_xmp)).unwrap_or(Orientation::NoTransforms)
}

fn from_exif(exif: &[u8]) -> Option<Orientation> {
    // WebP and PNG writers disagree on whether the JPEG segment's prefix belongs to the chunk.
    Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
}

/// Finds `tiff:Orientation="n"` or `tiff:Orientation>n`.
fn from_xmp(xmp: &[u8]) -> Option<Orientation> {
    const TAG: &[u8] = b"tiff:Orientation";
    let at = xmp.windows(TAG.len()).position(|window| window == TAG)?;
    let rest = &xmp[at + TAG.len()..];
    let rest = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))?;
    Orientation::from_exif(rest.first()?.wrapping_sub(b'0'))
}
