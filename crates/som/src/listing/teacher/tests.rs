//! Against an endpoint on this machine that gives scripted answers.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    ops::ControlFlow,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use image::RgbImage;
use quintet_data::sample::{Message, Part, Role, Sample};
use quintet_endpoint::{self as endpoint, Endpoint};
use serde_json::{Value, json};

use super::*;
use crate::listing::{Error, Format, Result, write_llava};

/// Serves status and text, one to each request; each request is kept. A text that ends in `…` was
/// cut off.
struct Server {
    base: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    fn start(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let mut answers: VecDeque<_> =
            answers.iter().map(|(status, text)| (*status, (*text).to_owned())).collect();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                log.lock().unwrap().push(request);
                let (status, text) = answers.pop_front().unwrap_or((500, String::new()));
                let finish = if text.ends_with('…') { "length" } else { "stop" };
                let body = json!({
                    "model": "teacher-1",
                    "choices": [{"message": {"content": text}, "finish_reason": finish}],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 10},
                });
                let body = body.to_string();
                let _ = write!(
                    &stream,
                    "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { base, asked }
    }

    fn endpoint(&self) -> Endpoint {
        let settings = endpoint::Settings {
            tries: 2,
            pause: Duration::from_millis(1),
            ..endpoint::Settings::default()
        };
        Endpoint::new(&self.base, None, settings).unwrap()
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().to_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn picture(id: &str) -> Tagged {
    Tagged {
        id: id.into(),
        picture: Media::Image(Arc::new(RgbImage::new(32, 32))),
        tags: vec!["1".into(), "2".into()],
    }
}

fn settings(mode: Mode) -> Settings {
    Settings { threads: 1, ..Settings::new(mode, Options::new("teacher")) }
}

const GOOD: &str = "1. a cat\n2. a dog";

/// Runs over these pictures and tells what came of each.
fn run(teacher: &Teacher, journal: &Path, ids: &[&str]) -> (Result<Report>, Vec<String>) {
    let mut steps = Vec::new();
    let pictures: Vec<_> = ids.iter().map(|id| picture(id)).collect();
    let report = teacher.run(pictures, journal, |step| {
        steps.push(match step {
            Step::Accepted(record) => format!("{} after {}", record.id, record.tries),
            Step::Rejected(id, reason) => format!("{id}: {reason}"),
        });
        ControlFlow::Continue(())
    });
    (report, steps)
}

#[test]
fn what_cannot_be_used_is_asked_for_again_and_the_reason_said() {
    let server = Server::start(&[(200, "1. a cat"), (200, "2. a dog\n1. a cat"), (200, GOOD)]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Listing), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("new/journal.jsonl");
    let (report, steps) = run(&teacher, &journal, &["a"]);
    let report = report.unwrap();
    assert_eq!(steps, ["a after 3"]);
    assert_eq!((report.accepted, report.usage.requests, report.usage.prompt_tokens), (1, 3, 300));
    let asked = server.asked();
    let last = asked[2]["messages"].as_array().unwrap();
    let said: Vec<_> = last.iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(said, ["system", "user", "assistant", "user", "assistant", "user"]);
    assert!(last[3]["content"].as_str().unwrap().contains("tag 2 is missing"));
    assert!(last[5]["content"].as_str().unwrap().contains("tag 2 is out of order"));
    let system = last[0]["content"].as_str().unwrap();
    assert!(system.contains("Never give a mark to an object somewhere else"));
    assert!(last[1]["content"][1]["text"].as_str().unwrap().contains("numbers 1, 2"));

    let sample = teacher.answers(&journal).unwrap().sample(&picture("a"), Format::Inline, 0);
    let sample = sample.unwrap();
    assert_eq!(sample.messages[1].content, [Part::Text("1. a cat, 2. a dog".into())]);
    assert_eq!((sample.id.as_str(), sample.media.len()), ("a", 1));
}

#[test]
fn a_picture_without_a_usable_answer_is_left_out_and_asked_about_later() {
    let bad = (200, "I am sorry.");
    let server = Server::start(&[bad, bad, bad, (400, ""), (200, GOOD), (200, GOOD), (200, GOOD)]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Listing), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal.jsonl");
    let (report, steps) = run(&teacher, &journal, &["a", "b", "c"]);
    let report = report.unwrap();
    assert!(steps[0].contains("a: the last of 3 answers was not usable: it has no entries"));
    assert!(steps[1].contains("b: ") && steps[1].contains("HTTP 400"), "{}", steps[1]);
    assert_eq!((report.accepted, report.rejected.len(), report.usage.requests), (1, 2, 4));
    let (report, steps) = run(&teacher, &journal, &["a", "b", "c"]);
    assert_eq!((report.unwrap().kept, steps), (1, vec!["a after 1".into(), "b after 1".into()]));
    assert_eq!(teacher.answers(&journal).unwrap().len(), 3);
}

#[test]
fn a_run_goes_on_where_it_was_stopped() {
    let server = Server::start(&[(200, GOOD), (200, GOOD), (200, "1. x\n2. y"), (200, GOOD)]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Listing), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal.jsonl");
    let report = teacher.run(["a", "b", "c"].map(picture), &journal, |_| ControlFlow::Break(()));
    assert_eq!((report.unwrap().accepted, server.asked().len()), (1, 1));
    assert_eq!(run(&teacher, &journal, &["a", "b"]).0.unwrap().accepted, 1);

    // The machine went down while the second answer was written.
    let whole = fs::read(&journal).unwrap();
    fs::write(&journal, &whole[..whole.len() - 5]).unwrap();
    assert_eq!(teacher.answers(&journal).unwrap().len(), 1);
    let (report, steps) = run(&teacher, &journal, &["a", "b"]);
    assert_eq!((report.unwrap().kept, steps), (1, vec!["b after 1".to_owned()]));
    let answers = teacher.answers(&journal).unwrap();
    assert_eq!(answers.get(&picture("b")).unwrap().answer, "1. x\n2. y");

    // An answer that does not fit the marks any more is asked for again.
    let mut other = picture("a");
    other.tags.push("3".into());
    assert!(answers.get(&other).is_none() && answers.sample(&other, Format::Lines, 0).is_none());
}

#[test]
fn an_answer_counts_for_its_question_alone() {
    let server = Server::start(&[(200, GOOD); 3]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Listing), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal.jsonl");
    let ask = |teacher: &Teacher, picture: &Tagged| {
        let due = teacher.estimate([picture], &journal).unwrap().requests;
        let report = teacher.run([picture.clone()], &journal, |_| ControlFlow::Continue(()));
        assert_eq!(report.unwrap().accepted as u64, due);
        assert!(teacher.answers(&journal).unwrap().get(picture).is_some());
        due
    };
    let before = picture("a");
    // The same tags stand elsewhere.
    let marked_again =
        Tagged { picture: Media::Image(Arc::new(RgbImage::new(32, 31))), ..before.clone() };
    assert_eq!(ask(&teacher, &before), 1);
    let answers = teacher.answers(&journal).unwrap();
    assert!(answers.sample(&marked_again, Format::Lines, 0).is_none());
    assert_eq!([&marked_again, &before, &marked_again].map(|p| ask(&teacher, p)), [1, 0, 0]);

    let shown = load(&[conversation(&[("List.", "1. a lamp")])], Mode::Listing).unwrap();
    let shown = Teacher::new(&endpoint, settings(Mode::Listing), shown);
    assert_eq!(
        [ask(&shown, &before), ask(&teacher, &before), server.asked().len() as u64],
        [1, 0, 3]
    );
}

#[test]
fn an_older_journal_does_not_say_what_was_asked_and_is_asked_again() {
    let server = Server::start(&[(200, GOOD); 2]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Listing), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal.jsonl");
    run(&teacher, &journal, &["a"]).0.unwrap();
    let mut lines: Vec<Value> = fs::read_to_string(&journal)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines[1].as_object_mut().unwrap().remove("prompt").unwrap();
    fs::write(&journal, format!("{}\n{}\n", lines[0], lines[1])).unwrap();
    assert_eq!(teacher.estimate([&picture("a")], &journal).unwrap().requests, 1);
    assert_eq!(run(&teacher, &journal, &["a"]).0.unwrap().accepted, 1);
    assert_eq!(run(&teacher, &journal, &["a"]).0.unwrap().kept, 1);
}

#[test]
fn a_picture_that_cannot_be_read_is_told_and_costs_nothing() {
    let server = Server::start(&[(200, GOOD)]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Listing), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal.jsonl");
    let broken = dir.path().join("broken.png");
    fs::write(&broken, "no picture").unwrap();
    let file = |id: &str, path| Tagged { picture: Media::File(path), ..picture(id) };
    let pictures = [file("a", broken), file("b", dir.path().join("none.png")), picture("c")];
    assert_eq!(teacher.estimate(&pictures, &journal).unwrap().requests, 1);
    let report = teacher.run(pictures, &journal, |_| ControlFlow::Continue(())).unwrap();
    let rejected: Vec<_> = report.rejected.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!((report.accepted, rejected, server.asked().len()), (1, vec!["a", "b"], 1));
}

#[test]
fn an_answer_that_was_cut_off_says_what_allows_longer_ones() {
    let server = Server::start(&[(200, "1. a cat\n2. a d…"); 3]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Listing), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let (_, steps) = run(&teacher, &dir.path().join("journal.jsonl"), &["a"]);
    assert!(steps[0].contains("raise max_tokens (--max-tokens)"), "{steps:?}");
}

#[test]
fn a_picture_without_marks_is_not_asked_about() {
    let server = Server::start(&[]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Listing), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal.jsonl");
    let bare = Tagged { tags: Vec::new(), ..picture("a") };
    assert_eq!(teacher.estimate([&bare], &journal).unwrap().requests, 0);
    let report = teacher.run([bare], &journal, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((report, server.asked().len()), (Report::default(), 0));
}

#[test]
fn a_journal_that_was_cut_anywhere_is_read() {
    let server = Server::start(&[(200, GOOD), (200, GOOD)]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Listing), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal.jsonl");
    run(&teacher, &journal, &["a", "b"]).0.unwrap();
    let whole = fs::read(&journal).unwrap();
    let lines = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count();
    for cut in 0..whole.len() {
        fs::write(&journal, &whole[..cut]).unwrap();
        let expected = lines(&whole[..cut]).saturating_sub(1);
        assert_eq!(teacher.answers(&journal).unwrap().len(), expected, "{cut}");
        run(&teacher, &journal, &[]).0.unwrap();
        let left = fs::read(&journal).unwrap();
        assert!(left.ends_with(b"\n") && lines(&left) == expected + 1, "{cut}");
    }
}

#[test]
fn a_journal_of_something_else_is_refused() {
    let server = Server::start(&[(200, GOOD)]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Listing), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal.jsonl");
    run(&teacher, &journal, &["a"]).0.unwrap();
    let other = Teacher::new(&endpoint, settings(Mode::Qa), Vec::new());
    let error = run(&other, &journal, &["a"]).0.unwrap_err().to_string();
    assert!(error.contains("it holds answers of Listing by teacher"), "{error}");
    fs::write(&journal, "not a journal\n").unwrap();
    let error = run(&teacher, &journal, &["a"]).0.unwrap_err().to_string();
    assert!(error.contains("line 1 is not that of a journal"), "{error}");
    let head = r#"{"mode":"listing","model":"teacher"}"#;
    fs::write(&journal, format!("{head}\nnonsense\n")).unwrap();
    let error = run(&teacher, &journal, &["a"]).0.unwrap_err().to_string();
    assert!(error.contains("line 2 is not an answer"), "{error}");

    fs::write(&journal, "").unwrap();
    let held = fs::File::open(&journal).unwrap();
    held.lock().unwrap();
    let error = run(&teacher, &journal, &["a"]).0.unwrap_err().to_string();
    assert!(error.contains("another run is writing to it"), "{error}");
}

#[test]
fn an_endpoint_that_is_down_or_useless_ends_the_run() {
    let server = Server::start(&[(200, GOOD), (401, "")]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Listing), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal.jsonl");
    let (report, steps) = run(&teacher, &journal, &["a", "b", "c"]);
    assert!(report.unwrap_err().to_string().contains("HTTP 401"));
    assert_eq!((steps.len(), server.asked().len()), (1, 2));
    assert_eq!(teacher.answers(&journal).unwrap().len(), 1, "what was paid for is kept");

    let server = Server::start(&vec![(200, "no"); 100]);
    let endpoint = server.endpoint();
    let one_try = Settings { tries: 1, ..settings(Mode::Listing) };
    let teacher = Teacher::new(&endpoint, one_try, Vec::new());
    let ids: Vec<String> = (0..60).map(|i| i.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let error = run(&teacher, &dir.path().join("other.jsonl"), &ids).0.unwrap_err();
    assert!(matches!(error, Error::GaveUp { count: 20, .. }), "{error}");
    assert_eq!(server.asked().len(), 20);
}

#[test]
fn conversations_are_asked_for_and_kept() {
    let text = "Q: What is [1]?\nA: A cat.\nQ: And [2]?\nA: A dog, right of [1].";
    let server = Server::start(&[(200, "Q: What?\nA: A cat."), (200, text)]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Qa), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal.jsonl");
    let (report, _) = run(&teacher, &journal, &["a"]);
    assert_eq!(report.unwrap().accepted, 1);
    let sample = teacher.answers(&journal).unwrap().sample(&picture("a"), Format::Lines, 0);
    let messages = sample.unwrap().messages;
    assert_eq!(messages[0].content, [Part::Image, Part::Text("What is [1]?".into())]);
    assert_eq!(messages[3].content, [Part::Text("A dog, right of [1].".into())]);
}

fn conversation(turns: &[(&str, &str)]) -> Sample {
    let turns = turns.iter().flat_map(|(question, answer)| {
        [Message::text(Role::User, *question), Message::text(Role::Assistant, *answer)]
    });
    let mut messages: Vec<_> = turns.collect();
    messages[0].content.insert(0, Part::Image);
    let media = vec![Media::Image(Arc::new(RgbImage::new(32, 32)))];
    Sample { id: "seed".into(), messages, media }
}

fn load(samples: &[Sample], mode: Mode) -> Result<Vec<Seed>> {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("seeds");
    write_llava(&folder, samples.iter().cloned().map(Ok)).unwrap();
    // Files are read when they are sent.
    let seeds = Seed::load(&folder.join("samples.json"), mode);
    std::mem::forget(dir);
    seeds
}

#[test]
fn examples_are_shown_with_every_picture() {
    let seeds = load(&[conversation(&[("List.", "(a) a lamp, (b) a desk")])], Mode::Listing);
    let server = Server::start(&[(200, GOOD)]);
    let endpoint = server.endpoint();
    let teacher = Teacher::new(&endpoint, settings(Mode::Listing), seeds.unwrap());
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal.jsonl");
    let pictures = [picture("a"), picture("b")];
    let estimate = teacher.estimate(&pictures, &journal).unwrap();
    assert_eq!((estimate.requests, estimate.completion_tokens), (2, 2 * 2 * 14));
    run(&teacher, &journal, &["a"]).0.unwrap();
    let asked = server.asked();
    let shown = asked[0]["messages"].as_array().unwrap();
    assert_eq!(shown.len(), 4);
    assert!(shown[1]["content"][1]["text"].as_str().unwrap().contains("letters a, b"));
    assert_eq!(shown[2]["content"], json!("a. a lamp\nb. a desk"));
    assert!(shown[1]["content"][0]["image_url"]["url"].as_str().unwrap().contains("base64"));

    let rest = teacher.estimate(&pictures, &journal).unwrap();
    assert_eq!(2 * rest.prompt_tokens, estimate.prompt_tokens, "what is there costs nothing");
    let bare = Teacher::new(&endpoint, settings(Mode::Listing), Vec::new());
    let bare = bare.estimate(&pictures, &dir.path().join("none.jsonl")).unwrap();
    assert!(bare.prompt_tokens + 2 * 255 < estimate.prompt_tokens);
}

#[test]
fn examples_that_are_none_are_refused() {
    for (turns, mode, reason) in [
        (vec![("List.", "A lamp and a desk.")], Mode::Listing, "no entries"),
        (vec![("List.", "1. lamp\n1. desk")], Mode::Listing, "there twice"),
        (vec![("List.", "1. lamp"), ("And?", "1. desk")], Mode::Listing, "it has 2 answers"),
        (vec![("What is it?", "A lamp.")], Mode::Qa, "speak of no mark"),
    ] {
        let error = load(&[conversation(&turns)], mode).unwrap_err().to_string();
        assert!(error.contains("row 0") && error.contains(reason), "{error}");
    }
    let whole = load(&[conversation(&[("What is [2]?", "Left of [1].")])], Mode::Qa).unwrap();
    assert_eq!(whole[0].tags, ["1", "2"]);
}
