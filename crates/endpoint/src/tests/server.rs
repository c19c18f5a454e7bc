//! A server that gives the answers it was told to, one to each request.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

pub enum Answer {
    Http {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        cut: usize,
    },
    /// The connection stays open, and nothing comes.
    Silence,
    /// The connection is closed without an answer.
    Hangup,
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Answer::Http { status, headers: Vec::new(), body: Vec::new(), cut: usize::MAX }
    }

    /// A chat completion of ten tokens read and two written.
    pub fn says(text: &str) -> Self {
        let body = json!({
            "model": "some-model-1",
            "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 2},
        });
        Self::status(200).body(&body.to_string())
    }

    pub fn body(mut self, text: &str) -> Self {
        if let Answer::Http { body, .. } = &mut self {
            *body = text.into();
        }
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Answer::Http { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// Closes the connection after so many bytes of the body.
    pub fn cut(mut self, bytes: usize) -> Self {
        if let Answer::Http { cut, .. } = &mut self {
            *cut = bytes;
        }
        self
    }
}

#[derive(Clone)]
pub struct Asked {
    pub path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub struct Server {
    pub base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        std::thread::spawn(move || {
            let mut answers = VecDeque::from(answers);
            let mut open = Vec::new();
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                log.lock().unwrap().push(request);
                match answers.pop_front() {
                    Some(Answer::Silence) => open.push(stream),
                    Some(answer) => write(&stream, &answer),
                    None => {}
                }
            }
        });
        Self { base, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let path = line()?.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    while let Some((name, value)) = line()?.split_once(": ") {
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { path, headers, body })
}

fn write(mut stream: &TcpStream, answer: &Answer) {
    let Answer::Http { status, headers, body, cut } = answer else { return };
    let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    // A client that hangs up early is part of the tests.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body[..body.len().min(*cut)]);
}
