//! Runs the binary and judges what it says.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// The binary with arguments, at the root of the project, without a network.
pub fn quintet<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quintet"));
    command.args(args).current_dir(root()).env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

/// The same, with its writes limited to files of `blocks` of 512 bytes: what a full disk is to a
/// program. Without the trap, the signal SIGXFSZ would end it before it sees the error.
pub fn starved<S: AsRef<OsStr>>(blocks: u32, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_quintet")]);
    command.args(args).current_dir(root()).env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Standard output of a command that must do well, and say nothing else.
pub fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}\n{said}");
    assert_eq!(said, "", "{command:?}");
    String::from_utf8(stdout).unwrap()
}

/// The one JSON line of a command that must do well.
pub fn json(command: &mut Command) -> Value {
    let text = succeeds(command);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The message of a command that must fail: one line on standard error, and exit code 1.
pub fn fails(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{command:?}\n{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said.strip_prefix("error: ").unwrap_or_else(|| panic!("{said}")).trim_end().to_owned()
}

/// Fails with a message that holds all of these.
#[track_caller]
pub fn fails_with(command: &mut Command, parts: &[&str]) {
    let said = fails(command);
    for part in parts {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
}

/// The bundled model with one file changed: `None` leaves the file out.
pub fn mini_with(dir: &Path, name: &str, content: Option<&[u8]>) -> PathBuf {
    model_with("checkpoints/mini", dir, name, content)
}

/// The same of another model of the project.
pub fn model_with(from: &str, dir: &Path, name: &str, content: Option<&[u8]>) -> PathBuf {
    let model = dir.join("model");
    fs::create_dir(&model).unwrap();
    for file in fs::read_dir(root().join(from)).unwrap() {
        let file = file.unwrap();
        if file.file_name() != name {
            fs::copy(file.path(), model.join(file.file_name())).unwrap();
        }
    }
    if let Some(content) = content {
        fs::write(model.join(name), content).unwrap();
    }
    model
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
