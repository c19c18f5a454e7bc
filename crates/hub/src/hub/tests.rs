use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const SMALL: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// A hub on this machine that serves `files` of the repository `owner/name`.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    pub(crate) state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    files: HashMap<String, Vec<u8>>,
    /// Path and `Range` of every request for a file.
    pub(crate) asked: Vec<(String, Option<u64>)>,
    authorised: Vec<String>,
    /// How many bytes of a file each next answer sends before the connection breaks.
    cuts: Vec<usize>,
    /// Status codes of the next answers.
    pub(crate) refusals: Vec<u16>,
    ranges: bool,
    /// Announced instead of the true digest.
    wrong_sha: bool,
}

impl Server {
    pub(crate) fn start(files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(n, b)| ((*n).to_owned(), b.to_vec())).collect();
        let state = Arc::new(Mutex::new(State { files, ranges: true, ..State::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(|l| l.ok());
                let Some(first) = lines.next() else { continue };
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let headers: HashMap<String, String> = lines
                    .take_while(|l| !l.is_empty())
                    .filter_map(|l| {
                        let (k, v) = l.split_once(": ")?;
                        Some((k.to_lowercase(), v.to_owned()))
                    })
                    .collect();
                // A client that hangs up early is part of the tests.
                let _ = shared.lock().unwrap().answer(&path, &headers, &stream);
            }
        });
        Self { endpoint, state }
    }

    pub(crate) fn hub(&self, cache: &Path) -> Hub {
        let mut hub = Hub::new(&self.endpoint, None, cache);
        hub.client.pause = Duration::from_millis(1);
        hub
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }
}

impl State {
    fn answer(
        &mut self,
        path: &str,
        headers: &HashMap<String, String>,
        mut to: impl Write,
    ) -> std::io::Result<()> {
        self.authorised.extend(headers.get("authorization").cloned());
        if !self.refusals.is_empty() {
            let status = self.refusals.remove(0);
            return write!(to, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
        }
        if path == "/api/models/owner/name/revision/main?blobs=true" {
            let body = self.listing();
            let length = body.len();
            return write!(to, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        }
        let name = path.strip_prefix(&format!("/owner/name/resolve/{COMMIT}/")).unwrap_or("");
        let Some(body) = self.files.get(name) else {
            return write!(to, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        };
        let range: Option<u64> = headers
            .get("range")
            .and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        self.asked.push((name.to_owned(), range));
        let start = range.filter(|_| self.ranges).unwrap_or(0) as usize;
        let rest = &body[start..];
        let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
        let (total, length) = (body.len(), rest.len());
        write!(to, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n")?;
        if start > 0 {
            write!(to, "Content-Range: bytes {start}-{}/{total}\r\n", total - 1)?;
        }
        write!(to, "\r\n")?;
        let sent = if self.cuts.is_empty() { length } else { self.cuts.remove(0).min(length) };
        to.write_all(&rest[..sent])
    }

    fn listing(&self) -> String {
        let siblings: Vec<_> = self
            .files
            .iter()
            .map(|(name, body)| {
                let lfs = name.ends_with(".safetensors") || name.ends_with(".pt");
                let mut hasher = digest::Hasher::default();
                hasher.update(if self.wrong_sha { b"other" } else { body });
                let mut file = serde_json::json!({ "rfilename": name, "size": body.len() });
                match lfs {
                    true => file["lfs"] = serde_json::json!({ "sha256": hasher.finish() }),
                    // Any forty digits do: git's own digest is not checked.
                    false => file["blobId"] = format!("{:x}{}", name.len(), &SMALL[1..]).into(),
                }
                file
            })
            .collect();
        serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string()
    }
}

fn weights() -> Vec<u8> {
    (0..300_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn model() -> Server {
    Server::start(&[
        ("config.json", b"{}"),
        ("tokenizer.json", b"{\"a\":1}"),
        ("model.safetensors", &weights()),
        ("README.md", b"not needed"),
    ])
}

fn fetch(hub: &Hub) -> Result<PathBuf> {
    hub.fetch("owner/name", MAIN, &Pick::Model, false, Progress::Quiet)
}

#[test]
fn a_repository_arrives_in_the_shared_layout() {
    let (server, dir) = (model(), tempfile::tempdir().unwrap());
    let hub = server.hub(dir.path());
    assert_eq!(hub.cached("owner/name", MAIN, &Pick::Model).unwrap(), None);
    let snapshot = fetch(&hub).unwrap();
    let repo = dir.path().join("models--owner--name");
    assert_eq!(snapshot, repo.join("snapshots").join(COMMIT));
    assert_eq!(fs::read_to_string(repo.join("refs/main")).unwrap(), COMMIT);
    assert_eq!(fs::read(snapshot.join("config.json")).unwrap(), b"{}");
    assert_eq!(fs::read(snapshot.join("model.safetensors")).unwrap(), weights());
    assert!(!snapshot.join("README.md").exists());
    let asked = server.state.lock().unwrap().asked.len();
    assert_eq!(asked, 3);
    let moved = dir.path().join("moved");
    fs::rename(&repo, &moved).unwrap();
    let at = moved.join("snapshots").join(COMMIT).join("model.safetensors");
    assert_eq!(fs::read(at).unwrap(), weights(), "links are relative");
    fs::rename(&moved, &repo).unwrap();
    assert_eq!(fetch(&hub).unwrap(), snapshot);
    assert_eq!(server.state.lock().unwrap().asked.len(), asked, "nothing is fetched twice");
}

#[test]
fn a_broken_connection_is_taken_up_again() {
    let (server, dir) = (model(), tempfile::tempdir().unwrap());
    server.set(|s| {
        s.files.retain(|n, _| n != "tokenizer.json");
        s.cuts = vec![2, 500_000, 0, 100_000];
    });
    let snapshot = fetch(&server.hub(dir.path())).unwrap();
    assert_eq!(fs::read(snapshot.join("model.safetensors")).unwrap(), weights());
    let state = server.state.lock().unwrap();
    let starts: Vec<_> =
        state.asked.iter().filter(|(n, _)| n == "model.safetensors").map(|(_, r)| *r).collect();
    let half = Some(500_000);
    assert_eq!(starts, [None, half, half, Some(600_000)]);
}

#[test]
fn a_later_run_goes_on_where_the_last_one_stopped() {
    let (server, dir) = (model(), tempfile::tempdir().unwrap());
    let hub = server.hub(dir.path());
    server.set(|s| {
        s.files.retain(|n, _| n == "model.safetensors");
        s.cuts = vec![700_000, 0, 0, 0, 0, 0];
    });
    let text = fetch(&hub).unwrap_err().to_string();
    assert!(text.contains("after 700000 of 1200000 bytes; what arrived is kept"), "{text}");
    assert_eq!(hub.cached("owner/name", MAIN, &Pick::Model).unwrap(), None);
    server.set(|s| {
        s.asked.clear();
        s.cuts.clear();
    });
    let file = fetch(&hub).unwrap();
    assert_eq!(fs::read(file).unwrap(), weights());
    let asked = server.state.lock().unwrap().asked.clone();
    assert_eq!(asked, [("model.safetensors".to_owned(), Some(700_000))]);
}

#[test]
fn a_hub_without_ranges_starts_over() {
    let (server, dir) = (model(), tempfile::tempdir().unwrap());
    server.set(|s| {
        s.files.retain(|n, _| n == "model.safetensors");
        s.ranges = false;
        s.cuts = vec![700_000];
    });
    let file = fetch(&server.hub(dir.path())).unwrap();
    assert_eq!(fs::read(file).unwrap(), weights());
}

#[test]
fn a_wrong_digest_is_not_kept() {
    let (server, dir) = (model(), tempfile::tempdir().unwrap());
    server.set(|s| s.wrong_sha = true);
    let error = fetch(&server.hub(dir.path())).unwrap_err();
    assert!(matches!(error, Error::Sha256 { .. }), "{error}");
    let blobs = dir.path().join("models--owner--name/blobs");
    let weights_left =
        fs::read_dir(blobs).unwrap().flatten().any(|e| e.metadata().is_ok_and(|m| m.len() > 100));
    assert!(!weights_left);
    server.set(|s| s.wrong_sha = false);
    fetch(&server.hub(dir.path())).unwrap();
}

#[test]
fn refusals_say_what_to_do() {
    let (server, dir) = (model(), tempfile::tempdir().unwrap());
    let hub = server.hub(dir.path());
    for (status, advice) in [
        (401, "set HF_TOKEN to a token that may read owner/name"),
        (403, "accept the terms of owner/name"),
        (404, "there is no such file or revision in owner/name"),
    ] {
        server.set(|s| s.refusals = vec![status]);
        let text = fetch(&hub).unwrap_err().to_string();
        assert!(text.contains(&format!("HTTP {status}: {advice}")), "{text}");
    }
    server.set(|s| s.refusals = vec![503, 429]);
    fetch(&hub).unwrap();
}

#[test]
fn the_token_is_sent() {
    let (server, dir) = (model(), tempfile::tempdir().unwrap());
    let hub = Hub::new(&server.endpoint, Some("secret".into()), dir.path());
    fetch(&hub).unwrap();
    let state = server.state.lock().unwrap();
    assert_eq!(state.authorised, vec!["Bearer secret"; 4]);
}

#[test]
fn an_unreachable_hub_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut hub = Hub::new(&format!("http://{free}"), None, dir.path());
    hub.client.pause = Duration::from_millis(1);
    let error = fetch(&hub).unwrap_err();
    assert!(matches!(&error, Error::Network { url, .. } if url.contains("owner/name")), "{error}");
    hub.offline = true;
    let text = fetch(&hub).unwrap_err().to_string();
    assert!(text.contains("owner/name is not on this machine"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_a_download() {
    let (server, dir) = (model(), tempfile::tempdir().unwrap());
    let hub = server.hub(dir.path());
    let url = format!("{}/owner/name/resolve/{COMMIT}/model.safetensors", server.endpoint);
    let bar = indicatif::ProgressBar::hidden();
    let size = weights().len() as u64;
    let text = hub
        .client
        .download(&url, "owner/name", Path::new("/dev/full"), size, &bar)
        .unwrap_err()
        .to_string();
    assert!(text.starts_with("/dev/full: No space left"), "{text}");
    assert_eq!(server.state.lock().unwrap().asked.len(), 1, "it is not tried again");
}

#[test]
fn a_part_fetched_by_another_program_is_completed() {
    let (server, dir) = (model(), tempfile::tempdir().unwrap());
    let hub = server.hub(dir.path());
    let repo = dir.path().join("models--owner--name");
    let snapshot = repo.join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::write(repo.join("refs/main"), COMMIT).unwrap();
    fs::write(snapshot.join("config.json"), "{}").unwrap();
    assert_eq!(hub.cached("owner/name", MAIN, &Pick::Model).unwrap(), None);
    assert_eq!(fetch(&hub).unwrap(), snapshot);
    fs::remove_file(snapshot.join("tokenizer.json")).unwrap();
    assert_eq!(fetch(&hub).unwrap(), snapshot);
    assert!(!snapshot.join("tokenizer.json").exists());
    hub.fetch("owner/name", MAIN, &Pick::Model, true, Progress::Quiet).unwrap();
    assert!(snapshot.join("tokenizer.json").exists(), "refresh adds what is missing");
}

#[test]
fn names_are_checked_before_they_become_paths() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::new("http://127.0.0.1:9", None, dir.path());
    for repo in ["name", "../name", "owner/..", "a/b/c", "owner/na me", "/name", "owner/"] {
        assert!(!is_repo(repo), "{repo}");
        assert!(hub.cached(repo, MAIN, &Pick::Model).is_err(), "{repo}");
    }
    assert!(is_repo("HuggingFaceTB/SmolLM2-135M-Instruct") && is_repo("openai/whisper-tiny.en"));
    for revision in ["../main", "", "/main", "a b"] {
        assert!(hub.cached("owner/name", revision, &Pick::Model).is_err(), "{revision}");
    }
}
