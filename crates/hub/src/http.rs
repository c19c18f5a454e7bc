//! GET with retries, and downloads that go on where a broken connection left them.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use ureq::http::{Response, header};
use ureq::{Agent, Body};

use crate::{Error, Result, tls};

/// By itself, a request is repeated so often.
const TRIES: u32 = 5;
/// A list of files is text of at most some megabytes.
const TEXT_LIMIT: u64 = 64 << 20;
const CHUNK: usize = 1 << 17;

pub(crate) struct Client {
    agent: Agent,
    token: Option<String>,
    /// How often a request is repeated without a new byte arriving.
    pub(crate) tries: u32,
    pub(crate) pause: Duration,
}

/// Why one attempt ended.
enum Stop {
    /// Repeating it may help.
    Passing(String),
    Final(Error),
}

impl Client {
    pub(crate) fn new(token: Option<String>) -> Self {
        let seconds = |s| Some(Duration::from_secs(s));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(seconds(30))
            .timeout_recv_response(seconds(60))
            .timeout_per_read(seconds(60))
            .user_agent(concat!("quintet/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls::trusted());
        let pause = Duration::from_secs(1);
        Self { agent: config.build().into(), token, tries: TRIES, pause }
    }

    /// The body of a small answer.
    pub(crate) fn text(&self, url: &str, repo: &str) -> Result<String> {
        self.repeat(url, || {
            let mut answer = self.get(url, 0)?;
            match answer.status().as_u16() {
                200 => {}
                status => return Err(refusal(url, repo, status)),
            }
            answer
                .body_mut()
                .with_config()
                .limit(TEXT_LIMIT)
                .read_to_string()
                .map_err(|e| Stop::Passing(e.to_string()))
        })
    }

    /// Brings `part` to `size` bytes, keeping those it has.
    pub(crate) fn download(
        &self,
        url: &str,
        repo: &str,
        part: &Path,
        size: u64,
        bar: &ProgressBar,
    ) -> Result<()> {
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(part)
            .map_err(Error::io(part))?;
        let mut have = file.metadata().map_err(Error::io(part))?.len();
        if have > size {
            file.set_len(0).map_err(Error::io(part))?;
            have = 0;
        }
        while have < size {
            let before = have;
            let done = self.repeat(url, || {
                match self.attempt(url, repo, part, &mut file, &mut have, size, bar) {
                    // Progress was made: the count of tries begins anew.
                    Err(Stop::Passing(_)) if have > before => Ok(()),
                    end => end,
                }
            });
            done?;
        }
        file.sync_all().map_err(Error::io(part))
    }

    #[expect(clippy::too_many_arguments)]
    fn attempt(
        &self,
        url: &str,
        repo: &str,
        part: &Path,
        file: &mut File,
        have: &mut u64,
        size: u64,
        bar: &ProgressBar,
    ) -> std::result::Result<(), Stop> {
        let io = |e| Stop::Final(Error::io(part)(e));
        let answer = self.get(url, *have)?;
        match answer.status().as_u16() {
            206 if starts_at(&answer, *have) => {}
            200 => *have = 0,
            // Nothing that was kept fits what there is now.
            206 | 416 => {
                file.set_len(0).map_err(io)?;
                *have = 0;
                return Err(Stop::Passing("it cannot go on from the middle".into()));
            }
            status => return Err(refusal(url, repo, status)),
        }
        file.seek(SeekFrom::Start(*have)).map_err(io)?;
        bar.set_position(*have);
        bar.reset_eta();
        let mut body = answer.into_body().into_reader();
        let mut buffer = vec![0; CHUNK];
        while *have < size {
            let bytes = match body.read(&mut buffer) {
                Ok(0) => return Err(Stop::Passing(format!("ended after {have} of {size} bytes"))),
                Ok(n) => buffer.get(..n).unwrap_or_default(),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(Stop::Passing(format!("{e} after {have} of {size} bytes"))),
            };
            let left = usize::try_from(size - *have).unwrap_or(usize::MAX);
            let bytes = bytes.get(..bytes.len().min(left)).unwrap_or_default();
            file.write_all(bytes).map_err(io)?;
            *have += bytes.len() as u64;
            bar.inc(bytes.len() as u64);
        }
        Ok(())
    }

    fn get(&self, url: &str, from: u64) -> std::result::Result<Response<Body>, Stop> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        request.call().map_err(|e| Stop::Passing(e.to_string()))
    }

    fn repeat<T>(
        &self,
        url: &str,
        mut attempt: impl FnMut() -> std::result::Result<T, Stop>,
    ) -> Result<T> {
        let mut pause = self.pause;
        for left in (0..self.tries).rev() {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(Stop::Final(error)) => return Err(error),
                Err(Stop::Passing(reason)) if left == 0 => {
                    return Err(Error::Network { url: url.into(), reason });
                }
                Err(Stop::Passing(_)) => {
                    std::thread::sleep(pause);
                    pause *= 2;
                }
            }
        }
        Err(Error::Network { url: url.into(), reason: "no attempt was made".into() })
    }
}

fn refusal(url: &str, repo: &str, status: u16) -> Stop {
    let advice = match status {
        401 => format!(
            "set HF_TOKEN to a token that may read {repo} (the hub also answers so when there is \
             no such repository)"
        ),
        403 => format!(
            "accept the terms of {repo} on its hub page, and set HF_TOKEN to a token of that account"
        ),
        404 => format!("there is no such file or revision in {repo}, or no such repository"),
        429 | 500..=599 => return Stop::Passing(format!("HTTP {status}")),
        _ => "an answer the hub does not usually give; check HF_ENDPOINT and the proxy".into(),
    };
    Stop::Final(Error::Http { url: url.into(), status, advice })
}

fn starts_at(answer: &Response<Body>, start: u64) -> bool {
    let range = answer.headers().get(header::CONTENT_RANGE).and_then(|v| v.to_str().ok());
    range.is_some_and(|r| r.starts_with(&format!("bytes {start}-")))
}

/// Percent-encodes all but the unreserved characters (RFC 3986, 2.3) and the slash.
pub(crate) fn escape(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
