//! Ctrl-C stops a reply.

use std::{
    io::{Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::program::{model_with, quintet, text};

/// Far more than stopping takes, and far less than the reply would.
const SOON: Duration = Duration::from_secs(60);

/// Types the first line, presses Ctrl-C once words come, and types the second; gives all that was said.
fn interrupted(args: &[&str], typed: [&str; 2]) -> (ExitStatus, String) {
    // Without a token that ends texts, the model never falls silent by itself.
    let dir = tempfile::tempdir().unwrap();
    let config = br#"{"bos_token": "<s>"}"#;
    let model = model_with("golden/llava/clip", dir.path(), "tokenizer_config.json", Some(config));
    let talk = ["--model", text(&model), "--max-tokens", "1000000000", "--temperature", "9"];
    let mut command = quintet(args);
    let piped = command.args(talk).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = piped.stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let mut stdout = process.stdout.take().unwrap();
    let (begun, first) = mpsc::channel();
    let said = thread::spawn(move || {
        let mut said = vec![0];
        stdout.read_exact(&mut said).unwrap();
        begun.send(()).unwrap();
        stdout.read_to_end(&mut said).unwrap();
        String::from_utf8(said).unwrap()
    });
    stdin.write_all(typed[0].as_bytes()).unwrap();
    first.recv_timeout(SOON).unwrap();
    assert_eq!(process.try_wait().unwrap(), None);
    let press = format!("kill -INT {}", process.id());
    assert!(Command::new("sh").args(["-c", &press]).status().unwrap().success());
    stdin.write_all(typed[1].as_bytes()).unwrap();
    (ended(&mut process), said.join().unwrap())
}

/// How the process ends, which it must soon.
fn ended(process: &mut Child) -> ExitStatus {
    let started = Instant::now();
    while started.elapsed() < SOON {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        thread::sleep(Duration::from_millis(20));
    }
    process.kill().unwrap();
    panic!("it goes on talking");
}

#[test]
fn ctrl_c_ends_an_answer() {
    let (status, said) = interrupted(&["ask", "what is this ?"], ["", ""]);
    assert!(status.success(), "{status}");
    // What was said until then is there, and its line is whole.
    assert!(said.trim().len() > 1 && said.ends_with('\n'), "{said}");
}

#[test]
fn ctrl_c_ends_a_reply_and_the_chat_goes_on() {
    let (status, said) = interrupted(&["chat"], ["what is this ?\n", "/quit\n"]);
    assert!(status.success(), "{status}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
