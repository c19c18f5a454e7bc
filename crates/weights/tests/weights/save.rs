//! Writing: whole or not at all.

use std::collections::BTreeMap;
use std::path::Path;

use quintet_weights::{Error, Result, SaveDType, Weights, save_safetensors};

use crate::assert_fails;

const CHILD_PATH: &str = "QUINTET_TEST_FULL_DISK";

fn save(path: &Path, name: &str, shape: &[usize], data: &[f32]) -> Result<()> {
    save_safetensors(path, [(name, shape, data)], SaveDType::F32, &BTreeMap::new())
}

#[test]
fn replaces_an_older_file_and_leaves_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    save(&path, "old", &[1], &[1.0]).unwrap();
    save(&path, "new", &[2], &[2.0, 3.0]).unwrap();
    assert_eq!(Weights::open(&path).unwrap().f32("new").unwrap(), [2.0, 3.0]);
    assert_eq!(dir.path().read_dir().unwrap().count(), 1);
}

#[test]
fn refuses_wrong_tensors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test-input");
    assert_fails!(save(&path, "a", &[2], &[1.0]), Error::Malformed { .. }, "\"a\"", "[2]");
    let huge = [usize::MAX, usize::MAX];
    assert_fails!(save(&path, "a", &huge, &[1.0]), Error::Malformed { .. }, "\"a\"");
    let twice = [("a", [1], [1.0]), ("a", [1], [2.0])];
    let result = save_safetensors(&path, twice, SaveDType::F32, &BTreeMap::new());
    assert_fails!(result, Error::DuplicateTensor { .. }, "\"a\"");
    assert_fails!(
        save(&dir.path().join("none/test-input"), "a", &[1], &[1.0]),
        Error::Io { action: "write", .. }
    );
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}

/// The system refuses to write more than a few kilobytes, as it does on a full disk. This runs
/// itself again under such a limit, since the limit holds for a whole process.
#[cfg(target_os = "linux")]
#[test]
fn full_disk_leaves_the_old_file() {
    if let Some(path) = std::env::var_os(CHILD_PATH) {
        let error = save(path.as_ref(), "new", &[100_000], &[1.0; 100_000]).unwrap_err();
        println!("refused: {error}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    save(&path, "old", &[1], &[1.0]).unwrap();
    let before = std::fs::read(&path).unwrap();

    let run = r#"trap "" XFSZ; ulimit -f 16; exec "$0" --exact --nocapture "$1""#;
    let child = std::process::Command::new("sh")
        .args(["-c", run])
        .arg(std::env::current_exe().unwrap())
        .arg("save::full_disk_leaves_the_old_file")
        .env(CHILD_PATH, &path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let expected = format!("refused: {}: cannot write: ", path.display());
    assert!(child.status.success() && said.contains(&expected), "{child:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(dir.path().read_dir().unwrap().count(), 1, "a temporary file was left");
}
