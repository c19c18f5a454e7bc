//! Samples as files, whole or not at all.

use std::{borrow::Cow, fs, path::Path};

use quintet_data::{
    formats::{
        atomic, llava,
        parquet::{ParquetWriter, WriteOptions},
    },
    sample::{Media, Sample},
};
use quintet_endpoint::Encoding;

use super::error::{Error, Result};

/// Writes samples into one Parquet file, pictures included, as they come. Returns their number.
///
/// # Errors
/// A sample is an error or cannot be written; what was at `path` is then untouched.
pub fn write_parquet(
    path: &Path,
    samples: impl IntoIterator<Item = Result<Sample>>,
) -> Result<usize> {
    let mut writer = ParquetWriter::create(path, WriteOptions::default())?;
    let mut count = 0;
    for sample in samples {
        writer.write(&sample?)?;
        count += 1;
    }
    writer.finish()?;
    Ok(count)
}

/// Writes samples in LLaVA's layout into a new folder: `samples.json`, and `images/000000.png`, …
/// with copies of pictures that are files. Returns their number.
///
/// Pictures are written as they come; conversations are held until the end.
///
/// # Errors
/// The folder is there already, or a sample is an error or cannot be written; nothing is then
/// left.
pub fn write_llava(
    folder: &Path,
    samples: impl IntoIterator<Item = Result<Sample>>,
) -> Result<usize> {
    if folder.exists() {
        return Err(Error::Exists { path: folder.to_owned() });
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(Error::io(parent))?;
    let part = tempfile::tempdir_in(parent).map_err(Error::io(parent))?;
    let mut written = Vec::new();
    let mut pictures = 0;
    for sample in samples {
        let mut sample = sample?;
        for medium in &mut sample.media {
            let (bytes, extension) = encoded(medium)?;
            let path = part.path().join(format!("images/{pictures:06}.{extension}"));
            atomic::write_bytes(&path, &bytes)?;
            *medium = Media::File(path);
            pictures += 1;
        }
        written.push(sample);
    }
    llava::write(part.path().join("samples.json"), &written, part.path())?;
    make_readable(part.path())?;
    fs::rename(part.path(), folder).map_err(Error::io(folder))?;
    // There is nothing left to delete under its name.
    let _ = part.keep();
    Ok(written.len())
}

/// A picture as a file, and the file's extension.
pub(super) fn encoded(medium: &Media) -> Result<(Cow<'_, [u8]>, &'static str)> {
    let extension = |bytes: &[u8]| {
        let format = image::guess_format(bytes).ok();
        format.and_then(|format| format.extensions_str().first().copied()).unwrap_or("bin")
    };
    match medium {
        Media::File(path) => {
            let bytes = fs::read(path).map_err(Error::io(path))?;
            let extension = extension(&bytes);
            Ok((bytes.into(), extension))
        }
        Media::Bytes(bytes) => Ok((Cow::Borrowed(bytes), extension(bytes))),
        Media::Image(image) => {
            let (_, bytes) = Encoding::Png.encode(image).map_err(|reason| {
                quintet_data::Error::Media { path: "picture in memory".into(), reason }
            })?;
            Ok((bytes.into(), "png"))
        }
    }
}

/// Temporary folders are private; datasets are not.
#[cfg(unix)]
fn make_readable(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(Error::io(folder))
}

#[cfg(not(unix))]
fn make_readable(_: &Path) -> Result<()> {
    Ok(())
}
