//! `data scenes` and `data pope`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::program::{fails_with, json, quintet, succeeds, text};

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().to_owned();
                    found.insert(name, fs::read(path).unwrap());
                }
            }
        }
    }
    found
}

#[test]
fn scenes_are_the_same_bytes_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let build = |name: &str, seed: &str| {
        let out = dir.path().join(name);
        let args = ["data", "scenes", "--bundled", "-n", "6", "--seed", seed, "--out", text(&out)];
        assert_eq!(succeeds(&mut quintet(args)).trim(), text(&out));
        files(&out)
    };
    let first = build("first", "1");
    let names: Vec<&str> = first.keys().map(|path| text(path)).collect();
    assert!(names.contains(&"annotations.json") && names.contains(&"conversations.parquet"));
    assert_eq!(names.iter().filter(|name| name.starts_with("images")).count(), 6);
    assert!(first == build("again", "1"), "the same seed gave other bytes");
    assert!(first != build("other", "2"), "another seed gave the same bytes");
}

#[test]
fn scenes_tell_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["-n", "2", "--split", "validation", "--styles", "noto", "--json"];
    let out = ["data", "scenes", "--bundled", "--out", text(dir.path())];
    let told = json(quintet(out).args(flags));
    assert_eq!((&told["scenes"], &told["split"]), (&2.into(), &"validation".into()));
    let missing = ["-n", "2", "--styles", "twemoji"];
    fails_with(quintet(out).args(missing), &["none of the styles asked for is bundled"]);
}

#[test]
fn pope_asks_about_annotated_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let (scenes, out) = (dir.path().join("scenes"), dir.path().join("pope"));
    let build = ["data", "scenes", "--bundled", "-n", "20", "--out", text(&scenes)];
    succeeds(&mut quintet(build));
    let annotations = scenes.join("annotations.json");
    let pope = ["data", "pope", "--coco", text(&annotations), "--out", text(&out), "--json"];
    let said = json(quintet(pope).args(["--objects", "1", "--questions", "2"]));
    let names: Vec<_> = files(&out).into_keys().collect();
    let splits = ["adversarial", "popular", "random"];
    assert_eq!(names, splits.map(|split| PathBuf::from(format!("coco_pope_{split}.json"))));
    let questions = files(&out).into_values().map(|text| text.split(|b| *b == b'\n').count() - 1);
    assert_eq!(said["questions"], questions.sum::<usize>());
    fails_with(quintet(pope).args(["--objects", "99"]), &["no picture has 99 different objects"]);
}
