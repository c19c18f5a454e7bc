//! Asking.

use std::{
    fmt,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use quintet_data::sample::Sample;
use ureq::{
    Agent, Body,
    http::{Response, Uri, header},
};

use crate::{
    Error, Key, Options, Reply, Result, Usage,
    body::body,
    reply::{Complaint, complaint, shorten},
    retry::retry_after,
};

/// What is read of a refusal.
const MAX_COMPLAINT: u64 = 64 << 10;

/// How long to wait and how often to try.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For a connection.
    pub connect_timeout: Duration,
    /// For one try, from the first byte sent to the last received.
    pub timeout: Duration,
    /// How often a request is sent at most.
    pub tries: u32,
    /// The pause after the first failure; each next is twice as long.
    pub pause: Duration,
    /// No pause is longer; an endpoint that asks for a longer one is given up.
    pub longest_pause: Duration,
    /// Longer answers are refused.
    pub max_answer_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            timeout: Duration::from_secs(300),
            tries: 6,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(120),
            max_answer_bytes: 16 << 20,
        }
    }
}

/// A chat endpoint. It can be asked from several threads at once.
pub struct Endpoint {
    agent: Agent,
    url: String,
    key: Option<Key>,
    settings: Settings,
    usage: Mutex<Usage>,
}

/// Why one try ended.
enum Stop {
    /// Trying again may help, after a pause of at least this, if one is named.
    Passing(String, Option<Duration>),
    Final(Error),
}

impl Endpoint {
    /// The endpoint below a base URL such as `https://api.openai.com/v1`; local ones seldom need
    /// a key.
    ///
    /// # Errors
    /// The URL is not one of HTTP, or holds a password or a query.
    pub fn new(base_url: &str, key: Option<Key>, settings: Settings) -> Result<Self> {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(settings.connect_timeout))
            .timeout_global(Some(settings.timeout))
            // A redirect could carry the question to another host.
            .max_redirects(0)
            .user_agent(concat!("quintet/", env!("CARGO_PKG_VERSION")))
            .tls_config(quintet_hub::tls::trusted())
            .build();
        let url = chat_url(base_url).map_err(|reason| Error::Url { reason })?;
        Ok(Self { agent: agent.into(), url, key, settings, usage: Mutex::default() })
    }

    /// Where questions are sent.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What all answers so far took.
    pub fn usage(&self) -> Usage {
        *self.usage.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Sends a conversation and waits for the answer.
    ///
    /// It is sent again after a time-out, a broken connection, HTTP 408, 429 or 5xx.
    ///
    /// # Errors
    /// The conversation cannot be sent, the endpoint refuses it or cannot be reached, or the
    /// answer is not one.
    pub fn ask(&self, conversation: &Sample, options: &Options) -> Result<Reply> {
        let body = body(conversation, options)?.to_string();
        let mut tries = 0;
        loop {
            tries += 1;
            let (reason, asked) = match self.attempt(&body) {
                Ok(reply) => {
                    let mut usage =
                        self.usage.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    *usage += reply.usage;
                    return Ok(reply);
                }
                Err(Stop::Final(error)) => return Err(error),
                Err(Stop::Passing(reason, asked)) => (reason, asked),
            };
            let give_up = |reason| Err(Error::Unreachable { url: self.url.clone(), reason, tries });
            if tries >= self.settings.tries {
                return give_up(reason);
            }
            if let Some(asked) = asked.filter(|asked| *asked > self.settings.longest_pause) {
                return give_up(format!("{reason}; it asks to wait {} s", asked.as_secs()));
            }
            thread::sleep(asked.unwrap_or_else(|| self.settings.pause_after(tries)));
        }
    }

    fn attempt(&self, body: &str) -> std::result::Result<Reply, Stop> {
        let start = Instant::now();
        let mut request =
            self.agent.post(&self.url).header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, key.header());
        }
        let mut answer = request.send(body).map_err(|e| self.broken(e, start))?;
        match answer.status().as_u16() {
            200 => {}
            status => return Err(self.refusal(status, &mut answer)),
        }
        let bytes = answer.body_mut().with_config().limit(self.settings.max_answer_bytes);
        let bytes = bytes.read_to_vec().map_err(|e| self.broken(e, start))?;
        Reply::parse(&bytes).map_err(|reason| Stop::Final(self.no_answer(&reason)))
    }

    /// A connection that did not carry the answer.
    fn broken(&self, error: ureq::Error, start: Instant) -> Stop {
        use ureq::Error as E;
        match error {
            E::Timeout(_) => {
                let seconds = start.elapsed().as_secs_f64();
                Stop::Passing(format!("no whole answer within {seconds:.1} s"), None)
            }
            E::Io(_) | E::HostNotFound | E::ConnectionFailed | E::Protocol(_) | E::BodyStalled => {
                Stop::Passing(error.to_string(), None)
            }
            E::BodyExceedsLimit(limit) => {
                Stop::Final(self.no_answer(&format!("the answer is longer than {limit} bytes")))
            }
            other => Stop::Final(self.no_answer(&other.to_string())),
        }
    }

    fn no_answer(&self, reason: &str) -> Error {
        Error::Answer { url: self.url.clone(), reason: self.quote(reason) }
    }

    fn refusal(&self, status: u16, answer: &mut Response<Body>) -> Stop {
        let header = answer.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
        let pause = header.and_then(|text| retry_after(text, chrono::Utc::now()));
        let text = answer.body_mut().with_config().limit(MAX_COMPLAINT).read_to_vec();
        let Complaint { code, text } = complaint(&text.unwrap_or_default());
        let text = self.quote(&text);
        // Money does not come back by waiting.
        let passing = matches!(status, 408 | 429 | 500..=599) && code != "insufficient_quota";
        if passing {
            return Stop::Passing(format!("HTTP {status}: {text}"), pause);
        }
        let advice = match (status, &self.key) {
            (300..=399, _) => "it redirects: name the URL it redirects to",
            (401, None) => "it wants a key: name the environment variable that holds one",
            (401 | 403, _) => "is the key the right one for this endpoint and model?",
            (404, _) => "is the base URL right (most end in /v1), and is there such a model?",
            (413, _) => "send smaller pictures",
            _ => "",
        };
        let reason = [text.as_str(), advice].into_iter().filter(|s| !s.is_empty());
        let reason = reason.collect::<Vec<_>>().join("; ");
        Stop::Final(Error::Refused { url: self.url.clone(), status, reason })
    }

    /// What the endpoint says, short and without the key; cut first, half a key could stay.
    fn quote(&self, text: &str) -> String {
        match &self.key {
            Some(key) => shorten(&key.strike(text)),
            None => shorten(text),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Where chats go below a base URL.
fn chat_url(base: &str) -> std::result::Result<String, String> {
    let base = base.trim().trim_end_matches('/');
    let uri: Uri = base.parse().map_err(|_| "it is not a URL".to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("it does not begin with http:// or https://".into());
    }
    let Some(authority) = uri.authority() else {
        return Err("it names no host".into());
    };
    if authority.as_str().contains('@') {
        return Err("it holds a user or password: put the key into an environment variable".into());
    }
    if uri.query().is_some() {
        return Err("it has a query, and the path of chats cannot follow one".into());
    }
    let base = base.strip_suffix("/chat/completions").unwrap_or(base);
    Ok(format!("{base}/chat/completions"))
}

#[cfg(test)]
mod url_tests {
    use super::*;

    #[test]
    fn base_urls_become_chat_urls() {
        for (base, url) in [
            ("http://localhost:8000/v1", "http://localhost:8000/v1/chat/completions"),
            (" https://a.b/v1/ ", "https://a.b/v1/chat/completions"),
            ("https://a.b/v1/chat/completions", "https://a.b/v1/chat/completions"),
        ] {
            assert_eq!(chat_url(base).unwrap(), url);
        }
        for base in ["", "localhost:8000", "ftp://a/v1", "http://me:pw@a/v1", "http://a/v1?k=pw"] {
            let text = chat_url(base).unwrap_err();
            assert!(!text.contains("pw"), "{text}");
        }
    }
}
