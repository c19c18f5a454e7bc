//! Frames of animated GIF, WebP and PNG files, decoded one after the other.

use std::io::Cursor;

use image::{
    AnimationDecoder, Frames, ImageDecoder, ImageFormat, RgbImage,
    codecs::{gif::GifDecoder, webp::WebPDecoder},
};

use super::{
    Transparency, check_size,
    still::{self, limits, reason, rgba_to_rgb},
    video::uniform_indices,
};

/// Samples `n` frames of an animation or still picture; the error is the reason in words.
pub(super) fn sample(bytes: &[u8], n: usize) -> Result<Vec<RgbImage>, String> {
    let format = still::format(bytes)?;
    let total = match format {
        ImageFormat::Gif => count_gif(bytes),
        ImageFormat::Png => count_png(bytes),
        ImageFormat::WebP => count_webp(bytes),
        _ => None,
    }
    .unwrap_or(1);
    if total <= 1 {
        return Ok(vec![still::decode(bytes, Transparency::Drop)?; n]);
    }
    let mut frames = open(format, bytes)?;
    let mut sampled: Vec<RgbImage> = Vec::with_capacity(n);
    let mut next = 0;
    for index in uniform_indices(total, n) {
        if index < next {
            // A short animation gives the same frame again.
            sampled.extend(sampled.last().cloned());
            continue;
        }
        let frame = frames
            .nth(index - next)
            .ok_or_else(|| format!("the animation is truncated: frame {index} of {total}"))?
            .map_err(|e| format!("frame {index} of {total}: {}", reason(e)))?
            .into_buffer();
        next = index + 1;
        let (width, height) = frame.dimensions();
        let rgb = rgba_to_rgb(frame.as_raw(), Transparency::Drop);
        sampled.push(
            RgbImage::from_raw(width, height, rgb).ok_or("the decoder returned too few pixels")?,
        );
    }
    Ok(sampled)
}

fn open(format: ImageFormat, bytes: &[u8]) -> Result<Frames<'_>, String> {
    fn checked<D: ImageDecoder>(mut decoder: D) -> Result<D, String> {
        let (width, height) = decoder.dimensions();
        check_size(width.into(), height.into())?;
        decoder.set_limits(limits()).map_err(reason)?;
        Ok(decoder)
    }
    let reader = Cursor::new(bytes);
    Ok(match format {
        ImageFormat::Gif => checked(GifDecoder::new(reader).map_err(reason)?)?.into_frames(),
        ImageFormat::WebP => checked(WebPDecoder::new(reader).map_err(reason)?)?.into_frames(),
        _ => still::open_png(bytes)?.apng().map_err(reason)?.into_frames(),
    })
}

/// Counts image descriptors (GIF89a, section 20) by walking over the blocks.
fn count_gif(bytes: &[u8]) -> Option<usize> {
    let color_table = |flags: u8| if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0usize };
    let skip_blocks = |mut at: usize| -> Option<usize> {
        loop {
            match bytes.get(at)? {
                0 => return Some(at + 1),
                &length => at += 1 + usize::from(length),
            }
        }
    };
    let mut at = 13 + color_table(*bytes.get(10)?);
    let mut count = 0;
    loop {
        let end = match bytes.get(at) {
            Some(0x21) => skip_blocks(at + 2),
            Some(0x2c) => {
                count += 1;
                let table = bytes.get(at + 9).map_or(0, |&flags| color_table(flags));
                skip_blocks(at + 11 + table)
            }
            _ => None,
        };
        match end {
            Some(end) => at = end,
            None => return Some(count),
        }
    }
}

/// The frame count of the `acTL` chunk (PNG 3rd edition, section 11.3.6.1).
fn count_png(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes.get(8..)?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        match kind {
            b"acTL" => return Some(u32::from_be_bytes(*after.first_chunk()?) as usize),
            b"IDAT" => return None,
            _ => rest = after.get((u32::from_be_bytes(*length) as usize).checked_add(4)?..)?,
        }
    }
}

/// Counts `ANMF` chunks (WebP container specification, "Animation").
fn count_webp(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes.get(12..)?;
    let mut count = 0;
    while let Some((kind, after)) = rest.split_first_chunk::<4>() {
        count += usize::from(kind == b"ANMF");
        let Some(length) = after.first_chunk().map(|&length| u32::from_le_bytes(length)) else {
            break;
        };
        // Chunks are padded to an even length.
        let end = (length as usize).checked_add(4 + length as usize % 2)?;
        rest = after.get(end..).unwrap_or_default();
    }
    Some(count)
}
