//! `ask`, `chat`, `models`, `eval`.

use std::{
    fs::{self, File},
    io::Write,
    process::{Command, Stdio},
};

use image::{Frame, Rgb, RgbImage, buffer::ConvertBuffer, codecs::gif::GifEncoder};

use crate::program::{fails_with, json, quintet, succeeds, text};

const DEMO: &str = "assets/demo.png";

#[test]
fn ask_tells_what_it_said_and_how_fast() {
    let said = json(&mut quintet(["ask", DEMO, "What is in the picture?", "--json"]));
    assert_eq!(said["model"], "mini");
    assert_eq!(said["question"], "What is in the picture?");
    assert!(!said["answer"].as_str().unwrap().is_empty());
    assert!(said["tokens"].as_u64().unwrap() >= 1);
    assert_eq!(said["tokens"], said["ids"].as_array().unwrap().len());
    assert!(said["tokens_per_s"].as_f64().unwrap() > 0.0);
    // Greedily, so that it says the same again, and as a stream too.
    let streamed = succeeds(&mut quintet(["ask", DEMO, "What is in the picture?"]));
    assert_eq!(streamed.trim(), said["answer"].as_str().unwrap());
}

#[test]
fn a_stop_string_ends_the_answer_before_it() {
    let ask = ["ask", DEMO, "What is in the picture?", "--json"];
    let whole = json(&mut quintet(ask));
    let whole = whole["answer"].as_str().unwrap();
    let last = whole.chars().last().unwrap().to_string();
    let cut = json(quintet(ask).args(["--stop", &last]));
    let expected = whole.split(&last).next().unwrap().trim();
    assert_eq!(cut["answer"], expected);
}

#[test]
fn draws_differ_by_seed_only() {
    let draw = |seed: &str| {
        let flags = ["--temperature", "3", "--max-tokens", "24", "--seed", seed, "--json"];
        let said = json(quintet(["ask", DEMO, "What is in the picture?"]).args(flags));
        said["answer"].as_str().unwrap().to_owned()
    };
    assert_eq!(draw("1"), draw("1"));
    assert!(["2", "3", "4"].iter().any(|seed| draw(seed) != draw("1")));
}

#[test]
fn save_draws_the_answer_s_box_on_the_picture() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.png");
    let said =
        json(&mut quintet(["ask", DEMO, "Where is the cat?", "--json", "--save", text(&out)]));
    let shown = image::open(crate::program::root().join(DEMO)).unwrap().into_rgb8();
    let saved = image::open(out).unwrap().into_rgb8();
    assert_eq!(saved.dimensions(), shown.dimensions());
    let boxes = said["boxes"].as_array().unwrap();
    assert_eq!(boxes.is_empty(), saved == shown, "{said}");
    for found in boxes {
        assert_eq!(found["percent"].as_array().unwrap().len(), 4);
        assert_eq!(found["pixels"].as_array().unwrap().len(), 4);
    }
}

/// A square that moves, in few enough colours for a GIF to keep them exactly.
#[test]
fn a_video_is_asked_about_as_its_frames_are() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("frames");
    fs::create_dir(&folder).unwrap();
    let frames = [0, 1, 2, 3, 4].map(|step: u32| {
        RgbImage::from_fn(160, 160, |x, y| match x / 32 == step && y / 32 == 2 {
            true => Rgb([220, 40, 40]),
            false => Rgb([250, 250, 250]),
        })
    });
    let files: Vec<_> = (0..5).map(|i| folder.join(format!("{i}.png"))).collect();
    for (frame, file) in frames.iter().zip(&files) {
        frame.save(file).unwrap();
    }
    let gif = dir.path().join("some.gif");
    let mut encoder = GifEncoder::new(File::create(&gif).unwrap());
    encoder.encode_frames(frames.iter().map(|frame| Frame::new(frame.convert()))).unwrap();
    drop(encoder);
    let ask = |shown: &[&str]| {
        let question = ["What colour is the square?", "--json"];
        json(quintet(["ask"]).args(shown).args(question))["ids"].clone()
    };
    let pictures = ask(&files.iter().map(|file| text(file)).collect::<Vec<_>>());
    assert!(!pictures.as_array().unwrap().is_empty());
    assert_eq!(ask(&[text(&gif)]), pictures);
    assert_eq!(ask(&[text(&folder)]), pictures);
}

#[test]
fn a_prompt_that_is_too_long_is_refused() {
    let long = "cat ".repeat(30_000);
    let reason = "tokens, but the model reads at most 1024";
    fails_with(&mut quintet(["ask", &long]), &[reason]);
    let (code, out, errors) = chat(&[], &format!("{long}\n"));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(errors.starts_with("error: ") && errors.contains(reason), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn an_answer_may_be_as_long_as_a_number_can_say() {
    let ask = ["ask", DEMO, "What is in the picture?"];
    let endless = quintet(ask).args(["--max-tokens", &usize::MAX.to_string()]).output().unwrap();
    let said = String::from_utf8(endless.stderr).unwrap();
    assert!(endless.status.success() && said.contains("expect worse answers"), "{said}");
    assert_eq!(String::from_utf8(endless.stdout).unwrap(), succeeds(&mut quintet(ask)));
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    for (args, reason) in [
        (vec!["ask", DEMO], "the question comes last"),
        (vec!["ask", " "], "the question is empty"),
        (vec!["ask", "hello", "--save", "x.png"], "--save draws on the first picture"),
        (vec!["ask", "hello", "--top-p", "2"], "expected 0 to 1"),
    ] {
        let output = quintet(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(reason), "{said}");
    }
    fails_with(&mut quintet(["ask", "no/such.png", "What is it?"]), &["no/such.png: no such file"]);
    fails_with(&mut quintet(["ask", "hi", "--model", "no/such/model"]), &["no/such/model"]);
}

fn chat(args: &[&str], lines: &str) -> (Option<i32>, String, String) {
    let mut command: Command = quintet(["chat", "--max-tokens", "16"]);
    let piped = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = piped.stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let said = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), said(output.stdout), said(output.stderr))
}

#[test]
fn chat_answers_each_line_and_remembers() {
    let lines = format!("/image {DEMO}\nWhat is in the picture?\nHow many are there?\n");
    let (code, out, errors) = chat(&["--json"], &lines);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let said: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said.len(), 2);
    assert_eq!(said[1]["question"], "How many are there?");
    // The same question without what came before is another conversation.
    let (_, alone, _) = chat(&["--json", "--image", DEMO], "What is in the picture?\n");
    let alone: serde_json::Value = serde_json::from_str(alone.trim()).unwrap();
    assert_eq!(alone["answer"], said[0]["answer"]);
}

#[test]
fn reset_forgets_pictures_that_were_not_asked_about_yet() {
    let answer = |lines: &str| {
        let (code, out, errors) = chat(&["--json"], lines);
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        let said: serde_json::Value = serde_json::from_str(&out).unwrap();
        said["answer"].clone()
    };
    let question = "What is in the picture?\n";
    let alone = answer(question);
    assert_ne!(answer(&format!("/image {DEMO}\n{question}")), alone);
    assert_eq!(answer(&format!("/image {DEMO}\n/reset\n{question}")), alone);
}

#[test]
fn chat_without_a_terminal_ends_at_the_first_failure() {
    let (code, out, errors) = chat(&[], "/image no.png\nWhat is in it?\n");
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(errors, "error: no.png: no such file\n");
}

#[test]
fn models_lists_the_bundled_and_the_known() {
    let listed = json(&mut quintet(["models", "--json"]));
    let listed = listed.as_array().unwrap();
    let find = |key: &str| listed.iter().find(|model| model["key"] == key).unwrap();
    assert_eq!(find("mini")["bundled"], true);
    assert!(find("mini")["size"].as_u64().unwrap() <= 40_000_000);
    assert_eq!(find("smollm2")["bundled"], false);
    assert!(succeeds(&mut quintet(["models"])).contains("smollm2"));
}

#[test]
fn pull_of_a_bundled_model_needs_no_network() {
    let found = json(&mut quintet(["pull", "mini", "--json"]));
    assert!(found["path"].as_str().unwrap().ends_with("mini"), "{found}");
}

#[test]
fn eval_writes_the_receipt_that_it_prints() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("receipt.json");
    let eval = ["eval", "--bundled", "--styles", "noto", "-n", "3", "--json"];
    let printed = json(quintet(eval).args(["--out", text(&out)]));
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(written, printed);
    assert!(printed["scores"].is_object(), "{printed}");
    let table = succeeds(&mut quintet(["eval", "--bundled", "--styles", "noto", "-n", "3"]));
    assert!(table.contains("presence") && table.contains("seed 2024"), "{table}");
}

#[test]
fn a_device_that_the_build_lacks_is_told() {
    if cfg!(not(feature = "cuda")) {
        let ask = quintet(["ask", "hi", "--device", "cuda"]).output().unwrap();
        assert_eq!(ask.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&ask.stderr).contains("--features cuda"));
    }
    json(&mut quintet(["ask", DEMO, "Is there a cat?", "--device", "cpu", "--json"]));
}
