//! Scores of public benchmarks against public programs (`golden/benchmarks/make.py`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Mutex,
};

use quintet_eval::{
    Result,
    benchmarks::{self, BENCHMARKS, Benchmark, Judge, JudgePrompt, Mode, Outcome, RecordedReplies},
};
use serde_json::Value;

fn golden() -> PathBuf {
    match std::env::var_os("QUINTET_GOLDEN") {
        Some(root) => PathBuf::from(root).join("benchmarks"),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/benchmarks"),
    }
}

fn expected(benchmark: &str) -> Value {
    let text = std::fs::read_to_string(golden().join("expected.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()[benchmark].take()
}

/// Questions, answers and, for free answers, the judge's replies.
fn files(benchmark: &str) -> (&'static str, &'static str, Option<&'static str>) {
    match benchmark {
        "pope" => ("pope", "pope/answers", None),
        "mme" => ("mme/questions", "mme/results", None),
        "seed-bench" => ("seed", "seed/answers.jsonl", None),
        "llava-bench" => ("llava", "llava/answers.jsonl", Some("llava/replies.jsonl")),
        "mm-vet" => ("mm_vet", "mm_vet/results.json", Some("mm_vet/replies.jsonl")),
        other => panic!("no files of {other}"),
    }
}

/// Keeps the digests of what it is asked.
struct Noting<'a>(RecordedReplies<'a>, Mutex<Vec<String>>);

impl Judge for Noting<'_> {
    fn judge(&self, prompt: &JudgePrompt) -> Result<String> {
        self.1.lock().unwrap().push(prompt.digest());
        self.0.judge(prompt)
    }
}

fn score(benchmark: &dyn Benchmark, answers: &str, mode: Mode) -> (Outcome, Vec<String>) {
    let (questions, _, replies) = files(benchmark.name());
    let items = benchmark.read(&golden().join(questions), None, mode).unwrap();
    let answers = benchmark.read_answers(&items, &golden().join(answers)).unwrap();
    let Some(replies) = replies else {
        return (benchmark.score(&items, &answers, mode, None).unwrap(), Vec::new());
    };
    let replies = RecordedReplies::open(&golden().join(replies), None).unwrap();
    let judge = Noting(replies, Mutex::default());
    let outcome = benchmark.score(&items, &answers, mode, Some(&judge)).unwrap();
    (outcome, judge.1.into_inner().unwrap())
}

fn assert_same(outcome: &Outcome, expected: &Value) {
    let Outcome { benchmark, mode, scores, .. } = outcome;
    let expected: BTreeMap<String, f64> = serde_json::from_value(expected.clone()).unwrap();
    for (name, value) in &expected {
        let ours = scores.get(name).unwrap_or_else(|| panic!("{benchmark}, {mode}: no {name}"));
        assert!((ours - value).abs() < 1e-9, "{benchmark}, {mode}, {name}: {ours}, not {value}");
    }
    if *mode == Mode::Official {
        assert_eq!(expected.len(), scores.len(), "{benchmark}: {scores:?}");
    }
}

fn different(outcome: &Outcome) -> BTreeSet<&str> {
    outcome.disagreements.iter().map(|entry| entry.id.as_str()).collect()
}

fn set(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect()
}

#[test]
fn scores_are_those_of_the_reference() {
    for benchmark in BENCHMARKS {
        let expected = expected(benchmark.name());
        for mode in Mode::ALL {
            let (outcome, _) = score(*benchmark, files(benchmark.name()).1, mode);
            assert_same(&outcome, &expected["scores"][mode.to_string()]);
            if let Some(unreadable) = expected["unreadable"].get(mode.to_string()) {
                let ours = outcome.unreadable.iter().map(String::as_str);
                assert_eq!(ours.collect::<BTreeSet<_>>(), set(unreadable));
            }
        }
    }
}

#[test]
fn disagreements_are_those_of_the_reference() {
    for benchmark in BENCHMARKS {
        let expected = expected(benchmark.name());
        let expected = set(&expected["different"]);
        assert!(!expected.is_empty());
        for mode in Mode::ALL {
            let (outcome, _) = score(*benchmark, files(benchmark.name()).1, mode);
            assert!(outcome.disagreements.iter().all(|entry| entry.official != entry.harness));
            // Four replies without a grade do not say what a fifth would have been.
            match (benchmark.name(), mode) {
                ("mm-vet", Mode::Harness) => assert!(different(&outcome).is_subset(&expected)),
                (name, _) => assert_eq!(different(&outcome), expected, "{name}, {mode}"),
            }
        }
    }
}

#[test]
fn models_and_judges_are_asked_in_the_programs_words() {
    for benchmark in BENCHMARKS {
        let expected = expected(benchmark.name());
        for mode in Mode::ALL {
            if let Some(first) = expected["first_prompt"].get(mode.to_string()) {
                let (questions, ..) = files(benchmark.name());
                let items = benchmark.read(&golden().join(questions), None, mode).unwrap();
                assert_eq!(Value::from(items[0].prompt.as_str()), *first);
            }
            if let Some(asked) = expected["asked"].get(mode.to_string()) {
                let (_, ours) = score(*benchmark, files(benchmark.name()).1, mode);
                assert_eq!(Value::from(ours), *asked, "{}, {mode}", benchmark.name());
            }
        }
    }
}

#[test]
fn options_are_ranked_as_public_programs_do() {
    let expected = &expected("seed-bench")["options"];
    let seed = benchmarks::find("seed-bench").unwrap();
    for mode in Mode::ALL {
        let (outcome, _) = score(seed, "seed/options.jsonl", mode);
        assert_same(&outcome, &expected["scores"][mode.to_string()]);
        assert_eq!(different(&outcome), set(&expected["different"]));
    }
}

#[test]
fn reviews_of_the_official_script_serve_as_replies() {
    let llava = benchmarks::find("llava-bench").unwrap();
    let items = llava.read(&golden().join("llava"), None, Mode::Official).unwrap();
    let answers = llava.read_answers(&items, &golden().join("llava/answers.jsonl")).unwrap();
    let reviews = RecordedReplies::open(&golden().join("llava/reviews.jsonl"), None).unwrap();
    let outcome = llava.score(&items, &answers, Mode::Official, Some(&reviews)).unwrap();
    assert_same(&outcome, &expected("llava-bench")["scores"]["official"]);
}

#[test]
fn the_order_of_questions_does_not_matter() {
    for benchmark in BENCHMARKS.iter().filter(|benchmark| files(benchmark.name()).2.is_none()) {
        let (questions, answers, _) = files(benchmark.name());
        for mode in Mode::ALL {
            let mut items = benchmark.read(&golden().join(questions), None, mode).unwrap();
            let answers = benchmark.read_answers(&items, &golden().join(answers)).unwrap();
            let before = benchmark.score(&items, &answers, mode, None).unwrap();
            items.reverse();
            let after = benchmark.score(&items, &answers, mode, None).unwrap();
            for (name, value) in &before.scores {
                assert!((value - after.scores[name]).abs() < 1e-9, "{name}");
            }
        }
    }
}

#[test]
fn answers_by_id_score_as_the_official_layout_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("answers.jsonl");
    for benchmark in BENCHMARKS.iter().filter(|benchmark| files(benchmark.name()).2.is_none()) {
        let (questions, answers, _) = files(benchmark.name());
        let items = benchmark.read(&golden().join(questions), None, Mode::Official).unwrap();
        let official = benchmark.read_answers(&items, &golden().join(answers)).unwrap();
        let line = |item: &benchmarks::Item| match official.get(&item.id) {
            Some(benchmarks::Answer::Text(text)) => {
                serde_json::json!({"id": item.id, "answer": text}).to_string() + "\n"
            }
            other => panic!("{}: {other:?}", item.id),
        };
        std::fs::write(&path, items.iter().map(line).collect::<String>()).unwrap();
        assert_eq!(benchmark.read_answers(&items, &path).unwrap(), official);
    }
}

#[test]
fn the_table_shows_what_cannot_be_read_and_what_is_read_differently() {
    let llava = benchmarks::find("llava-bench").unwrap();
    let table = score(llava, "llava/answers.jsonl", Mode::Official).0.to_string();
    assert!(
        table.starts_with("llava-bench, official (LLaVA's eval_gpt_review_bench.py"),
        "{table}"
    );
    assert!(table.contains("\n9 cannot be read:\n  1\n"), "{table}");
    assert!(table.contains("\n7 are read differently in the other mode:\n"), "{table}");
    assert!(table.contains("  1 \"8, 9\": official no scores, harness 8 9 ("), "{table}");
}

/// Copies a folder of files.
fn copy(from: &Path, to: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let copied = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            files.extend(copy(&entry, &copied));
        } else {
            std::fs::copy(&entry, &copied).unwrap();
            files.push(copied);
        }
    }
    files
}

#[test]
fn files_cut_short_or_garbled_are_read_or_refused_but_nothing_breaks() {
    let dir = tempfile::tempdir().unwrap();
    let files_of_all = copy(&golden(), dir.path());
    let small = files_of_all.iter().filter(|path| !path.ends_with("make.py"));
    let mut refused = 0;
    for path in small {
        let whole = std::fs::read(path).unwrap();
        let benchmark = BENCHMARKS.iter().find(|benchmark| {
            let (questions, answers, _) = files(benchmark.name());
            path.starts_with(dir.path().join(questions))
                || path.starts_with(dir.path().join(answers))
        });
        let Some(benchmark) = benchmark else { continue };
        let (questions, answers, replies) = files(benchmark.name());
        for cut in [0, 1, whole.len() / 3, whole.len() - 2] {
            let mut garbled = whole.clone();
            garbled[cut] = b'\xff';
            for bytes in [&whole[..cut], &garbled] {
                std::fs::write(path, bytes).unwrap();
                let items = benchmark.read(&dir.path().join(questions), None, Mode::Official);
                refused += usize::from(items.is_err());
                let Ok(items) = items else { continue };
                let said = benchmark.read_answers(&items, &dir.path().join(answers));
                let judge = replies.map(|path| RecordedReplies::open(&dir.path().join(path), None));
                refused += usize::from(said.is_err() || judge.is_some_and(|judge| judge.is_err()));
            }
        }
        std::fs::write(path, whole).unwrap();
    }
    assert!(refused > 300, "{refused}");
}
