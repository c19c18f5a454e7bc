//! Against a server on this machine.

mod server;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use image::{Rgb, RgbImage};
use quintet_data::{
    media,
    sample::{Media, Message, Part, Role, Sample},
};
use serde_json::{Value, json};

use self::server::{Answer, Server};
use crate::{Detail, Encoding, Endpoint, Error, Key, Options, Settings, Usage};

const SECRET: &str = "sk-do/not-show-0123456789";

fn settings() -> Settings {
    Settings {
        timeout: Duration::from_millis(400),
        tries: 4,
        pause: Duration::from_millis(2),
        max_answer_bytes: 10_000,
        ..Settings::default()
    }
}

fn endpoint(server: &Server) -> Endpoint {
    Endpoint::new(&server.base, Some(Key::new(SECRET).unwrap()), settings()).unwrap()
}

fn question(text: &str) -> Sample {
    Sample { id: "q".into(), messages: vec![Message::text(Role::User, text)], media: vec![] }
}

fn options() -> Options {
    Options::new("some-model")
}

#[test]
fn an_answer_comes_back_and_its_tokens_are_summed() {
    let server = Server::start(vec![Answer::says("cat"), Answer::says("dog")]);
    let endpoint = endpoint(&server);
    assert_eq!(endpoint.ask(&question("What?"), &options()).unwrap().text, "cat");
    assert_eq!(endpoint.ask(&question("And?"), &options()).unwrap().text, "dog");
    let usage = Usage { requests: 2, unreported: 0, prompt_tokens: 20, completion_tokens: 4 };
    assert_eq!(endpoint.usage(), usage);
    let asked = server.asked();
    assert_eq!(asked[0].path, "/v1/chat/completions");
    assert_eq!(asked[0].header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    assert_eq!(
        asked[0].json(),
        json!({"model": "some-model", "messages": [{"role": "user", "content": "What?"}]})
    );
}

#[test]
fn what_is_asked_for_is_sent() {
    let server = Server::start(vec![Answer::says("ok")]);
    let options = Options {
        temperature: Some(0.7),
        seed: Some(u64::MAX),
        max_tokens: Some(9),
        extra: json!({"top_p": 0.5}).as_object().unwrap().clone(),
        ..options()
    };
    let mut sample = question("What?");
    sample.messages.insert(0, Message::text(Role::System, "Be brief."));
    sample.messages.push(Message::text(Role::Assistant, "A"));
    endpoint(&server).ask(&sample, &options).unwrap();
    let sent = server.asked()[0].json();
    assert_eq!(sent["temperature"], json!(0.7));
    assert_eq!((&sent["seed"], &sent["max_tokens"]), (&json!(u64::MAX), &json!(9)));
    assert_eq!(sent["top_p"], json!(0.5));
    let roles: Vec<_> =
        sent["messages"].as_array().unwrap().iter().map(|m| m["role"].clone()).collect();
    assert_eq!(roles, ["system", "user", "assistant"]);
}

/// The picture in a part of a message that was sent.
fn picture(part: &Value) -> (String, RgbImage) {
    let url = part["image_url"]["url"].as_str().unwrap();
    let (mime, data) = url.strip_prefix("data:").unwrap().split_once(";base64,").unwrap();
    let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, data).unwrap();
    (mime.to_owned(), (*media::decode_bytes("sent", &bytes).unwrap()).clone())
}

#[test]
fn pictures_arrive_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let image = RgbImage::from_fn(20, 10, |x, y| Rgb([x as u8 * 10, y as u8 * 20, 77]));
    let (png, bmp) = (dir.path().join("a.png"), dir.path().join("a.bmp"));
    image.save(&png).unwrap();
    image.save(&bmp).unwrap();
    let bytes = std::fs::read(&png).unwrap();
    let server = Server::start(vec![Answer::says("ok"), Answer::says("ok")]);
    let endpoint = endpoint(&server);
    let content = vec![Part::Image, Part::Text("same as".into()), Part::Image, Part::Image];
    let sample = Sample {
        id: "p".into(),
        messages: vec![Message { role: Role::User, content }],
        media: vec![
            Media::File(png),
            Media::Bytes(Arc::from(bytes)),
            Media::Image(Arc::new(image.clone())),
        ],
    };
    let lossless = Options { encoding: Encoding::Png, detail: Detail::Low, ..options() };
    endpoint.ask(&sample, &lossless).unwrap();
    let content = server.asked()[0].json()["messages"][0]["content"].clone();
    assert_eq!(content[1], json!({"type": "text", "text": "same as"}));
    for part in [&content[0], &content[2], &content[3]] {
        assert_eq!(picture(part), ("image/png".into(), image.clone()));
        assert_eq!(part["image_url"]["detail"], json!("low"));
    }

    let mut lossy = sample;
    lossy.media[0] = Media::File(bmp);
    endpoint.ask(&lossy, &Options { encoding: Encoding::Jpeg(95), ..options() }).unwrap();
    let content = server.asked()[1].json()["messages"][0]["content"].clone();
    let (mime, back) = picture(&content[3]);
    assert_eq!((mime.as_str(), back.dimensions()), ("image/jpeg", (20, 10)));
    assert_eq!(picture(&content[0]).0, "image/jpeg", "no endpoint reads BMP");
    assert!(content[0]["image_url"].get("detail").is_none());
}

#[test]
fn what_cannot_be_sent_is_not() {
    let server = Server::start(vec![]);
    let endpoint = endpoint(&server);
    let with = |content, media| Sample {
        id: "no. 7".into(),
        messages: vec![Message { role: Role::User, content }],
        media,
    };
    let absent = || Media::File("/no/such.png".into());
    for (sample, reason) in [
        (with(vec![Part::Image], vec![]), "a placeholder has no picture"),
        (with(vec![], vec![absent()]), "more media than placeholders"),
        (with(vec![Part::Image], vec![absent()]), "/no/such.png"),
        (with(vec![Part::Video], vec![absent()]), "not videos"),
    ] {
        let text = endpoint.ask(&sample, &options()).unwrap_err().to_string();
        assert!(text.starts_with("conversation no. 7") && text.contains(reason), "{text}");
    }
    assert!(server.asked().is_empty());
}

#[test]
fn retry_after_is_honoured() {
    let server =
        Server::start(vec![Answer::status(429).header("Retry-After", "0.3"), Answer::says("cat")]);
    let start = Instant::now();
    assert_eq!(endpoint(&server).ask(&question("?"), &options()).unwrap().text, "cat");
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn too_long_a_pause_is_given_up() {
    let server = Server::start(vec![Answer::status(429).header("Retry-After", "86400")]);
    let error = endpoint(&server).ask(&question("?"), &options()).unwrap_err();
    assert!(error.to_string().contains("it asks to wait 86400 s"), "{error}");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn failures_of_the_server_are_tried_again_until_it_is_enough() {
    let server = Server::start(vec![
        Answer::status(500),
        Answer::status(503),
        Answer::status(408),
        Answer::status(502).body("<b>bad\ngateway</b>"),
        Answer::says("never asked"),
    ]);
    let endpoint = endpoint(&server);
    let error = endpoint.ask(&question("?"), &options()).unwrap_err();
    assert!(matches!(error, Error::Unreachable { tries: 4, .. }), "{error}");
    assert!(error.to_string().contains("HTTP 502: <b>bad gateway</b> (tried 4 times)"), "{error}");
    assert_eq!((server.asked().len(), endpoint.usage()), (4, Usage::default()));
}

#[test]
fn refusals_are_not_tried_again() {
    let empty = r#"{"error": {"message": "no money", "code": "insufficient_quota"}}"#;
    for (answer, reason) in [
        (Answer::status(400).body(r#"{"error": {"message": "too long"}}"#), "too long"),
        (Answer::status(401), "is the key the right one"),
        (Answer::status(404), "is the base URL right"),
        (Answer::status(307).header("Location", "http://127.0.0.1:9/"), "it redirects"),
        (Answer::status(429).body(empty), "no money"),
    ] {
        let server = Server::start(vec![answer, Answer::says("never asked")]);
        let error = endpoint(&server).ask(&question("?"), &options()).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn a_silent_server_is_waited_for_and_asked_again() {
    let server = Server::start(vec![Answer::Silence, Answer::says("cat")]);
    let start = Instant::now();
    assert_eq!(endpoint(&server).ask(&question("?"), &options()).unwrap().text, "cat");
    assert!(start.elapsed() >= Duration::from_millis(400));

    let server = Server::start(vec![Answer::Silence, Answer::Silence]);
    let settings = Settings { tries: 2, ..settings() };
    let endpoint = Endpoint::new(&server.base, None, settings).unwrap();
    let text = endpoint.ask(&question("?"), &options()).unwrap_err().to_string();
    assert!(text.contains("no whole answer within 0.4 s (tried 2 times)"), "{text}");
}

#[test]
fn a_broken_connection_is_asked_again() {
    let server =
        Server::start(vec![Answer::Hangup, Answer::says("elephant").cut(60), Answer::says("cat")]);
    let endpoint = endpoint(&server);
    assert_eq!(endpoint.ask(&question("?"), &options()).unwrap().text, "cat");
    assert_eq!((server.asked().len(), endpoint.usage().requests), (3, 1));
}

#[test]
fn garbage_and_floods_are_clear_errors() {
    for (answer, reason) in [
        (Answer::status(200).body("\u{1}garbage"), "not that of a chat completion"),
        (Answer::status(200).body(&"x".repeat(10_001)), "longer than 10000 bytes"),
        (Answer::status(200), "not that of a chat completion"),
    ] {
        let server = Server::start(vec![answer, Answer::says("never asked")]);
        let endpoint = endpoint(&server);
        let error = endpoint.ask(&question("?"), &options()).unwrap_err();
        assert!(matches!(error, Error::Answer { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.to_string().starts_with(endpoint.url()), "{error}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn an_unreachable_endpoint_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = Endpoint::new(&format!("http://{free}/v1"), None, settings()).unwrap();
    let error = endpoint.ask(&question("?"), &options()).unwrap_err();
    assert!(matches!(error, Error::Unreachable { tries: 4, .. }), "{error}");
    assert!(error.to_string().contains(&free.to_string()), "{error}");
}

#[test]
fn the_key_is_never_shown() {
    let escaped = SECRET.replace('/', "\\/");
    let at_the_cut = format!("{}{SECRET}", " x".repeat(145));
    for body in [
        format!("bad key {SECRET}"),
        format!(r#"{{"error": {{"message": "Incorrect key: {escaped}."}}}}"#),
        at_the_cut,
    ] {
        for status in [200, 401, 500] {
            let answers = (0..4).map(|_| Answer::status(status).body(&body)).collect();
            let server = Server::start(answers);
            let endpoint = endpoint(&server);
            let error = endpoint.ask(&question("?"), &options()).unwrap_err();
            let shown = format!("{error} {error:?} {endpoint:?} {:?}", Key::new(SECRET).unwrap());
            assert!(!shown.contains("sk-do"), "{shown}");
        }
    }
    assert!(Key::new(" \n").is_err() && Key::new("a\nb").is_err());
    let absent = Key::from_env("QUINTET_NO_SUCH_VARIABLE").unwrap_err().to_string();
    assert!(absent.contains("QUINTET_NO_SUCH_VARIABLE") && absent.contains("is not set"));
}
