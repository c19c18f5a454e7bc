//! Videos as a few uniformly sampled frames: how image encoders see them (the survey feeds
//! five frames through the image encoder).

use std::path::Path;

use image::RgbImage;

use super::{animation, decode_file, encoded, error, ffmpeg, still};
use crate::{Result, sample::Media};

/// Frames taken from a video where nothing else is asked for.
pub const VIDEO_FRAMES: usize = 5;

/// Samples `n` frames uniformly, first and last included.
///
/// Takes a folder of pictures (in the order of their names), an animated GIF, WebP or PNG, a
/// still picture (which counts as a video of one frame), or any other video file if an `ffmpeg`
/// program is on the `PATH`. A video of fewer than `n` frames gives some of them repeatedly.
/// Only the sampled frames are kept in memory.
///
/// # Errors
/// [`Error::Media`](crate::Error::Media) as for [`decode`](super::decode), and where `ffmpeg`
/// is needed and missing, or fails.
pub fn sample_frames(media: &Media, n: usize) -> Result<Vec<RgbImage>> {
    let fail = |reason| error(media, reason);
    match media {
        Media::Image(image) => return Ok(vec![image.as_ref().clone(); n]),
        Media::File(path) if path.is_dir() => return sample_folder(media, path, n),
        Media::File(path) if !is_picture(path) => {
            return ffmpeg::sample(path, n).map_err(fail);
        }
        _ => {}
    }
    let bytes = encoded(media)?;
    match still::format(&bytes) {
        Ok(_) => animation::sample(&bytes, n).map_err(fail),
        Err(reason) if bytes.is_empty() => Err(fail(reason)),
        Err(_) => ffmpeg::sample_bytes(&bytes, n).map_err(fail),
    }
}

/// Frame numbers: `numpy.linspace(0, total - 1, n)` rounded down.
pub(super) fn uniform_indices(total: usize, n: usize) -> Vec<usize> {
    let last = total.saturating_sub(1);
    match n {
        0 | 1 => vec![0; n],
        // In floating point, as numpy computes it: the products are not always whole.
        _ => {
            let step = last as f64 / (n - 1) as f64;
            (0..n).map(|i| if i == n - 1 { last } else { (i as f64 * step) as usize }).collect()
        }
    }
}

/// Whether a file starts like a picture; a file that cannot be read counts as one, so that the
/// picture reader gives the reason.
fn is_picture(path: &Path) -> bool {
    use std::io::Read;
    let mut start = Vec::new();
    match std::fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut start)) {
        Ok(_) => start.is_empty() || still::format(&start).is_ok(),
        Err(_) => true,
    }
}

fn sample_folder(media: &Media, folder: &Path, n: usize) -> Result<Vec<RgbImage>> {
    let fail = |reason| error(media, reason);
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|e| fail(format!("cannot list it: {e}")))?;
    for entry in entries {
        let path = entry.map_err(|e| fail(format!("cannot list it: {e}")))?.path();
        if has_picture_name(&path) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(fail("the folder holds no pictures (.png, .jpg, .webp, .gif, .bmp)".into()));
    }
    files.sort_unstable();
    let mut frames: Vec<RgbImage> = Vec::with_capacity(n.min(files.len()));
    let mut previous = None;
    for index in uniform_indices(files.len(), n) {
        let frame = match frames.last() {
            Some(frame) if previous == Some(index) => frame.clone(),
            _ => decode_file(&files[index])?.as_ref().clone(),
        };
        previous = Some(index);
        frames.push(frame);
    }
    Ok(frames)
}

fn has_picture_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    !name.starts_with('.')
        && ["png", "jpg", "jpeg", "webp", "gif", "bmp"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
}
