//! From what a person names to pictures, and where their results go.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::Context;
use image::ImageFormat;

use crate::failure::usage;

/// A picture and its results.
pub struct Job {
    pub picture: PathBuf,
    /// The marked picture.
    pub out: PathBuf,
    /// Its record, when one is wanted.
    pub json: Option<PathBuf>,
}

impl Job {
    /// Whether all its results are there.
    pub fn done(&self) -> bool {
        self.out.is_file() && self.json.as_ref().is_none_or(|json| json.is_file())
    }
}

/// A picture, and its name below the folder or pattern that it was found by.
struct Found {
    path: PathBuf,
    name: PathBuf,
}

/// The pictures in order, each with its results: files where one picture was named and the targets
/// look like files, otherwise files in folders, under the names that the pictures have.
///
/// # Errors
/// If nothing is there, or a result would overwrite a picture or another result.
pub fn jobs(named: &[String], out: &Path, json: Option<&Path>) -> anyhow::Result<Vec<Job>> {
    let mut found = Vec::new();
    for text in named {
        find(text, out, &mut found)?;
    }
    let one = match named {
        [name] => Path::new(name).is_file(),
        _ => false,
    };
    let target = |place: &Path, is_file: fn(&Path) -> bool, name: PathBuf, what: &str| {
        let folder = place.is_dir() || place.as_os_str().to_string_lossy().ends_with('/');
        match (folder, is_file(place)) {
            (false, true) if one => Ok(place.to_owned()),
            (false, true) => Err(usage(format!(
                "{}: there is a {what} for each picture; name a folder",
                place.display()
            ))),
            _ => Ok(place.join(name)),
        }
    };
    let mut jobs = Vec::with_capacity(found.len());
    for Found { path: picture, name } in found {
        let record = name.with_extension("json");
        let json = json.map(|place| target(place, is_json, record, "record")).transpose()?;
        let out = target(out, is_picture, name, "marked picture")?;
        jobs.push(Job { picture, out, json });
    }
    check(&jobs)?;
    Ok(jobs)
}

/// The pictures of files, folders and patterns, in order.
///
/// # Errors
/// If nothing is there.
pub fn pictures(named: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for text in named {
        find(text, Path::new(""), &mut found)?;
    }
    Ok(found.into_iter().map(|found| found.path).collect())
}

/// Results must not fall on pictures or on one another.
fn check(jobs: &[Job]) -> anyhow::Result<()> {
    let originals: HashSet<PathBuf> =
        jobs.iter().filter_map(|job| job.picture.canonicalize().ok()).collect();
    let mut writers: HashMap<&Path, &Path> = HashMap::new();
    for Job { picture, out, json } in jobs {
        if out.canonicalize().is_ok_and(|out| originals.contains(&out)) {
            return Err(usage(format!(
                "{}: a marked picture would take the place of an original; choose another --out",
                out.display()
            )));
        }
        for result in [Some(out), json.as_ref()].into_iter().flatten() {
            if let Some(other) = writers.insert(result, picture) {
                return Err(usage(format!(
                    "{}: both {} and {} would be written there; mark them one at a time",
                    result.display(),
                    other.display(),
                    picture.display()
                )));
            }
        }
    }
    Ok(())
}

fn find(text: &str, out: &Path, found: &mut Vec<Found>) -> anyhow::Result<()> {
    let path = Path::new(text);
    if path.is_dir() {
        let before = found.len();
        // Results of an earlier run in a folder below are no pictures of this one.
        walk(path, path, out.canonicalize().ok().as_deref(), found)?;
        anyhow::ensure!(found.len() > before, "{text}: no pictures in this folder ({})", kinds());
        return Ok(());
    }
    if path.exists() {
        let name = path.file_name().with_context(|| format!("{text}: not a file"))?;
        found.push(Found { path: path.to_owned(), name: name.into() });
        return Ok(());
    }
    anyhow::ensure!(text.contains(['*', '?', '[']), "{text}: no such file or folder");
    let pattern = glob::glob(text).map_err(|error| usage(format!("{text}: {error}")))?;
    let fixed: PathBuf = path
        .components()
        .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']))
        .collect();
    let before = found.len();
    for entry in pattern {
        let path = entry.with_context(|| format!("{text}: cannot be read"))?;
        if path.is_file() && is_picture(&path) {
            let name = path.strip_prefix(&fixed).unwrap_or(&path).components();
            // A pattern like ../*/a.png: results stay below their folder.
            let name = name.filter(|part| matches!(part, Component::Normal(_))).collect();
            found.push(Found { path, name });
        }
    }
    anyhow::ensure!(found.len() > before, "{text}: no picture matches ({})", kinds());
    Ok(())
}

fn walk(
    folder: &Path,
    root: &Path,
    out: Option<&Path>,
    found: &mut Vec<Found>,
) -> anyhow::Result<()> {
    let failed = || format!("{}: cannot read the folder", folder.display());
    let entries = fs::read_dir(folder).with_context(failed)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().with_context(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // Links to folders are not followed: they may lead in circles.
        if entry.file_type().with_context(failed)?.is_dir() {
            let results = out.is_some() && path.canonicalize().ok().as_deref() == out;
            if !results {
                walk(&path, root, out, found)?;
            }
        } else if is_picture(&path) && path.is_file() {
            let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
            found.push(Found { path, name });
        }
    }
    Ok(())
}

/// The kinds of files that are read and written.
const KINDS: [(ImageFormat, &str); 5] = [
    (ImageFormat::Png, "png"),
    (ImageFormat::Jpeg, "jpg"),
    (ImageFormat::WebP, "webp"),
    (ImageFormat::Gif, "gif"),
    (ImageFormat::Bmp, "bmp"),
];

fn kinds() -> String {
    KINDS.map(|(_, ending)| ending).join(", ")
}

fn is_picture(path: &Path) -> bool {
    format(path).is_some()
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"))
}

/// The format that a file's ending says, of those that can be read and written.
pub fn format(path: &Path) -> Option<ImageFormat> {
    let format = ImageFormat::from_path(path).ok()?;
    KINDS.iter().find(|(kind, _)| *kind == format).map(|(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in ["b.png", "a.JPG", "notes.txt", "deep/a.jpeg", "deep/x/c.webp", "out/a.JPG"] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    fn outs(named: &[&str], out: &str, json: Option<&str>) -> anyhow::Result<Vec<String>> {
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        let jobs = jobs(&named, Path::new(out), json.map(Path::new))?;
        let line = |job: &Job| {
            let json = job.json.as_ref().map(|json| format!(" {}", json.display()));
            format!("{}{}", job.out.display(), json.unwrap_or_default())
        };
        Ok(jobs.iter().map(line).collect())
    }

    #[test]
    fn folders_are_walked_in_order_and_results_are_no_pictures() {
        let dir = tree();
        let (root, out) = (dir.path().to_str().unwrap(), dir.path().join("out"));
        let found = outs(&[root], out.to_str().unwrap(), Some("j")).unwrap();
        let names = [
            "a.JPG j/a.json",
            "b.png j/b.json",
            "deep/a.jpeg j/deep/a.json",
            "deep/x/c.webp j/deep/x/c.json",
        ];
        assert_eq!(found, names.map(|name| format!("{}/{name}", out.display())));
    }

    #[test]
    fn patterns_keep_what_they_match() {
        let dir = tree();
        let pattern = |end: &str| format!("{}/{end}", dir.path().display());
        assert_eq!(outs(&[&pattern("*.png")], "o", None).unwrap(), ["o/b.png"]);
        assert_eq!(
            outs(&[&pattern("**/?.[jw]*")], "o", None).unwrap(),
            ["o/deep/a.jpeg", "o/deep/x/c.webp"]
        );
        for (text, said) in
            [("*.gif", "no picture matches"), ("none", "no such file"), ("[", "Pattern")]
        {
            let error = outs(&[&pattern(text)], "o", None).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn one_picture_may_go_to_a_file_several_go_to_a_folder() {
        let dir = tree();
        let path = |end: &str| dir.path().join(end).to_str().unwrap().to_owned();
        let (a, b) = (path("a.JPG"), path("b.png"));
        assert_eq!(outs(&[&b], "x/marked.png", Some("m.json")).unwrap(), ["x/marked.png m.json"]);
        assert_eq!(outs(&[&b], "x", Some("y")).unwrap(), ["x/b.png y/b.json"]);
        assert_eq!(outs(&[&b], "x.png/", None).unwrap(), ["x.png/b.png"]);
        let say = |named: &[&str], out: &str, json| outs(named, out, json).unwrap_err().to_string();
        assert!(say(&[&a, &b], "marked.png", None).contains("name a folder"));
        assert!(say(&[&a, &b], "o", Some("marks.json")).contains("a record for each picture"));
        assert!(say(&[&b], &b, None).contains("take the place of an original"));
        let below = say(&[&path("deep/a.jpeg"), &path("deep/x")], &path("deep"), None);
        assert!(below.contains("deep/a.jpeg: a marked picture"), "{below}");
        assert!(say(&[&b, &b], "o", None).contains("would be written there"));
    }

    #[test]
    fn an_empty_folder_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let said = outs(&[dir.path().to_str().unwrap()], "o", None).unwrap_err().to_string();
        assert!(said.contains("no pictures in this folder (png, jpg, webp, gif, bmp)"), "{said}");
    }
}
