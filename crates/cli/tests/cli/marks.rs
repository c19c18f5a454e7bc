//! `som mark`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use image::{Rgb, RgbImage};
use serde_json::{Value, json};

use crate::program::{fails_with, json, quintet, succeeds, text};

/// Built scenes: pictures and their annotations.
struct Scenes {
    dir: tempfile::TempDir,
}

impl Scenes {
    fn new(count: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("scenes");
        succeeds(&mut quintet(["data", "scenes", "--bundled", "-n", count, "--out", text(&out)]));
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn pictures(&self) -> PathBuf {
        self.path("scenes/images")
    }

    /// Arguments that mark all pictures into a folder.
    fn mark(&self, out: &str) -> Vec<String> {
        let source = format!("coco:{}", text(&self.path("scenes/annotations.json")));
        let (pictures, out) = (self.pictures(), self.path(out));
        let args = ["som", "mark", text(&pictures), "--source", &source, "--out", text(&out)];
        args.map(str::to_owned).to_vec()
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A picture of one colour.
fn plain(dir: &Path, name: &str, width: u32, height: u32) -> PathBuf {
    let path = dir.join(name);
    RgbImage::from_pixel(width, height, Rgb([90, 140, 90])).save(&path).unwrap();
    path
}

#[test]
fn a_folder_is_marked_with_its_annotations_the_same_each_time() {
    let scenes = Scenes::new("5");
    let json = scenes.path("json");
    let told = succeeds(quintet(scenes.mark("out")).args(["--json", text(&json), "--masks"]));
    assert_eq!(told.trim(), format!("5 marked in {}", text(&scenes.path("out"))));
    let coco = read(&scenes.path("scenes/annotations.json"));
    for i in 0..5 {
        let name = format!("{i:06}.png");
        let record = read(&json.join(format!("{i:06}.json")));
        let marks = record["marks"].as_array().unwrap();
        let objects = coco["annotations"].as_array().unwrap().iter();
        assert_eq!(marks.len(), objects.filter(|a| a["image_id"] == i).count());
        assert_eq!((&record["unit"], &record["width"]), (&json!("pixels"), &json!(160)));
        for (n, mark) in marks.iter().enumerate() {
            assert_eq!(mark["tag"], (n + 1).to_string());
            assert!(mark["name"].is_string() && mark["source"] == "coco");
            assert_eq!(mark["mask"]["size"], json!([160, 160]));
        }
        let marked = image::open(scenes.path("out").join(&name)).unwrap().into_rgb8();
        let before = image::open(scenes.pictures().join(&name)).unwrap().into_rgb8();
        assert_eq!(marked.dimensions(), before.dimensions());
        assert_eq!(marked == before, marks.is_empty());
    }
    succeeds(&mut quintet(scenes.mark("again")));
    for entry in fs::read_dir(scenes.path("again")).unwrap() {
        let again = entry.unwrap();
        let first = scenes.path("out").join(again.file_name());
        assert!(fs::read(again.path()).unwrap() == fs::read(first).unwrap());
    }
}

#[test]
fn options_and_presets_are_recorded() {
    let scenes = Scenes::new("1");
    let (picture, json) = (scenes.pictures().join("000000.png"), scenes.path("marks.json"));
    let mut args = scenes.mark("marked.jpg");
    args[2] = text(&picture).to_owned();
    let more = [
        "--preset",
        "som-llava",
        "--min-area",
        "40",
        "--labels",
        "letter",
        "--draw",
        "box,mark",
        "--colours",
        "#ff0000,00ff00",
        "--json",
        text(&json),
    ];
    let told = succeeds(quintet(args).args(more));
    assert_eq!(told.trim(), text(&scenes.path("marked.jpg")));
    let record = read(&json);
    let options = &record["options"];
    assert_eq!(options["order"], "area-ascending");
    assert_eq!(options["placement"], "som");
    assert_eq!(options["min_area"], 40);
    assert_eq!(options["draw"], json!(["box", "mark"]));
    assert_eq!(options["colours"], json!(["#ff0000", "#00ff00"]));
    assert_eq!((&record["picture"], &record["marks"][0]["tag"]), (&json!(picture), &json!("a")));
    assert_eq!(record["marks"][0]["colour"], "#ff0000");
}

#[test]
fn bad_files_are_told_and_the_others_marked_and_resumed() {
    let scenes = Scenes::new("3");
    let broken = scenes.pictures().join("000001.png");
    let whole = fs::read(&broken).unwrap();
    fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let Output { status, stdout, stderr } = quintet(scenes.mark("out")).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), stdout.len()), (Some(1), 0), "{said}");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with("error: ") && lines[0].contains("000001.png"), "{said}");
    assert_eq!(lines[1], "error: of 3 pictures 2 marked, 1 failed");
    assert!(scenes.path("out/000002.png").is_file() && !scenes.path("out/000001.png").exists());

    fs::write(&broken, &whole).unwrap();
    let told = succeeds(quintet(scenes.mark("out")).arg("--resume"));
    assert!(told.starts_with("1 marked, 2 there already in "), "{told}");
    let told = succeeds(quintet(scenes.mark("out")).arg("--resume"));
    assert!(told.starts_with("0 marked, 3 there already in "), "{told}");
    // With a record asked for that is not there, none is done.
    let records = scenes.path("records");
    let told = succeeds(quintet(scenes.mark("out")).args(["--resume", "--json", text(&records)]));
    assert!(told.starts_with("3 marked in "), "{told}");
}

#[test]
fn boxes_say_their_unit() {
    let dir = tempfile::tempdir().unwrap();
    let picture = plain(dir.path(), "a.png", 200, 100);
    let (boxes, out, json) =
        (dir.path().join("boxes.json"), dir.path().join("m.png"), dir.path().join("m.json"));
    let source = format!("boxes:{}", text(&boxes));
    let args = [
        "som",
        "mark",
        text(&picture),
        "--source",
        &source,
        "--out",
        text(&out),
        "--json",
        text(&json),
    ];
    fs::write(&boxes, "[[0.1, 0.2, 0.6, 0.8]]").unwrap();
    fails_with(&mut quintet(args), &["boxes.json", "does not say in what its boxes count"]);
    succeeds(quintet(args).args(["--unit", "shares"]));
    assert_eq!(read(&json)["marks"][0]["box"], json!([20, 20, 120, 80]));

    fs::write(
        &boxes,
        json!({ "unit": "pixels", "boxes": [[5, 5, 5, 9], [5, 5, 90, 60]] }).to_string(),
    )
    .unwrap();
    let Output { status, stderr, .. } = quintet(args).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(status.success() && said.contains("box 0 cannot be marked"), "{said}");
    let record = read(&json);
    assert_eq!(record["marks"].as_array().unwrap().len(), 1);
    assert_eq!(record["skipped"][0]["what"], "box 0");
}

#[test]
fn elements_of_a_page_are_marked_by_role_and_name() {
    let dir = tempfile::tempdir().unwrap();
    let picture = plain(dir.path(), "a.png", 200, 100);
    let path = |name: &str| dir.path().join(name);
    let (page, out, record) = (path("page.json"), path("m.png"), path("m.json"));
    let file = json!({ "pictures": { "a.png": { "device_pixel_ratio": 2, "elements": [
        { "role": "link", "name": "Home", "box": [5, 5, 30, 20] },
        { "role": "button", "name": " Sign\n in ", "box": [5, 5, 30, 20] },
        { "role": "textbox", "name": "", "box": { "x": 50, "y": 20, "width": 45, "height": 20.2 } },
        { "role": "button", "name": "Hidden", "box": null },
    ] } } });
    fs::write(&page, file.to_string()).unwrap();
    let source = format!("page:{}", text(&page));
    let args = ["som", "mark", text(&picture), "--source", &source, "--out", text(&out)];
    let Output { status, stderr, .. } =
        quintet(args).args(["--json", text(&record)]).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{said}");
    assert!(said.contains("element 0 cannot be marked: element 1 has the same box"), "{said}");
    let record = read(&record);
    let marks = record["marks"].as_array().unwrap().iter();
    let marks: Vec<_> = marks.map(|m| json!([m["source"], m["name"], m["box"]])).collect();
    let expected = [
        json!(["page", "textbox", [100, 40, 190, 80]]),
        json!(["page", "button \"Sign in\"", [10, 10, 70, 50]]),
    ];
    assert_eq!(marks, expected);
    assert_eq!(record["skipped"][1], json!({ "what": "element 3", "reason": "it is not shown" }));

    fs::write(&page, r#"{"elements": [{"role": "button"}]}"#).unwrap();
    fails_with(&mut quintet(args), &["page.json", "element 0", "missing field `box`"]);
}

#[test]
fn what_cannot_be_done_is_said_before_work_begins() {
    let dir = tempfile::tempdir().unwrap();
    let picture = plain(dir.path(), "a.png", 60, 40);
    let boxes = dir.path().join("boxes.json");
    fs::write(&boxes, json!({ "unit": "pixels", "boxes": [[5, 5, 30, 30]] }).to_string()).unwrap();
    let source = format!("boxes:{}", text(&boxes));
    let mark = |picture: &Path, out: &Path, more: &[&str]| {
        let args = ["som", "mark", text(picture), "--source", &source, "--out", text(out)];
        let mut command = quintet(args);
        command.args(more);
        command
    };
    let usage = |mut command: std::process::Command, part: &str| {
        let Output { status, stderr, .. } = command.output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(said.contains(part), "{said}");
    };
    let out = dir.path().join("out");
    usage(mark(&picture, &picture, &[]), "take the place of an original");
    usage(mark(dir.path(), &dir.path().join("m.png"), &[]), "name a folder");
    usage(mark(&picture, &out, &["--order", "size"]), "area-descending");
    usage(mark(&picture, &out, &["--colours", "red"]), "expected #rrggbb");
    usage(mark(&picture, &out, &["--masks"]), "--json");
    fails_with(&mut mark(&picture, &out, &["--alpha", "2"]), &["alpha: 2 is no opacity"]);
    fails_with(&mut mark(&picture, &out, &["--font", text(&boxes)]), &["no font that can be read"]);
    fails_with(&mut mark(&dir.path().join("none"), &out, &[]), &["no such file or folder"]);
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    fails_with(&mut mark(&empty, &out, &[]), &["empty: no pictures in this folder"]);
    assert!(!out.exists());
    let pixel = plain(dir.path(), "pixel.png", 1, 1);
    fs::write(&boxes, json!({ "unit": "shares", "boxes": [[0, 0, 1, 1]] }).to_string()).unwrap();
    fails_with(&mut mark(&pixel, &out, &[]), &["have no room in a picture of 1 × 1"]);
}

#[test]
fn without_a_source_segment_anything_finds_the_regions() {
    let dir = tempfile::tempdir().unwrap();
    let (out, json) = (dir.path().join("m.png"), dir.path().join("m.json"));
    let mark = |model: &str, more: &[&str]| {
        let args = ["som", "mark", "assets/demo.png", "--model", model, "--points", "3"];
        let mut command = quintet(args);
        command.args(["--out", text(&out), "--json", text(&json)]).args(more);
        command
    };
    // The model is random: it is sure of nothing, and finds something.
    succeeds(&mut mark("golden/sam/plain", &["--min-score", "0", "--min-stability", "0"]));
    let record = read(&json);
    let marks = record["marks"].as_array().unwrap();
    assert!(!marks.is_empty());
    assert!(marks.iter().all(|mark| mark["source"] == "sam" && mark["score"].is_number()));
    // A hole of the picture's size is any.
    let whole = ["--min-score", "0", "--min-stability", "0", "--min-region", "230400"];
    succeeds(&mut mark("golden/sam/plain", &whole));
    assert!(marks.iter().all(|mark| mark["area"].as_u64().unwrap() < 480 * 480));
    assert_eq!(read(&json)["marks"][0]["area"], 480 * 480);
    fails_with(&mut mark("golden/sam/plain", &["--crops", "9"]), &["crop_layers is 9"]);
    fails_with(&mut mark("golden/sam/plain", &["--min-score", "7"]), &["min_score is 7"]);
    fails_with(&mut mark("no-such-model", &[]), &["no-such-model"]);
    fails_with(&mut mark("checkpoints/mini", &[]), &["cannot load model checkpoints/mini"]);
}

#[test]
fn pictures_with_tags_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (probe, sheet) = (dir.path().join("tags.safetensors"), dir.path().join("top.png"));
    let fit = ["som", "tagged", "fit", "--bundled", "--scenes", "160", "--json", "--out"];
    let fitted = json(quintet(fit).arg(&probe));
    assert_eq!((&fitted["fitted"], &fitted["held"]["n"]), (&json!(128), &json!(32)));

    let few = ["som", "tagged", "fit", "--bundled", "--scenes", "4", "--out", "unfit.safetensors"];
    fails_with(quintet(few).current_dir(dir.path()), &["too few pictures"]);
    assert!(!dir.path().join("unfit.safetensors").exists());

    let (scenes, marked) = (dir.path().join("scenes"), dir.path().join("marked"));
    succeeds(&mut quintet(["data", "scenes", "--bundled", "-n", "6", "--out", text(&scenes)]));
    let (images, annotations) = (scenes.join("images"), scenes.join("annotations.json"));
    let source = format!("coco:{}", text(&annotations));
    let mark = ["som", "mark", text(&images), "--source", &source, "--out", text(&marked)];
    assert!(quintet(mark).output().unwrap().status.success());
    let find = ["som", "tagged", "find", text(&images), text(&marked), "--probe", text(&probe)];
    let found = json(quintet(find).args(["--json", "--sheet", text(&sheet)]));
    let ranked = found["pictures"].as_array().unwrap();
    assert_eq!(ranked.len(), 12);
    assert!(ranked.windows(2).all(|pair| pair[0]["chance"].as_f64() >= pair[1]["chance"].as_f64()));
    let sheet = image::open(sheet).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (8 * 160, 2 * 160));
    fs::write(images.join("broken.png"), "no picture").unwrap();
    let told = quintet(find).output().unwrap();
    let said = String::from_utf8(told.stderr).unwrap();
    assert!(told.status.code() == Some(1) && said.contains("broken.png"), "{said}");
    assert_eq!(String::from_utf8(told.stdout).unwrap().lines().count(), 12);
    fails_with(
        &mut quintet(["som", "tagged", "find", "assets", "--probe", "nowhere"]),
        &["nowhere"],
    );
}
