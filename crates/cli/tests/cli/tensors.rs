//! `logits` and `features`.

use std::path::Path;

use quintet_weights::Weights;

use crate::program::{fails_with, json, quintet, succeeds, text};

const DEMO: &str = "assets/demo.png";

fn shape(file: &Weights, name: &str) -> Vec<usize> {
    file.info(name).unwrap_or_else(|| panic!("no {name}")).shape.clone()
}

/// Sizes of the bundled model: tokens of a picture, width of encoder and backbone, layers,
/// vocabulary, and the placeholder.
fn sizes() -> [usize; 6] {
    let file = crate::program::root().join("checkpoints/mini/config.json");
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let number = |value: &serde_json::Value| value.as_u64().unwrap() as usize;
    let (vision, text) = (&config["vision_config"], &config["text_config"]);
    let grid = number(&vision["image_size"]) / number(&vision["patch_size"]);
    [
        grid * grid,
        number(&vision["hidden_size"]),
        number(&text["hidden_size"]),
        number(&text["num_hidden_layers"]),
        number(&text["vocab_size"]),
        number(&config["image_token_index"]),
    ]
}

#[test]
fn features_have_the_model_s_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("features.safetensors");
    succeeds(&mut quintet(["features", "--image", DEMO, "--out", text(&out)]));
    let file = Weights::open(&out).unwrap();
    let [v, encoder, d, ..] = sizes();
    assert_eq!(shape(&file, "features"), [1, v, encoder]);
    assert_eq!(shape(&file, "projected"), [1, v, d]);
    assert!(file.f32("projected").unwrap().iter().all(|x| x.is_finite()));
}

#[test]
fn logits_of_a_prompt_and_of_its_ids_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let [prompted, given] = ["prompted", "given"].map(|name| dir.path().join(name));
    let logits = |out: &Path, how: &[&str]| {
        let mut command = quintet(["logits", "--image", DEMO, "--out", text(out)]);
        succeeds(command.args(how));
        Weights::open(out).unwrap()
    };
    let first = logits(&prompted, &["--prompt", "Is there a cat?", "--hidden-states"]);
    let [v, _, d, layers, vocabulary, _] = sizes();
    let ids = first.f32("ids").unwrap();
    let t = ids.len();
    assert!(t > v);
    assert_eq!(shape(&first, "logits"), [1, t, vocabulary]);
    for layer in 0..=layers {
        assert_eq!(shape(&first, &format!("hidden_states.{layer}")), [1, t, d]);
    }
    let file = dir.path().join("ids.json");
    let ids: Vec<u32> = ids.iter().map(|&id| id as u32).collect();
    std::fs::write(&file, serde_json::to_vec(&ids).unwrap()).unwrap();
    let second = logits(&given, &["--tokens", text(&file)]);
    assert_eq!(first.f32("logits").unwrap(), second.f32("logits").unwrap());
    assert!(second.info("hidden_states.0").is_none());
}

#[test]
fn what_was_written_is_described_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.safetensors");
    let picture = ["--image", DEMO, "--out", text(&out), "--json"];
    let described = json(quintet(["features"]).args(picture));
    assert_described(&described, &out, &["features", "projected"]);

    let described = json(quintet(["logits", "--prompt", "Is there a cat?"]).args(picture));
    assert_described(&described, &out, &["logits", "ids"]);
    let written = Weights::open(&out).unwrap().f32("ids").unwrap();
    let ids: Vec<f32> = serde_json::from_value(described["ids"].clone()).unwrap();
    assert_eq!(ids, written);
}

fn assert_described(described: &serde_json::Value, out: &Path, tensors: &[&str]) {
    assert_eq!(described["path"], text(out));
    assert_eq!(described["model"], "mini");
    assert_eq!(described["dtype"], "F32");
    let file = Weights::open(out).unwrap();
    let shapes = described["shapes"].as_object().unwrap();
    assert_eq!(shapes.keys().collect::<Vec<_>>(), tensors);
    for (name, described) in shapes {
        assert_eq!(*described, serde_json::json!(shape(&file, name)), "{name}");
    }
}

#[test]
fn a_wrong_number_of_placeholders_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [out, ids] = ["x.safetensors", "ids.json"].map(|name| dir.path().join(name));
    let [v, .., placeholder] = sizes();
    std::fs::write(&out, "as it was").unwrap();
    for count in [0, 2, v - 1] {
        let list = [vec![1; 3], vec![placeholder; count]].concat();
        std::fs::write(&ids, serde_json::to_vec(&list).unwrap()).unwrap();
        let args = ["logits", "--image", DEMO, "--tokens", text(&ids), "--out", text(&out)];
        fails_with(&mut quintet(args), &[&format!("{count} placeholder tokens for 1 pictures")]);
    }
    for (content, reason) in [("[]", "the list is empty"), ("{}", "expected a JSON list")] {
        std::fs::write(&ids, content).unwrap();
        let args = ["logits", "--tokens", text(&ids), "--out", text(&out)];
        fails_with(&mut quintet(args), &["ids.json", reason]);
    }
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "as it was");
}
