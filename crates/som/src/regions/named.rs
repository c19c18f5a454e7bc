//! Entries of a file that are about pictures, found by the pictures' names.

use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// One entry per picture.
pub(super) struct Named<T> {
    /// By the last part of the name.
    entries: HashMap<OsString, Vec<(PathBuf, T)>>,
}

impl<T> Named<T> {
    /// Entries whose names are relative to some folder of pictures.
    pub fn new(entries: impl IntoIterator<Item = (PathBuf, T)>) -> Self {
        let mut this = Self { entries: HashMap::new() };
        for (name, entry) in entries {
            let name = name.strip_prefix(".").map(Path::to_owned).unwrap_or(name);
            let last = name.file_name().unwrap_or_default().to_owned();
            this.entries.entry(last).or_default().push((name, entry));
        }
        this
    }

    /// The entry of a picture: the one whose name shares the most with the end of its path.
    ///
    /// # Errors
    /// There is none, or the path is too short to tell several apart; the text says so.
    pub fn find(&self, path: &Path) -> Result<&T, String> {
        let path = path.strip_prefix(".").unwrap_or(path);
        let same_last = path.file_name().and_then(|last| self.entries.get(last));
        let mut matching: Vec<(usize, &T)> = same_last
            .into_iter()
            .flatten()
            .filter(|(name, _)| path.ends_with(name) || name.ends_with(path))
            .map(|(name, entry)| (name.components().count().min(path.components().count()), entry))
            .collect();
        matching.sort_by_key(|(shared, _)| std::cmp::Reverse(*shared));
        match matching.as_slice() {
            [] => Err(format!("it has no picture named {}", path.display())),
            [(_, entry)] => Ok(entry),
            [(most, entry), (next, _), ..] if most > next => Ok(entry),
            _ => {
                Err(format!("it has several pictures named {}; give a longer path", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_path_decides() {
        let names = ["a.png", "train/b.png", "val/b.png", "./c.png", "deep/val/b.png"];
        let named = Named::new(names.iter().map(|name| (PathBuf::from(name), *name)));
        let find = |path: &str| named.find(Path::new(path));
        assert_eq!(find("a.png"), Ok(&"a.png"));
        assert_eq!(find("somewhere/else/a.png"), Ok(&"a.png"));
        assert_eq!(find("coco/train/b.png"), Ok(&"train/b.png"));
        assert_eq!(find("/x/deep/val/b.png"), Ok(&"deep/val/b.png"));
        assert_eq!(find("./c.png"), Ok(&"./c.png"));
        assert!(find("b.png").unwrap_err().contains("give a longer path"));
        assert!(find("test/b.png").unwrap_err().contains("no picture named test/b.png"));
        assert!(find("").is_err() && find("..").is_err());
    }
}
