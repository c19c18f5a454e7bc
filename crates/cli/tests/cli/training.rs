//! `preflight` and `train`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use quintet_weights::{SaveDType, Weights, save_safetensors};

use crate::program::{fails, fails_with, json, quintet, root, starved, succeeds, text};

/// A recipe of a moment, on drawings that travel in the program.
const RECIPE: &str = include_str!("tiny.toml");

fn recipe(dir: &Path, change: impl FnOnce(String) -> String) -> PathBuf {
    let path = dir.join("tiny.toml");
    fs::write(&path, change(RECIPE.to_owned())).unwrap();
    path
}

/// Adapters where the stages train encoder and backbone.
fn with_adapters(text: String) -> String {
    let lora = |part: &str| format!("lora = {{ parts = [\"{part}\"], rank = 2, alpha = 4.0 }}");
    text.replace("train = [\"encoder\"]", &lora("encoder")).replace(
        "train = [\"projector\", \"backbone\"]",
        &format!("train = [\"projector\"]\n{}", lora("backbone")),
    )
}

/// Scores of every next token of a question about the demo picture.
fn logits(dir: &Path, model: &[&str]) -> Vec<f32> {
    let out = dir.join("logits.safetensors");
    let question = ["logits", "--image", "assets/demo.png", "--prompt", "What is it?"];
    succeeds(quintet(question).args(model).args(["--out", text(&out)]));
    Weights::open(&out).unwrap().f32("logits").unwrap()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// A trained model and a recipe that goes on from it with one stage of the recipe, by adapters.
fn adapting(dir: &Path, stage: &str) -> (PathBuf, PathBuf) {
    let out = dir.join("base");
    let path = recipe(dir, |text| text);
    succeeds(&mut quintet(["train", text(&path), "--out", text(&out), "--quiet"]));
    let base = out.join("model");
    let path = recipe(dir, |text| {
        let text = with_adapters(text);
        let data = &text[text.find("[data.scenes]").unwrap()..text.find("[[stage]]").unwrap()];
        let mut stages = text.split("[[stage]]").skip(1);
        let stage = stages.find(|text| text.contains(&format!("name = \"{stage}\""))).unwrap();
        format!("name = \"tiny\"\nseed = 3\nmodel = {{ path = {base:?} }}\n{data}[[stage]]{stage}")
    });
    (base, path)
}

/// Rows that are trained on instead of scenes.
fn with_rows(dir: &Path, rows: &str) -> PathBuf {
    with_file(dir, "rows.json", rows.as_bytes())
}

fn with_file(dir: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    recipe(dir, |text| {
        let rows = format!("[data.rows]\nkind = \"file\"\npath = {path:?}\n\n[[stage]]");
        let text = text.replacen("[[stage]]", &rows, 1);
        text.replace("data = { scenes = 1.0 }\ntrain = [\"p", "data = { rows = 1.0 }\ntrain = [\"p")
    })
}

fn row(id: &str, picture: &str, question: &str, answer: Option<&str>) -> String {
    let mut turns = vec![serde_json::json!({ "from": "human", "value": question })];
    turns.extend(answer.map(|text| serde_json::json!({ "from": "gpt", "value": text })));
    serde_json::json!({ "id": id, "image": picture, "conversations": turns }).to_string()
}

#[test]
fn preflight_looks_at_rows_and_memory_of_each_stage() {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path(), |text| text.replace("len = 1000000", "len = 300"));
    let found = json(&mut quintet(["preflight", text(&path), "--json"]));
    assert_eq!(found["passed"], true);
    let [see, answer] = found["stages"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&see["stage"], &answer["stage"]), (&"see".into(), &"answer".into()));
    let rows = &answer["datasets"][0];
    assert_eq!((&rows["good"], &rows["rows"]), (&256.into(), &300.into()));
    assert!(answer["memory_total"].as_u64() > answer["memory"]["weights"].as_u64());
    let all = json(&mut quintet(["preflight", text(&path), "--all", "--json"]));
    assert_eq!(all["stages"][1]["datasets"][0]["good"], 300);
    let table = succeeds(&mut quintet(["preflight", text(&path)]));
    assert!(table.contains("looked at the first 256 of 300"), "{table}");
    assert!(table.contains("backbone activations"), "{table}");
}

#[test]
fn a_new_model_that_does_not_fit_is_refused_before_it_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path(), |text| {
        text.replace("intermediate_size = 64", "intermediate_size = 16000000")
            .replace("layers = 2", "layers = 1000")
    });
    let out = dir.path().join("out");
    let train = ["train", text(&path), "--out", text(&out), "--quiet"];
    for command in [&mut quintet(["preflight", text(&path)]), &mut quintet(train)] {
        fails_with(command, &["[model]", "of memory are needed (weights", "are free"]);
    }
}

#[test]
fn rows_that_cannot_be_trained_on_are_named() {
    let demo = root().join("assets/demo.png");
    let demo = text(&demo);
    let question = "<image>\nWhat is it?";
    let answer = Some("a cat");
    let good = row("good", demo, question, answer);
    for (bad, reason) in [
        (row("bad", "no.png", question, answer), "no.png"),
        (row("bad", demo, "<image><image>\nWhat is it?", answer), "2 placeholders"),
        (row("bad", demo, question, None), "nothing is supervised"),
        (row("bad", demo, &format!("<image>\n{}", "word ".repeat(300)), answer), "max_len 256"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = with_rows(dir.path(), &format!("[{good}, {bad}]"));
        let out = dir.path().join("out");
        let train = ["train", text(&path), "--out", text(&out), "--quiet"];
        for command in [&mut quintet(["preflight", text(&path), "--json"]), &mut quintet(train)] {
            let said = fails(command);
            assert!(said.contains("rows.json") && said.contains("row 1"), "{said}");
            assert!(said.contains(reason), "{said}");
        }
        assert!(!out.exists(), "training has begun");
    }
}

#[test]
fn damaged_parquet_is_told_in_one_line() {
    let whole = fs::read(root().join("golden/formats/image.parquet")).unwrap();
    // In a page, and in the schema: the library panics.
    for at in [1082, 5361] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let dir = tempfile::tempdir().unwrap();
        let path = with_file(dir.path(), "rows.parquet", &damaged);
        let parts = ["rows.parquet", "row 0: the file breaks the rules of Parquet"];
        fails_with(&mut quintet(["preflight", text(&path)]), &parts);
    }
}

#[test]
fn memory_that_is_not_there_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path(), |text| text.replace("batch = 2", "batch = 100000000"));
    let out = dir.path().join("out");
    for command in [
        &mut quintet(["preflight", text(&path), "--json"]),
        &mut quintet(["train", text(&path), "--out", text(&out), "--quiet"]),
    ] {
        fails_with(command, &["stage 'see'", "of memory are needed", "are free", "lower batch"]);
    }
    assert!(!out.exists(), "training has begun");
}

#[test]
fn a_trained_model_answers() {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path(), |text| text);
    let out = dir.path().join("out");
    let train = ["train", text(&path), "--out", text(&out)];
    let told = json(quintet(train).arg("--json"));
    assert_eq!(told["resumed"], false);
    let model = out.join("model");
    assert_eq!(told["model"], text(&model));
    // What is finished is only loaded.
    assert_eq!(json(quintet(train).arg("--json"))["resumed"], true);
    let ask = ["ask", "assets/demo.png", "What is it?", "--max-tokens", "4", "--json"];
    assert!(json(quintet(ask).args(["--model", text(&model)]))["tokens"].as_u64() <= Some(4));
    // Another recipe does not go on from there.
    recipe(dir.path(), |text| text.replace("seed = 3", "seed = 4"));
    fails_with(quintet(train).arg("--quiet"), &["of another recipe"]);
}

/// The last stage of the recipe in long, with what is changed: not interrupted, and then killed in the
/// middle, treated as `meanwhile` says, and finished. Both times these files must hold the same bits.
#[cfg(unix)]
fn interrupted(
    change: impl Fn(String) -> String,
    meanwhile: impl FnOnce([&str; 5], &dyn Fn() -> Vec<String>),
    files: &[&str],
) {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path(), |text| change(text.replace("steps = 4", "steps = 400")));
    let straight = dir.path().join("straight");
    succeeds(&mut quintet(["train", text(&path), "--out", text(&straight), "--quiet"]));

    let out = dir.path().join("out");
    let train = ["train", text(&path), "--out", text(&out), "--quiet"];
    let mut process = quintet(train).spawn().unwrap();
    let checkpoints = || -> Vec<String> {
        let Ok(entries) = fs::read_dir(out.join("answer")) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> =
            names.filter(|name| name.starts_with("step-") && !name.contains(".tmp-")).collect();
        names.sort();
        names
    };
    let begun = Instant::now();
    while checkpoints().is_empty() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    process.kill().unwrap();
    assert!(!process.wait().unwrap().success(), "it was done before it could be killed");
    let saved = checkpoints();
    assert!(!saved.is_empty() && !out.join("model").exists(), "{saved:?}");
    meanwhile(train, &checkpoints);
    succeeds(&mut quintet(train));
    for file in files {
        let [found, expected] = [&out, &straight].map(|dir| fs::read(dir.join(file)).unwrap());
        assert!(found == expected, "{file}: other bits than without the interruption");
    }
}

#[cfg(unix)]
#[test]
fn a_killed_and_starved_training_ends_as_if_nothing_had_happened() {
    let starve = |train: [&str; 5], checkpoints: &dyn Fn() -> Vec<String>| {
        let saved = checkpoints();
        fails_with(&mut starved(64, train), &["weights.safetensors", "File too large"]);
        assert_eq!(checkpoints(), saved);
    };
    interrupted(|text| text, starve, &["model/model.safetensors"]);
}

#[cfg(unix)]
#[test]
fn a_killed_lora_stage_ends_as_if_nothing_had_happened() {
    let adapter = "answer/adapter/adapter_model.safetensors";
    interrupted(with_adapters, |_, _| {}, &["model/model.safetensors", adapter]);
}

#[test]
fn the_adapter_of_a_stage_makes_its_model_of_the_base() {
    for stage in ["see", "answer"] {
        let dir = tempfile::tempdir().unwrap();
        let (base, path) = adapting(dir.path(), stage);
        let out = dir.path().join("out");
        succeeds(&mut quintet(["train", text(&path), "--out", text(&out), "--quiet"]));
        let adapter = out.join(stage).join("adapter");
        let config = fs::read_to_string(adapter.join("adapter_config.json")).unwrap();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["base_model_name_or_path"], text(&base));
        let of = |model: &[&str]| logits(dir.path(), model);
        let merged = of(&["--model", text(&out.join("model"))]);
        let adapted = of(&["--model", text(&base), "--adapter", text(&adapter)]);
        let worst = apart(&merged, &adapted);
        assert!(worst < 1e-5, "{stage}: differs by {worst}");
        let learnt = apart(&merged, &of(&["--model", text(&base)]));
        assert!(learnt > 1e-4, "{stage}: nothing was learnt ({learnt})");
        // Whoever measures the adapted model says which adapter it was.
        let eval = ["eval", "--bundled", "-n", "1", "--styles", "noto", "--json"];
        let model = ["--model", text(&base), "--adapter", text(&adapter)];
        let receipt = json(quintet(eval).args(model));
        let file = &receipt["files"]["adapter/adapter_model.safetensors"];
        assert_eq!(file.as_str().map(str::len), Some(64), "{receipt}");
    }
}

#[test]
fn adapters_that_do_not_fit_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let adapter = dir.path().join("adapter");
    let ask = ["ask", "assets/demo.png", "What is it?", "--adapter", text(&adapter)];
    fails_with(&mut quintet(ask), &["mini", "adapter_config.json", "No such file"]);
    fs::create_dir(&adapter).unwrap();
    let config = r#"{"peft_type": "LORA", "r": 1, "lora_alpha": 1}"#;
    fs::write(adapter.join("adapter_config.json"), config).unwrap();
    let q_proj = "model.language_model.layers.0.self_attn.q_proj";
    for (module, reason) in [
        (q_proj, "do not fit a map"),
        ("model.language_model.layers.0.self_attn.qkv_proj", "maps that the model does not have"),
    ] {
        let tensor = |factor: &str, shape: [usize; 2]| {
            (format!("base_model.model.{module}.lora_{factor}.weight"), shape, [0.0; 7])
        };
        let tensors = [tensor("A", [1, 7]), tensor("B", [7, 1])];
        let path = adapter.join("adapter_model.safetensors");
        save_safetensors(&path, tensors, SaveDType::F32, &Default::default()).unwrap();
        fails_with(&mut quintet(ask), &["mini", "adapter_model.safetensors", reason]);
    }
}

#[test]
fn data_held_out_are_measured_on_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let held = "validate = \"held\"\nvalidate_batches = 2\nevaluate_every = 1\nmax_tokens";
    let path = recipe(dir.path(), |text| {
        let scenes = text.find("[data.scenes]").unwrap()..text.find("[[stage]]").unwrap();
        let data =
            text[scenes].replace("data.scenes", "data.held").replace("\"noto\"", "\"noto-v1\"");
        text.replacen("[[stage]]", &format!("{data}[[stage]]"), 1).replace("max_tokens", held)
    });
    let out = dir.path().join("out");
    succeeds(&mut quintet(["train", text(&path), "--out", text(&out), "--quiet"]));
    for (stage, steps, metric) in [("see", 2, "things_named"), ("answer", 4, "loss")] {
        let log = fs::read_to_string(out.join(stage).join("metrics.jsonl")).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
        let measured: Vec<serde_json::Value> =
            lines.filter(|line: &serde_json::Value| line["kind"] == "eval").collect();
        assert_eq!(measured.len(), steps, "{log}");
        assert!(measured.iter().all(|line| line[metric].as_f64() >= Some(0.0)), "{log}");
    }
}
