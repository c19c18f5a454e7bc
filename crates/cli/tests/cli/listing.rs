//! `som build`, `som detect`, `som eval` and `probe`.

use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    endpoint::endpoint,
    program::{fails_with, json, quintet, succeeds, text},
};

const DEMO: &str = "assets/demo.png";

/// Scenes that `som mark` marked, below a folder: `marked` and their records, `marks`.
fn marked(dir: &Path, count: &str) {
    let (scenes, out) = (dir.join("scenes"), dir.join("marked"));
    let build = ["data", "scenes", "--bundled", "-n", count, "--out", text(&scenes)];
    succeeds(&mut quintet(build));
    let source = format!("coco:{}", text(&scenes.join("annotations.json")));
    let (images, marks) = (scenes.join("images"), dir.join("marks"));
    let mark = ["som", "mark", text(&images), "--source", &source, "--out", text(&out)];
    let told = quintet(mark).args(["--json", text(&marks)]).output().unwrap();
    assert!(told.status.success(), "{told:?}");
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Arguments that build data from what [`marked`] made.
fn build(dir: &Path, out: &str) -> Vec<String> {
    let (pictures, marks, out) = (dir.join("marked"), dir.join("marks"), dir.join(out));
    let args = ["som", "build", "--marked", text(&pictures), "--marks", text(&marks)];
    args.into_iter().chain(["--out", text(&out), "--json"]).map(str::to_owned).collect()
}

#[test]
fn a_folder_of_pictures_becomes_listings_in_two_commands() {
    let dir = tempfile::tempdir().unwrap();
    marked(dir.path(), "6");
    let told = json(quintet(build(dir.path(), "data")).args(["--format", "inline"]));
    let rows = read(&dir.path().join("data/samples.json"));
    let rows = rows.as_array().unwrap();
    assert_eq!((&told["samples"], &told["failed"]), (&json!(rows.len()), &json!(0)));
    assert!(!rows.is_empty());
    for row in rows {
        let record =
            read(&dir.path().join("marks").join(format!("{}.json", row["id"].as_str().unwrap())));
        let entry = |mark: &Value| {
            format!("{}. {}", mark["tag"].as_str().unwrap(), mark["name"].as_str().unwrap())
        };
        let listing: Vec<_> = record["marks"].as_array().unwrap().iter().map(entry).collect();
        assert_eq!(row["conversations"][1]["value"], listing.join(", "));
        assert!(dir.path().join("data").join(row["image"].as_str().unwrap()).is_file());
    }
    // What is there is not overwritten.
    fails_with(&mut quintet(build(dir.path(), "data")), &["data is there already"]);

    let share = json(&mut quintet([
        "som",
        "detect",
        "--json",
        "--least",
        "1",
        text(&dir.path().join("data/samples.json")),
    ]));
    let share = share.as_object().unwrap().values().next().unwrap();
    assert_eq!(share["rows_with"], json!(rows.len()));
}

#[test]
fn scenes_and_annotations_are_marked_on_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("qa.parquet");
    let args = ["som", "build", "--scenes", "4", "--bundled", "--task", "both", "--json", "--out"];
    assert_eq!(json(quintet(args).arg(&out))["samples"], 4);
    assert!(out.is_file());
    marked(dir.path(), "3");
    let (file, images) =
        (dir.path().join("scenes/annotations.json"), dir.path().join("scenes/images"));
    let args =
        ["som", "build", "--coco", text(&file), "--images", text(&images), "--json", "--out"];
    assert!(json(quintet(args).arg(dir.path().join("coco")))["samples"].as_u64().unwrap() > 0);
    let output = quintet(["som", "build", "--out", "x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// Lists the marks that a request asks about, each as `thing TAG`.
fn list(body: &Value) -> String {
    let asked = body["messages"].to_string();
    let tags = asked.rsplit("numbers ").find_map(|rest| rest.split_once(". List")).unwrap().0;
    let lines: Vec<_> = tags.split(", ").map(|tag| format!("{tag}. thing {tag}")).collect();
    lines.join("\n")
}

/// An endpoint that lists the marks it is asked about; the first answer is no listing.
fn teacher() -> String {
    endpoint(|number, body| if number == 0 { "I see nothing.".into() } else { list(body) })
}

/// A photograph marked at two boxes without names, as Segment Anything gives them, below a folder:
/// `marked` and its record, `marks`.
fn photograph(dir: &Path, more: &[&str]) {
    let boxes = dir.join("boxes.json");
    let list = r#"{"unit": "shares", "boxes": [[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 0.9, 0.9]]}"#;
    fs::write(&boxes, list).unwrap();
    let (source, out) = (format!("boxes:{}", text(&boxes)), dir.join("marked"));
    let mark = ["som", "mark", DEMO, "--source", &source, "--out", text(&out)];
    let marks = dir.join("marks");
    succeeds(quintet(mark).args(["--json", text(&marks)]).args(more));
}

/// Builds data from what was marked, with a teacher at a URL.
fn taught(dir: &Path, out: &str, url: &str, more: &[&str]) -> Output {
    let args = ["--endpoint", url, "--teacher", "m", "--parallel", "1", "--yes"];
    quintet(build(dir, out)).args(args).args(more).output().unwrap()
}

/// The JSON that a command printed.
fn printed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// What a command said that failed.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_teacher_describes_what_has_no_name_and_is_asked_once() {
    let dir = tempfile::tempdir().unwrap();
    marked(dir.path(), "4");
    let url = teacher();
    let args = ["--endpoint", &url, "--teacher", "m", "--parallel", "1"];
    // Nobody is there to agree to the cost.
    let mut alone = quintet(build(dir.path(), "data"));
    let alone = alone.args(args).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(alone.stderr).unwrap();
    assert!(alone.status.code() == Some(1) && said.contains("--yes agrees"), "{said}");
    let told = quintet(build(dir.path(), "data")).args(args).arg("--yes").output().unwrap();
    assert!(told.status.success(), "{told:?}");
    let said: Value = serde_json::from_slice(&told.stdout).unwrap();
    let rows = read(&dir.path().join("data/samples.json"));
    let count = rows.as_array().unwrap().len();
    assert_eq!(said["samples"], json!(count));
    // One answer could not be used and was asked for again.
    assert_eq!(said["usage"]["requests"], json!(count + 1));
    let listing = rows[0]["conversations"][1]["value"].as_str().unwrap();
    assert!(listing.starts_with("1. thing 1"), "{listing}");

    let journal = dir.path().join("data.answers.jsonl");
    let again = quintet(build(dir.path(), "more"))
        .args(args)
        .args(["--yes", "--journal", text(&journal)])
        .output()
        .unwrap();
    let said: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((&said["samples"], &said["usage"]["requests"]), (&json!(count), &json!(0)));
}

#[test]
fn photographs_become_listings_by_a_teacher() {
    let dir = tempfile::tempdir().unwrap();
    photograph(dir.path(), &[]);
    let record = read(&dir.path().join("marks/demo.json"));
    let marks = record["marks"].as_array().unwrap();
    assert!(marks.len() == 2 && marks.iter().all(|mark| mark["name"].is_null()), "{record}");
    // By rule there is nothing to say.
    let nameless = quintet(build(dir.path(), "ruled")).output().unwrap();
    let said = complaint(&nameless);
    assert!(said.contains("has no name; a teacher could give it one"), "{said}");

    let url = endpoint(|_, body| list(body).replace("thing", &body["max_tokens"].to_string()));
    let told = taught(dir.path(), "data", &url, &["--max-tokens", "300"]);
    assert!(told.status.success(), "{told:?}");
    assert_eq!(printed(&told)["samples"], 1);
    let rows = read(&dir.path().join("data/samples.json"));
    let turns = rows[0]["conversations"].as_array().unwrap();
    assert_eq!((turns.len(), &turns[1]["value"]), (2, &json!("1. 300 1\n2. 300 2")));
    let picture = dir.path().join("data").join(rows[0]["image"].as_str().unwrap());
    assert!(fs::read(picture).unwrap() == fs::read(dir.path().join("marked/demo.png")).unwrap());
}

#[test]
fn pictures_that_were_marked_again_are_asked_about_again() {
    let dir = tempfile::tempdir().unwrap();
    let url = endpoint(|_, body| list(body));
    let journal = dir.path().join("answers.jsonl");
    let requests = |out: &str, order: &str| {
        photograph(dir.path(), &["--order", order]);
        let told = taught(dir.path(), out, &url, &["--journal", text(&journal)]);
        printed(&told)["usage"]["requests"].clone()
    };
    assert_eq!(requests("a", "area-descending"), 1);
    assert_eq!(requests("b", "area-ascending"), 1);
    assert_eq!(requests("c", "area-descending"), 0);
}

#[test]
fn what_is_in_the_way_is_told_before_anything_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    photograph(dir.path(), &[]);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let url = endpoint(move |_, body| {
        count.fetch_add(1, Ordering::SeqCst);
        list(body)
    });
    fs::create_dir(dir.path().join("data")).unwrap();
    let said = complaint(&taught(dir.path(), "data", &url, &[]));
    assert!(said.contains("data is there already: delete it or name another --out"), "{said}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    fs::remove_dir(dir.path().join("data")).unwrap();
    assert!(taught(dir.path(), "data", &url, &[]).status.success());
    let said = complaint(&taught(dir.path(), "data", &url, &[]));
    assert!(said.contains("data.answers.jsonl, where answers are kept"), "{said}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn pictures_without_a_usable_answer_are_left_out_and_no_empty_dataset_is_written() {
    let dir = tempfile::tempdir().unwrap();
    photograph(dir.path(), &[]);
    fs::write(dir.path().join("marks/broken.json"), "{}").unwrap();
    // Nothing of use about the one picture that there is.
    let url = endpoint(|number, body| if number < 3 { "No.".into() } else { list(body) });
    for out in ["data", "data.parquet"] {
        let said = match out {
            "data" => complaint(&taught(dir.path(), out, &url, &[])),
            _ => complaint(&taught(dir.path(), out, &endpoint(|_, _| "No.".into()), &[])),
        };
        assert!(said.contains("none of 2 pictures gives a sample"), "{said}");
        assert!(!dir.path().join(out).exists());
    }
    let told = taught(dir.path(), "data", &url, &[]);
    assert_eq!((&printed(&told)["samples"], &printed(&told)["failed"]), (&json!(1), &json!(1)));
    let said = complaint(&told);
    assert!(said.contains("broken.json: not a record of marks"), "{said}");
    assert!(said.contains("to ask about them again, delete"), "{said}");
    // Which is what can be done.
    fs::remove_dir_all(dir.path().join("data")).unwrap();
    fs::remove_file(dir.path().join("marks/broken.json")).unwrap();
    let told = taught(dir.path(), "data", &url, &[]);
    assert_eq!(printed(&told)["usage"]["requests"], 0);
}

#[test]
fn options_that_would_be_passed_over_are_refused() {
    let teacher = ["--endpoint", "http://127.0.0.1:1/v1", "--teacher", "m"];
    for more in [
        vec!["--order", "reading"],
        [&teacher[..], &["--answers", "words"]].concat(),
        [&teacher[..], &["--task", "both"]].concat(),
        vec!["--max-tokens", "9"],
        vec!["--yes"],
    ] {
        let told = quintet(build(Path::new("nowhere"), "data")).args(&more).output().unwrap();
        assert_eq!(told.status.code(), Some(2), "{more:?}: {told:?}");
    }
}

#[test]
fn a_model_is_measured_on_marks() {
    let args = ["som", "eval", "--bundled", "--styles", "noto", "-n", "3", "--json"];
    let said = json(&mut quintet(args));
    let scores = &said["scores"];
    assert_eq!(scores["counts"]["pictures"], 3);
    assert_eq!(scores["weighed"], scores["counts"]["items"], "every tag is found");
    let inside = scores["inside"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&inside) && scores["area"].as_f64().unwrap() > 0.0, "{said}");
}

#[test]
fn attention_becomes_a_page_and_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("seen");
    let ask = ["probe", "attention", DEMO, "What colour is the star?", "--json"];
    let said = json(quintet(ask).args(["--answer", "yellow", "--out", text(&out), "--top", "4"]));
    let tokens = said["tokens"].as_array().unwrap();
    assert!(tokens.iter().any(|token| token["token"].as_str().unwrap().contains("yellow")));
    let asked = said["question_tokens"].as_array().unwrap();
    assert_eq!(asked[0]["token"], "(question)");
    let words: String = asked[1..].iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert!(words.contains("star"), "{words}");
    for token in asked.iter().chain(tokens) {
        assert_eq!(token["patches"].as_array().unwrap().len(), 4);
        assert!(out.join(token["file"].as_str().unwrap()).is_file());
    }
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("What colour is the star?") && page.contains("data:image/png;base64,"));
    fails_with(
        quintet(ask).args(["--out", text(&out), "--layer", "99"]),
        &["there is no layer 99"],
    );
    let question = ["probe", "attention", "no.png", "What?", "--out", "x"];
    fails_with(&mut quintet(question), &["no.png: no such file"]);
}

#[test]
fn an_encoder_s_attention_becomes_a_page_and_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("seen");
    let look = ["probe", "encoder", DEMO, "--json", "--out", text(&out)];
    let said = json(quintet(look).args(["--at", "0,0", "--layer", "0", "--head", "1"]));
    let tokens = said["tokens"].as_array().unwrap();
    let names: Vec<_> = tokens.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!(names, ["all patches", "0,0"], "SigLIP has no class token");
    for token in tokens {
        assert!((token["to_picture"].as_f64().unwrap() - 1.0).abs() < 1e-4, "{token}");
        assert!(out.join(token["file"].as_str().unwrap()).is_file());
    }
    assert_ne!(tokens[0]["patches"], tokens[1]["patches"]);
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains(DEMO) && page.contains("data:image/png;base64,"));
    fails_with(quintet(look).args(["--head", "99"]), &["there is no head 99"]);
    fails_with(quintet(look).args(["--at", "5000,0"]), &["--at 5000,0", "the picture is"]);
    let refused = quintet(look).args(["--at", "here"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        said.contains("expected two numbers: X,Y") && refused.status.code() == Some(2),
        "{said}"
    );
}

#[test]
fn tags_are_weighed_inside_their_objects() {
    let dir = tempfile::tempdir().unwrap();
    let (marked, record) = (dir.path().join("marked.png"), dir.path().join("marks.json"));
    let boxes = dir.path().join("boxes.json");
    fs::write(
        &boxes,
        r#"{"unit": "shares", "boxes": [[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]]}"#,
    )
    .unwrap();
    let source = format!("boxes:{}", text(&boxes));
    let mark = ["som", "mark", DEMO, "--source", &source, "--out", text(&marked)];
    let record_args = ["--json", text(&record), "--masks"];
    assert!(quintet(mark).args(record_args).output().unwrap().status.success());
    let out = dir.path().join("seen");
    let ask = ["probe", "attention", text(&marked), "List the marks.", "--out", text(&out)];
    let said =
        json(quintet(ask).args(["--answer", "1. star, 2. dog", "--json", "--marks"]).arg(&record));
    let tags = said["tags"].as_array().unwrap();
    assert_eq!(tags.len(), 2);
    for tag in tags {
        assert!((tag["area"].as_f64().unwrap() - 0.25).abs() < 0.02, "{tag}");
        assert!((0.0..=1.0).contains(&tag["inside"].as_f64().unwrap()), "{tag}");
    }
    let mut silent = quintet(ask);
    silent.args(["--answer", "a star", "--marks"]).arg(&record);
    fails_with(&mut silent, &["the answer names no tag"]);
}
