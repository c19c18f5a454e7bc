//! Broken models and pictures: one line that names the file, and nothing is harmed.

use std::{fs, path::Path};

use crate::{
    gguf_file::{GgufFile, array, pair, tensor},
    program::{fails_with, mini_with, quintet, root, text},
    torch_zip::zip,
};

/// Asks with this model or picture; the file that the answer would be drawn into must stay as it
/// was.
#[track_caller]
fn ask_fails(model: &str, picture: &str, parts: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.png");
    fs::write(&out, "as it was").unwrap();
    let args = ["ask", picture, "What is it?", "--model", model, "--save", text(&out)];
    fails_with(&mut quintet(args), parts);
    assert_eq!(fs::read_to_string(&out).unwrap(), "as it was");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was left behind");
}

fn model_fails(model: &Path, parts: &[&str]) {
    ask_fails(text(model), "assets/demo.png", parts);
}

#[test]
fn truncated_weights() {
    let whole = fs::read(root().join("checkpoints/mini/model.safetensors")).unwrap();
    for length in [whole.len() - 1, whole.len() / 2, 100, 7, 0] {
        let dir = tempfile::tempdir().unwrap();
        let model = mini_with(dir.path(), "model.safetensors", Some(&whole[..length]));
        model_fails(&model, &["model.safetensors: "]);
    }
}

#[test]
fn weights_with_a_header_that_lies() {
    let dir = tempfile::tempdir().unwrap();
    let huge = [u64::MAX.to_le_bytes().as_slice(), b"{}"].concat();
    let model = mini_with(dir.path(), "model.safetensors", Some(&huge));
    model_fails(&model, &["model.safetensors: "]);
}

#[test]
fn hostile_gguf() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hostile.gguf");
    let files = [
        GgufFile { tensor_count: Some(u64::MAX), ..GgufFile::default() },
        GgufFile { pair_count: Some(1 << 60), ..GgufFile::default() },
        GgufFile { pairs: vec![pair("x", 9, &array(8, 1 << 60, b""))], ..GgufFile::default() },
        GgufFile { tensors: vec![tensor("x", &[1 << 40, 1 << 40], 0, 0)], ..GgufFile::default() },
        GgufFile { tensors: vec![tensor("x", &[32], 0, 1 << 62)], ..GgufFile::default() },
    ];
    for file in files {
        fs::write(&path, file.bytes()).unwrap();
        let args = ["ask", "Who are you?", "--model", text(&path)];
        fails_with(&mut quintet(args), &["hostile.gguf: "]);
    }
}

#[test]
fn a_pickle_that_calls() {
    let dir = tempfile::tempdir().unwrap();
    let model = mini_with(dir.path(), "model.safetensors", None);
    let trace = dir.path().join("was-here");
    let command = format!("touch {}", trace.display());
    let mut pickle = b"\x80\x02cos\nsystem\nX".to_vec();
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.as_bytes());
    pickle.extend(b"\x85R.");
    fs::write(model.join("pytorch_model.bin"), zip(&[("x/data.pkl", &pickle)])).unwrap();
    model_fails(&model, &["pytorch_model.bin: ", "os.system"]);
    assert!(!trace.exists(), "the pickle ran its command");
}

#[test]
fn a_missing_chat_template() {
    let dir = tempfile::tempdir().unwrap();
    let model = mini_with(dir.path(), "chat_template.jinja", None);
    model_fails(&model, &[text(&model), "chat template"]);
}

#[test]
fn broken_and_missing_parts_of_a_model() {
    for (name, content) in [
        ("config.json", Some(b"{\"model_type\": ".as_slice())),
        ("tokenizer.json", Some(b"[]".as_slice())),
        ("chat_template.jinja", Some(b"{% for x in %}".as_slice())),
        ("preprocessor_config.json", Some(b"{}{".as_slice())),
        ("preprocessor_config.json", None),
        ("model.safetensors", None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let model = mini_with(dir.path(), name, content);
        model_fails(&model, &[if content.is_some() { name } else { text(&model) }]);
    }
}

#[test]
fn a_hundred_megapixels() {
    let dir = tempfile::tempdir().unwrap();
    let bomb = dir.path().join("bomb.png");
    image::GrayImage::new(10_000, 10_000).save(&bomb).unwrap();
    assert!(fs::metadata(&bomb).unwrap().len() < 1 << 20);
    ask_fails("mini", text(&bomb), &["bomb.png", "10000x10000", "above the limit"]);
}

#[test]
fn pictures_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let demo = fs::read(root().join("assets/demo.png")).unwrap();
    for (name, content) in [
        ("empty.png", b"".as_slice()),
        ("half.png", &demo[..demo.len() / 2]),
        ("text.jpg", b"not a picture"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        ask_fails("mini", text(&path), &[name]);
    }
}
