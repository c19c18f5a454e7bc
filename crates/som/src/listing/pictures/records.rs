//! Pictures that `som mark` marked, with its records of them.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use quintet_data::sample::Media;

use super::Pictures;
use crate::{
    listing::{
        error::{Error, Result},
        item::MarkedPicture,
        teacher::Tagged,
    },
    marks::Marks,
};

/// Endings of marked pictures, where they were not kept.
const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "bmp"];

/// Marked pictures and the records of their marks, paired by name: `a/b.png` and `a/b.json`. What
/// is wrong with one of them is told when it is asked for.
pub struct RecordedPictures {
    entries: Vec<Entry>,
    names: Vec<String>,
}

struct Entry {
    /// Without its ending, below the folder.
    id: String,
    /// The marked picture, without its ending.
    picture: PathBuf,
    record: PathBuf,
}

impl Entry {
    /// The marked picture and its marks.
    fn read(&self) -> Result<(Media, Marks)> {
        let marks = Marks::load(&self.record)?;
        // The record names the picture as it was before: the marked one keeps its ending, unless
        // another was asked for, and may lie beside it.
        let original = marks.picture.as_deref();
        let kept = original.and_then(Path::extension).map(OsString::from);
        let guesses =
            ENDINGS.iter().flat_map(|end| [OsString::from(end), end.to_uppercase().into()]);
        let original = original.and_then(|path| path.canonicalize().ok());
        let is_marked = |place: &PathBuf| {
            place.canonicalize().is_ok_and(|place| place.is_file() && Some(place) != original)
        };
        let ends = kept.into_iter().chain(guesses);
        let picture = ends.map(|end| self.picture.with_added_extension(end)).find(is_marked);
        let missing = || {
            let place = self.picture.display();
            malformed(&self.record, format!("there is no marked picture {place}.png (or .jpg, …)"))
        };
        Ok((Media::File(picture.ok_or_else(missing)?), marks))
    }
}

impl RecordedPictures {
    /// Finds the records below one folder and their pictures below another, which may be the same.
    ///
    /// # Errors
    /// There is no record.
    pub fn open(pictures: &Path, records: &Path) -> Result<Self> {
        let mut files = Vec::new();
        walk(records, &mut files)?;
        let mut names = BTreeSet::new();
        let mut entries = Vec::with_capacity(files.len());
        for record in files {
            if let Ok(marks) = Marks::load(&record) {
                names.extend(marks.marks.into_iter().filter_map(|mark| mark.name));
            }
            let name = record.strip_prefix(records).unwrap_or(&record).with_extension("");
            let id = name.display().to_string();
            entries.push(Entry { id, picture: pictures.join(&name), record });
        }
        if entries.is_empty() {
            return Err(malformed(
                records,
                "there are no records (.json) of marks below it".into(),
            ));
        }
        Ok(Self { entries, names: names.into_iter().collect() })
    }

    /// Picture `i` for a teacher: what its marks stand for need not be known.
    ///
    /// # Errors
    /// There is no such picture, or its record cannot be read.
    pub fn tagged(&self, i: usize) -> Result<Tagged> {
        let entry = self.entry(i)?;
        let (picture, marks) = entry.read()?;
        Ok(Tagged::new(entry.id.clone(), picture, &marks))
    }

    fn entry(&self, i: usize) -> Result<&Entry> {
        let error = || quintet_data::Error::Row {
            path: "records".into(),
            row: i,
            reason: format!("there are {} pictures", self.entries.len()),
        };
        Ok(self.entries.get(i).ok_or_else(error)?)
    }
}

impl Pictures for RecordedPictures {
    fn count(&self) -> usize {
        self.entries.len()
    }

    fn title(&self, i: usize) -> String {
        self.entries.get(i).map(|entry| entry.id.clone()).unwrap_or_default()
    }

    fn marked(&self, i: usize) -> Result<MarkedPicture> {
        let entry = self.entry(i)?;
        let (picture, marks) = entry.read()?;
        MarkedPicture::new(entry.id.clone(), picture, &marks, Vec::new(), |_| None)
            .map_err(|reason| malformed(&entry.record, reason))
    }

    fn names(&self) -> Vec<String> {
        self.names.clone()
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(Error::io(folder))?;
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>().map_err(Error::io(folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // Links to folders are not followed: they may lead in circles.
        if entry.file_type().map_err(Error::io(&path))?.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")) {
            files.push(path);
        }
    }
    Ok(())
}

fn malformed(path: &Path, reason: String) -> Error {
    quintet_data::Error::Config { path: path.to_owned(), reason }.into()
}
