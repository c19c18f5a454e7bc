//! Files that a person names, as pictures or videos.

use std::path::PathBuf;

use quintet_data::{
    media,
    sample::{Media, Part},
};

/// Endings of files that are read as videos.
const VIDEOS: [&str; 12] =
    ["mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ogv", "flv", "wmv", "gif"];

/// A picture, or a video: a folder of pictures, or a file that ends like one. Pictures are decoded
/// at once, so that a bad one is reported before a model is loaded.
pub fn open(file: &str) -> anyhow::Result<(Part, Media)> {
    let path = PathBuf::from(file);
    anyhow::ensure!(path.exists(), "{file}: no such file");
    let video = path
        .extension()
        .is_some_and(|end| VIDEOS.iter().any(|video| end.eq_ignore_ascii_case(video)));
    if video || path.is_dir() {
        return Ok((Part::Video, Media::File(path)));
    }
    Ok((Part::Image, Media::Image(media::decode_file(&path)?)))
}
