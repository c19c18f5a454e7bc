//! Disks that are full: one line that names the file, which stays as it was.

use std::fs;
#[cfg(target_os = "linux")]
use std::process::Stdio;

#[cfg(target_os = "linux")]
use crate::program::quintet;
use crate::program::{fails_with, starved, text};

const DEMO: &str = "assets/demo.png";

#[cfg(unix)]
#[test]
fn files_stay_as_they_were() {
    for (args, flag, name) in [
        (vec!["ask", DEMO, "Where is the cat?"], "--save", "out.png"),
        (vec!["features", "--image", DEMO], "--out", "out.safetensors"),
        (vec!["logits", "--prompt", "Who are you?"], "--out", "out.safetensors"),
        (vec!["eval", "--bundled", "--styles", "noto", "-n", "1"], "--out", "out.json"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join(name);
        fs::write(&out, "as it was").unwrap();
        let mut command = starved(1, args);
        fails_with(command.args([flag, text(&out)]), &[name, "File too large"]);
        assert_eq!(fs::read_to_string(&out).unwrap(), "as it was");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was left behind");
    }
}

#[cfg(unix)]
#[test]
fn a_dataset_is_not_left_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let out = ["data", "scenes", "--bundled", "-n", "3", "--out", text(dir.path())];
    fails_with(&mut starved(1, out), &[text(dir.path()), "File too large"]);
    assert!(!dir.path().join("annotations.json").exists());
    assert!(!dir.path().join("conversations.parquet").exists());
}

#[cfg(unix)]
#[test]
fn a_marked_picture_is_not_left_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let (boxes, out) = (dir.path().join("boxes.json"), dir.path().join("out.bmp"));
    fs::write(&boxes, "[[5, 5, 30, 30]]").unwrap();
    let source = format!("boxes:{}", text(&boxes));
    let mark = ["som", "mark", DEMO, "--source", &source, "--unit", "pixels", "--out", text(&out)];
    fails_with(&mut starved(4, mark), &["out.bmp", "File too large"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was left behind");
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_finds_no_room_is_told() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut models = quintet(["models"]);
    fails_with(models.stdout(Stdio::from(full)), &["standard output", "No space left on device"]);
    // A device must not be replaced by a file.
    let features = ["features", "--image", DEMO, "--out", "/dev/full"];
    fails_with(&mut quintet(features), &["/dev/full: this is a device"]);
}
