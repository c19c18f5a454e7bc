//! `benchmark`.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    endpoint::endpoint,
    program::{fails_with, json, quintet, root, succeeds, text},
};

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_model_is_asked_each_question_once() {
    let dir = tempfile::tempdir().unwrap();
    let (scenes, pope) = (dir.path().join("scenes"), dir.path().join("pope"));
    succeeds(&mut quintet(["data", "scenes", "--bundled", "-n", "6", "--out", text(&scenes)]));
    let annotations = scenes.join("annotations.json");
    let build = ["data", "pope", "--coco", text(&annotations), "--out", text(&pope)];
    succeeds(quintet(build).args(["-n", "2", "--objects", "1", "--questions", "2"]));
    let (images, out) = (scenes.join("images"), dir.path().join("pope.json"));
    let args = ["benchmark", "pope", text(&pope), "--out", text(&out), "--json"];
    fails_with(&mut quintet(args), &["no such picture", "where are the pictures?"]);
    let asked = || json(quintet(args).args(["--images", text(&images), "--max-tokens", "8"]));
    let first = asked();
    let n = first["scores"]["n"].as_u64().unwrap() as usize;
    assert!(n > 0 && first["files"]["model.safetensors"].is_string(), "{first}");
    let answers = dir.path().join("pope.answers.jsonl");
    assert_eq!(lines(&answers).len(), n);
    assert!(lines(&answers).iter().all(|line| {
        let answer = line["answer"].as_str().unwrap();
        answer == "yes" || answer == "no"
    }));
    // What was asked already is not asked again; what was cut short is.
    let text = fs::read_to_string(&answers).unwrap();
    fs::write(&answers, &text[..text.len() - 9]).unwrap();
    assert_eq!(asked()["scores"], first["scores"]);
    assert_eq!(fs::read_to_string(&answers).unwrap(), text);
    let receipt: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    assert_eq!(receipt["settings"]["mode"], "official");
    // Answers of another length are other answers.
    json(quintet(args).args(["--images", self::text(&images), "--max-tokens", "9"]));
    assert_eq!(lines(&answers).len(), 2 * n);

    // Another model of the same name is asked anew.
    let model = dir.path().join("model");
    fs::create_dir(&model).unwrap();
    for file in fs::read_dir(root().join("checkpoints/mini")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), model.join(file.file_name())).unwrap();
    }
    let asked = || {
        json(quintet(args).args(["--images", self::text(&images), "--model", self::text(&model)]));
        lines(&answers).len()
    };
    let before = asked();
    assert_eq!(asked(), before);
    let config = fs::read_to_string(model.join("config.json")).unwrap();
    fs::write(model.join("config.json"), config + "\n").unwrap();
    assert_eq!(asked(), before + n);

    // Answers to all questions can be scored in part.
    let all = dir.path().join("all.jsonl");
    fs::write(&all, text).unwrap();
    let one = ["--images", self::text(&images), "--answers", self::text(&all), "-n", "1"];
    let scored = json(quintet(args).args(one));
    assert!(scored["scores"]["n"].as_u64().unwrap() < n as u64, "{scored}");
}

#[test]
fn options_are_ranked_by_their_likelihood() {
    let dir = tempfile::tempdir().unwrap();
    let pictures = dir.path().join("SEED-Bench-image");
    fs::create_dir(&pictures).unwrap();
    fs::copy(root().join("assets/demo.png"), pictures.join("1")).unwrap();
    let question = json!({
        "question_id": 1, "question_type_id": 1, "data_type": "image", "data_id": "1", "answer": "C",
        "question": "What colour is the star?", "choice_a": "blue", "choice_b": "grey",
        "choice_c": "yellow", "choice_d": "left of the star",
    });
    let questions = json!({"questions": [question], "question_type": {"Instance Attributes": 1}});
    fs::write(dir.path().join("SEED-Bench.json"), questions.to_string()).unwrap();
    let out = dir.path().join("seed.json");
    let args = ["benchmark", "seed-bench", text(dir.path()), "--rank", "--out", text(&out)];
    let asked = || json(quintet(args).arg("--json"))["scores"]["scores"]["overall"].clone();
    assert_eq!(asked(), 100.0);
    let answers = lines(&dir.path().join("seed.answers.jsonl"));
    let options: Vec<Value> = serde_json::from_str(answers[0]["answer"].as_str().unwrap()).unwrap();
    let score = |at: usize| options[at]["log_likelihood"].as_f64().unwrap();
    assert!([0, 1, 3].iter().all(|&other| score(2) > score(other)), "{options:?}");
    // Words, and the end of the answer.
    assert_eq!((&options[2]["tokens"], &options[3]["tokens"]), (&json!(2), &json!(5)));
    // What was scored already is not scored again.
    assert_eq!(asked(), 100.0);
    assert_eq!(lines(&dir.path().join("seed.answers.jsonl")), answers);
    llava_bench(dir.path());
    let args = ["benchmark", "llava-bench", text(dir.path()), "--rank", "--judge", "mini"];
    let refused = quintet(args).args(["--out", text(&out)]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("no options to rank") && refused.status.code() == Some(2), "{said}");
}

/// LLaVA-Bench with one question.
fn llava_bench(dir: &Path) {
    let picture = root().join("assets/demo.png");
    fs::create_dir(dir.join("images")).unwrap();
    fs::copy(picture, dir.join("images/1.png")).unwrap();
    for (name, line) in [
        (
            "questions",
            json!({"question_id": 0, "image": "1.png", "text": "What?", "category": "conv"}),
        ),
        ("context", json!({"image": "1.png", "caption": "a star"})),
        ("answers_gpt4", json!({"question_id": 0, "text": "A star."})),
    ] {
        fs::write(dir.join(name).with_extension("jsonl"), line.to_string()).unwrap();
    }
}

#[test]
fn an_endpoint_answers_and_another_judges() {
    let dir = tempfile::tempdir().unwrap();
    llava_bench(dir.path());
    let model = endpoint(|_, body| {
        let asked = &body["messages"][0]["content"];
        assert!(asked[0]["image_url"]["url"].as_str().unwrap().starts_with("data:image/png"));
        assert_eq!(asked[1]["text"], "What?");
        "A yellow star.".to_owned()
    });
    let judge = endpoint(|_, body| {
        assert_eq!((&body["model"], &body["temperature"]), (&json!("strict"), &json!(0.2)));
        let asked = body["messages"][1]["content"].as_str().unwrap();
        assert!(asked.contains("[Assistant 2]\nA yellow star."), "{asked}");
        "8 6\nGood.".to_owned()
    });
    let out = dir.path().join("receipt.json");
    let args = ["benchmark", "llava-bench", text(dir.path()), "--out", text(&out)];
    let alone = quintet(args).output().unwrap();
    let said = String::from_utf8(alone.stderr).unwrap();
    assert!(alone.status.code() == Some(2) && said.contains("--judge"), "{said}");
    let ask = ["--endpoint", &model, "--endpoint-model", "m"];
    let grade = ["--judge", "strict", "--judge-endpoint", &judge, "--json"];
    let receipt = json(quintet(args).args(ask).args(grade));
    assert_eq!(receipt["scores"]["scores"]["all"], json!(75.0));
    assert_eq!(receipt["model"], format!("m at {model}"));
    assert_eq!(receipt["settings"]["judge"], format!("strict at {judge}"));
    // Scored again from what was kept, without asking anybody.
    let (answers, replies) =
        (dir.path().join("receipt.answers.jsonl"), dir.path().join("receipt.replies.jsonl"));
    let kept = ["--answers", text(&answers), "--replies", text(&replies), "--json"];
    assert_eq!(json(quintet(args).args(kept))["scores"], receipt["scores"]);
}

#[test]
fn a_model_of_this_machine_judges() {
    let dir = tempfile::tempdir().unwrap();
    llava_bench(dir.path());
    let (answers, out) = (dir.path().join("answers.jsonl"), dir.path().join("receipt.json"));
    fs::write(&answers, r#"{"id": "0", "answer": "A star."}"#).unwrap();
    let args = ["benchmark", "llava-bench", text(dir.path()), "--answers", text(&answers)];
    // The mini model has no idea of grades, but what it says is kept and told.
    let receipt = json(quintet(args).args(["--judge", "mini", "--out", text(&out), "--json"]));
    assert_eq!(lines(&dir.path().join("receipt.replies.jsonl")).len(), 1);
    assert_eq!(receipt["scores"]["unreadable"], json!(["0"]));
}
