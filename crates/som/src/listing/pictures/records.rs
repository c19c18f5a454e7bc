//! Pictures that `som mark` marked, with its records of them.

use std::{
    collections::BTreeSet,
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

/// Endings of marked pictures.
const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "bmp"];

/// Marked pictures and the records of their marks, paired by name: `a/b.png` and `a/b.json`.
pub struct RecordedPictures {
    entries: Vec<Entry>,
    names: Vec<String>,
}

struct Entry {
    /// Without its ending, below the folder.
    id: String,
    picture: PathBuf,
    record: PathBuf,
}

impl RecordedPictures {
    /// Finds the records below one folder and their pictures below another, which may be the same.
    ///
    /// # Errors
    /// There is no record, one is malformed, or a picture is missing.
    pub fn open(pictures: &Path, records: &Path) -> Result<Self> {
        let mut files = Vec::new();
        walk(records, &mut files)?;
        let mut names = BTreeSet::new();
        let mut entries = Vec::with_capacity(files.len());
        for record in files {
            let marks = Marks::load(&record)?;
            names.extend(marks.marks.into_iter().filter_map(|mark| mark.name));
            let name = record.strip_prefix(records).unwrap_or(&record).with_extension("");
            let ends = ENDINGS.iter().flat_map(|end| [(*end).to_owned(), end.to_uppercase()]);
            let mut places = ends.map(|end| pictures.join(&name).with_added_extension(end));
            let picture = places.find(|place| place.is_file()).ok_or_else(|| {
                malformed(
                    &record,
                    format!(
                        "there is no marked picture {}.png (or .jpg, …)",
                        pictures.join(&name).display()
                    ),
                )
            })?;
            entries.push(Entry { id: name.display().to_string(), picture, record });
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
        Ok(Tagged::new(
            entry.id.clone(),
            Media::File(entry.picture.clone()),
            &Marks::load(&entry.record)?,
        ))
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
        let marks = Marks::load(&entry.record)?;
        MarkedPicture::new(
            entry.id.clone(),
            Media::File(entry.picture.clone()),
            &marks,
            Vec::new(),
            |_| None,
        )
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
