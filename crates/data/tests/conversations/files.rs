//! JSON datasets, whole and broken.

use std::path::Path;

use quintet_data::{
    formats::{self, Dataset, OpenOptions, llava},
    sample::{Media, Part, Role},
};

fn open(text: &str, name: &str) -> (tempfile::TempDir, quintet_data::Result<Box<dyn Dataset>>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    let dataset = formats::open(&path, OpenOptions::default());
    (dir, dataset)
}

const LLAVA: &str = r#"[
 {"id": "a", "image": "coco/1.jpg", "conversations": [
   {"from": "human", "value": "<image>\nWhat is \"it\"? }]"}, {"from": "gpt", "value": "A cat."}]},
 {"id": 2, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
 {"image": ["1.jpg", "2.jpg"], "conversations": [
   {"from": "system", "value": "Be brief."},
   {"from": "human", "value": "<image>\n<image>\nSame?"}, {"from": "gpt", "value": "No."}]}
]"#;

#[test]
fn llava_json_is_read() {
    let (dir, dataset) = open(LLAVA, "llava.json");
    let dataset = dataset.unwrap();
    assert_eq!((dataset.len(), dataset.name()), (3, "llava.json"));
    let first = dataset.get(0).unwrap();
    assert_eq!(first.id, "a");
    assert_eq!(first.messages[0].content[0], Part::Image);
    assert_eq!(first.messages[0].content[1], Part::Text("What is \"it\"? }]".into()));
    assert!(matches!(&first.media[0], Media::File(p) if *p == dir.path().join("coco/1.jpg")));
    assert_eq!(dataset.get(1).unwrap().id, "2");
    let third = dataset.get(2).unwrap();
    assert_eq!((third.id.as_str(), third.media.len()), ("2", 2));
    assert_eq!(third.messages[0].role, Role::System);
    assert!(dataset.get(3).unwrap_err().to_string().contains("row 3"));
}

#[test]
fn message_lines_are_read() {
    let lines = r#"{"messages": [{"role": "user", "content": "<image>What?"}, {"role": "assistant", "content": "A dog"}], "images": ["x.png"]}

{"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Hm"}]}], "images": [{"path": "y.png"}]}
"#;
    let (dir, dataset) = open(lines, "rows.jsonl");
    let dataset = dataset.unwrap();
    assert_eq!(dataset.len(), 2);
    assert_eq!(dataset.get(0).unwrap().messages[1].role, Role::Assistant);
    let second = dataset.get(1).unwrap();
    assert_eq!(second.messages[0].content, [Part::Image, Part::Text("Hm".into())]);
    assert!(matches!(&second.media[0], Media::File(p) if *p == dir.path().join("y.png")));
}

#[test]
fn written_llava_json_reads_back() {
    let (dir, dataset) = open(LLAVA, "llava.json");
    let dataset = dataset.unwrap();
    let samples: Vec<_> = (0..3).map(|i| dataset.get(i).unwrap()).collect();
    let path = dir.path().join("out/copy.json");
    llava::write(&path, &samples, dir.path()).unwrap();
    let options = OpenOptions { media_root: Some(dir.path().to_owned()), ..OpenOptions::default() };
    let copy = formats::open(&path, options).unwrap();
    assert_eq!(copy.len(), 3);
    for (i, sample) in samples.iter().enumerate() {
        assert_eq!(format!("{:?}", copy.get(i).unwrap()), format!("{sample:?}"));
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json[0]["image"], "coco/1.jpg");
    assert_eq!(json[2]["conversations"][1]["value"], "<image>\n<image>\nSame?");
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.json");
    std::fs::write(&path, "old").unwrap();
    let sample = quintet_data::sample::Sample {
        media: vec![Media::Bytes(vec![1].into())],
        ..Default::default()
    };
    let error = llava::write(&path, [&sample], Path::new("")).unwrap_err().to_string();
    assert!(error.contains("row 0"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn malformed_rows_are_named() {
    let turns = r#""conversations": [{"from": "human", "value": "<image>\nq"}]"#;
    let row = |row: &str| format!("[{{{turns}, \"image\": \"1.jpg\"}}, {row}]");
    let cases = [
        (row(r#"{"id": nonsense}"#), "row 1: malformed JSON"),
        (row(&format!("{{{turns}}}")), "row 1: 1 placeholders (<image> or <video>) for 0 media"),
        (
            row(r#"{"image": ["a", "b"], "conversations": [{"from": "gpt", "value": "<image>"}]}"#),
            "row 1: 1 placeholders (<image> or <video>) for 2 media",
        ),
        (row(r#"{"image": "a"}"#), "row 1: no conversation"),
        (row(r#"{"conversations": []}"#), "row 1: the conversation is empty"),
        (
            row(r#"{"conversations": [{"from": "alien", "value": ""}]}"#),
            "row 1: turn 0: unknown speaker \"alien\"",
        ),
        (row(r#"{"conversations": [{"from": "gpt"}]}"#), "row 1: turn 0: no text"),
        (
            row(r#"{"image": 3, "conversations": [{"from": "gpt", "value": ""}]}"#),
            "row 1: field \"image\"",
        ),
    ];
    for (text, expected) in cases {
        let (_dir, dataset) = open(&text, "rows.json");
        let dataset = dataset.unwrap();
        assert!(dataset.get(0).is_ok());
        let error = dataset.get(1).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn files_that_are_cut_off_or_something_else_are_refused() {
    let cases = [
        (&LLAVA[..LLAVA.len() - 20], "row 2: the file ends inside this row"),
        (&LLAVA[..LLAVA.len() - 2], "row 3: the file ends before its closing bracket"),
        ("[{}, 5]", "row 1: malformed JSON: '5'"),
        ("", "not a dataset"),
        ("hello", "not a dataset"),
        (r#"{"info": {}, "images": [], "annotations": []}"#, "COCO"),
    ];
    for (text, expected) in cases {
        let (_dir, dataset) = open(text, "rows.json");
        let error = dataset.err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
