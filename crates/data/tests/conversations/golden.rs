//! Where the reference files are.

use std::path::PathBuf;

/// The folder of a topic; `QUINTET_GOLDEN` names another root, of freshly made files.
pub fn folder(topic: &str) -> PathBuf {
    let committed = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden");
    std::env::var_os("QUINTET_GOLDEN").map_or_else(committed, PathBuf::from).join(topic)
}

/// A JSON file of a topic.
pub fn json(topic: &str, file: &str) -> serde_json::Value {
    let path = folder(topic).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
