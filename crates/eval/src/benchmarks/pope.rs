//! POPE: is there such an object in the picture? (Li et al., *Evaluating Object Hallucination in
//! Large Vision-Language Models*, EMNLP 2023).
//!
//! Official: `evaluate.py` of AoiDragon/POPE. Harness: lmms-eval 0.7.3, `tasks/pope`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use quintet_data::scene::tasks::Negative;
use serde_json::Value;

use super::{
    Answers, Benchmark, Item, Judge, Mode, Outcome,
    files::{self, field},
    python,
};
use crate::{Result, metrics::Confusion};

/// What lmms-eval adds to a question.
const SHORTLY: &str = "\nAnswer the question using a single word or phrase.";

/// POPE, of any data set it was built from.
pub struct Pope;

impl Benchmark for Pope {
    fn name(&self) -> &'static str {
        "pope"
    }

    fn rule(&self, mode: Mode) -> &'static str {
        mode.of("POPE's evaluate.py", "lmms-eval 0.7.3, tasks pope_full and pope")
    }

    fn differences(&self) -> &'static [&'static str] {
        &[
            "lmms-eval adds \"Answer the question using a single word or phrase.\" to the question",
            "lmms-eval leaves answers that are neither yes nor no out of recall and F1",
            "lmms-eval's yes ratio is that of the right answers, not of the model's",
            "lmms-eval's task pope scores all splits as one (here all.*)",
        ]
    }

    /// A folder with one `*_pope_SPLIT.json` of JSON lines `{"question_id", "image", "text",
    /// "label"}` for some or all splits, or one such file. Pictures: `val2014` beside them.
    fn read(&self, path: &Path, images: Option<&Path>, mode: Mode) -> Result<Vec<Item>> {
        let files = if path.is_dir() { question_files(path)? } else { vec![path.to_owned()] };
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        let images = images.map_or_else(|| folder.join("val2014"), Path::to_owned);
        let mut items = Vec::new();
        for file in files {
            let split = split_of(&file).ok_or_else(|| {
                let reason = "expected a name that ends in pope_random.json, pope_popular.json or \
                              pope_adversarial.json";
                files::malformed(&file, reason)
            })?;
            let rows = files::json_lines(&file, |row| {
                let question = field(row, &["text"])?;
                let id = field(row, &["question_id"])?;
                let truth = field(row, &["label"])?;
                if !matches!(truth.as_str(), "yes" | "no") {
                    return Err(format!("\"label\" is {truth:?}; expected yes or no"));
                }
                let prompt = mode.of(question.clone(), question.trim().to_owned() + SHORTLY);
                Ok(Item {
                    id: format!("{split}/{id}"),
                    image: files::below(&images, &field(row, &["image"])?)?,
                    prompt,
                    question,
                    group: split.to_owned(),
                    truth,
                    options: Vec::new(),
                    context: String::new(),
                })
            })?;
            files::distinct(&file, rows.iter().map(|item| item.id.as_str()))?;
            items.extend(rows);
        }
        Ok(items)
    }

    /// Also a folder with one file of answers for every split, with the split in its name, or one
    /// such file: JSON lines `{"question", "answer"}` in the order of the questions, as POPE has
    /// them.
    fn read_answers(&self, items: &[Item], path: &Path) -> Result<Answers> {
        let paths: Vec<PathBuf> = match path.is_dir() {
            true => files::names(path)?.iter().map(|name| path.join(name)).collect(),
            false => vec![path.to_owned()],
        };
        let mut answers = Answers::default();
        for path in paths {
            let text = files::text(&path)?;
            let first = text.lines().next().and_then(|line| files::row(line).ok());
            let named = first.is_none_or(|row| row.contains_key("id"));
            answers.extend(match split_of(&path) {
                Some(split) if !named => in_order(items, split, &path, &text)?,
                _ => super::answers::read(items, &path)?,
            });
        }
        Ok(answers)
    }

    /// Accuracy, precision, recall, F1 and yes ratio of each split and their means over the
    /// splits. Where a script would divide by zero, 0.
    fn score(
        &self,
        items: &[Item],
        answers: &Answers,
        mode: Mode,
        _: Option<&dyn Judge>,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::new(self, mode, items.len());
        let mut splits = BTreeMap::<&str, Confusion>::new();
        let mut all = Confusion::default();
        for (item, text) in answers.texts(items)? {
            let said = [official(text), harness(text)];
            let read = mode.of(said[0], said[1]);
            if read.is_none() {
                outcome.unreadable.push(item.id.clone());
            }
            if said[0] != said[1] {
                let words = said.map(|said| word(said).to_owned());
                outcome.disagree(item, text, words, reason(said));
            }
            splits.entry(&item.group).or_default().add(item.truth == "yes", read);
            all.add(item.truth == "yes", read);
        }
        let mut means = BTreeMap::<_, f64>::new();
        for (split, counts) in &splits {
            for (name, value) in numbers(counts, mode) {
                outcome.set(format!("{split}.{name}"), value);
                *means.entry(name).or_default() += value / splits.len() as f64;
            }
        }
        means.into_iter().for_each(|(name, mean)| outcome.set(format!("mean.{name}"), mean));
        if mode == Mode::Harness {
            let pooled = numbers(&all, mode).into_iter();
            pooled.for_each(|(name, value)| outcome.set(format!("all.{name}"), value));
        }
        Ok(outcome)
    }
}

/// The five numbers as the mode's program counts them.
fn numbers(counts: &Confusion, mode: Mode) -> [(&'static str, f64); 5] {
    let positives = counts.true_positive + counts.false_negative + counts.unclear_positive;
    // What lmms-eval cannot read is in its accuracy only.
    let clear = Confusion { unclear_positive: 0, unclear_negative: 0, ..*counts };
    // There is no score of no questions.
    let truly = positives as f64 / counts.total() as f64;
    [
        ("accuracy", counts.accuracy()),
        ("precision", clear.precision()),
        ("recall", clear.recall()),
        ("f1", clear.f1()),
        ("yes_ratio", mode.of(counts.yes_ratio(), truly)),
    ]
}

/// The first sentence without commas says no if "No", "not" or "no" is a word of it, and otherwise
/// yes. Only spaces part words.
fn official(text: &str) -> Option<bool> {
    let sentence = text.split('.').next().unwrap_or_default().replace(',', "");
    Some(!sentence.split(' ').any(|word| matches!(word, "No" | "not" | "no")))
}

/// Nothing but yes or no, in any case.
fn harness(text: &str) -> Option<bool> {
    match python::strip(&text.to_lowercase()) {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn word(said: Option<bool>) -> &'static str {
    match said {
        Some(true) => "yes",
        Some(false) => "no",
        None => "neither",
    }
}

fn reason(said: [Option<bool>; 2]) -> &'static str {
    match said {
        [Some(false), _] => {
            "its first sentence has the word No, no or not; lmms-eval takes a bare yes or no only"
        }
        [_, None] => {
            "its first sentence has no word No, no or not, and all else is yes; lmms-eval takes a \
             bare yes or no only"
        }
        _ => "the script knows No, no and not between spaces only; lmms-eval ignores case",
    }
}

/// Answers to the questions of a split, one by one.
fn in_order(items: &[Item], split: &str, path: &Path, text: &str) -> Result<Answers> {
    let mut asked = items.iter().filter(|item| item.group == split);
    let rows = files::lines(path, text, |line| {
        let row = files::row(line)?;
        let item = asked.next().ok_or("more answers than questions")?;
        let question = row.get("question").and_then(Value::as_str);
        if question.is_some_and(|question| !question.eq_ignore_ascii_case(&item.question)) {
            return Err(format!(
                "the answer is not to {:?}: expected answers in the order of the questions",
                item.question
            ));
        }
        Ok((item.id.clone(), field(&row, &["answer", "text"])?))
    })?;
    Ok(rows.into_iter().collect())
}

/// The files of questions in a folder, one for each split that is there.
fn question_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let names = files::names(folder)?;
    let mut found = Vec::new();
    for split in Negative::ALL.map(Negative::key) {
        let mut of_split = names.iter().filter(|name| {
            name.ends_with(&format!("pope_{split}.json"))
                || name.ends_with(&format!("pope_{split}.jsonl"))
        });
        found.extend(of_split.next().map(|name| folder.join(name)));
        if let Some(second) = of_split.next() {
            return Err(files::malformed(
                &folder.join(second),
                format!("a second file of the split {split}; expected the files of one data set"),
            ));
        }
    }
    match found.is_empty() {
        true => Err(files::malformed(folder, "no file *_pope_random.json or of another split")),
        false => Ok(found),
    }
}

/// The split in a file's name.
fn split_of(path: &Path) -> Option<&'static str> {
    let name = path.file_stem()?.to_str()?;
    Negative::ALL.map(Negative::key).into_iter().find(|split| name.contains(split))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_mode_reads() {
        let (yes, no) = (Some(true), Some(false));
        for (text, ours, theirs) in [
            ("Yes", yes, yes),
            ("yes\n", yes, yes),
            ("No", no, no),
            (" no", no, no),
            ("NO", yes, no),
            ("no\n", yes, no),
            ("Yes, there is.", yes, None),
            ("No, there is not.", no, None),
            ("Yes. There is no doubt.", yes, None),
            ("I'm not sure", no, None),
            ("Not really", yes, None),
            ("There isn't", yes, None),
            ("nothing", yes, None),
            ("", yes, None),
            (".no", yes, None),
        ] {
            assert_eq!((official(text), harness(text)), (ours, theirs), "{text:?}");
        }
    }

    #[test]
    fn files_that_are_not_popes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            Pope.read(&dir.path().join(name), None, Mode::Official).unwrap_err().to_string()
        };
        let good = r#"{"question_id": 1, "image": "a.jpg", "text": "Is it?", "label": "yes"}"#;
        assert!(read("pope.json", good).contains("expected a name that ends in pope_random.json"));
        let name = "coco_pope_random.json";
        assert!(read(name, &good.replace("yes", "Yes")).contains("row 0: \"label\" is \"Yes\""));
        assert!(read(name, &good.replace("a.jpg", "../a.jpg")).contains("row 0: \"../a.jpg\""));
        assert!(read(name, &format!("{good}\n{good}\n")).contains("two rows of \"random/1\""));
        assert!(Pope.read(dir.path(), None, Mode::Official).is_err());
        std::fs::write(dir.path().join("gqa_pope_random.json"), good).unwrap();
        let error = Pope.read(dir.path(), None, Mode::Official).unwrap_err().to_string();
        assert!(error.contains("a second file of the split random"), "{error}");
    }

    #[test]
    fn answers_in_another_order_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (questions, said) =
            (dir.path().join("a_pope_popular.json"), dir.path().join("popular.json"));
        let row = |id, text| {
            format!(
                "{{\"question_id\": {id}, \"image\": \"a\", \"text\": {text:?}, \"label\": \"no\"}}\n"
            )
        };
        std::fs::write(&questions, row(1, "Is it a dog?") + &row(2, "Is it a cat?")).unwrap();
        let items = Pope.read(&questions, None, Mode::Official).unwrap();
        let answer = |question| format!("{{\"question\": {question:?}, \"answer\": \"no\"}}\n");
        std::fs::write(&said, answer("is it a dog?") + &answer("is it a cat?")).unwrap();
        let answers = Pope.read_answers(&items, &said).unwrap();
        let outcome = Pope.score(&items, &answers, Mode::Official, None).unwrap();
        assert_eq!(outcome.scores["mean.accuracy"], 1.0);
        std::fs::write(&said, answer("is it a cat?")).unwrap();
        let error = Pope.read_answers(&items, &said).unwrap_err().to_string();
        assert!(error.contains("popular.json, row 0: the answer is not to"), "{error}");
    }
}
