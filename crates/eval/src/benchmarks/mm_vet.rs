//! MM-Vet: 218 free answers that need one or more of six capabilities (Yu et al., *MM-Vet:
//! Evaluating Large Multimodal Models for Integrated Capabilities*, 2023).
//!
//! Official: MM-Vet's `mm-vet_evaluator.ipynb`. Harness: lmms-eval 0.7.3, `tasks/mmvet`.

mod grade;

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use self::grade::{Grade, grade};
use super::{Answers, Benchmark, Item, Judge, Mode, Outcome, files, python};
use crate::{Error, Result};

/// What lmms-eval puts before a question.
const STEP_BY_STEP: &str = "First please perform reasoning, and think step by step to provide best \
                            answer to the following question: \n\n";

/// Recognition, reading, knowledge, writing, space and arithmetic.
const CAPABILITIES: [&str; 6] = ["rec", "ocr", "know", "gen", "spat", "math"];

/// MM-Vet.
pub struct MmVet;

#[derive(Deserialize)]
struct Question {
    imagename: String,
    question: String,
    answer: String,
    capability: Vec<String>,
}

impl Benchmark for MmVet {
    fn name(&self) -> &'static str {
        "mm-vet"
    }

    fn rule(&self, mode: Mode) -> &'static str {
        mode.of("MM-Vet's mm-vet_evaluator.ipynb, one run", "lmms-eval 0.7.3, task mmvet")
    }

    fn needs_judge(&self) -> bool {
        true
    }

    fn differences(&self) -> &'static [&'static str] {
        &[
            "lmms-eval asks the model to \"think step by step\" before the question",
            "the judge is gpt-4-0613 with 3 tokens, in lmms-eval gpt-4o-2024-11-20 with 128",
            "the heading of the judge's table is \"Question\", in lmms-eval \"gpt_query_prompt\"",
            "after a reply without a grade the official script asks in other words, lmms-eval in \
             the same",
            "the official scores are rounded to one decimal",
        ]
    }

    /// `mm-vet.json`, or the folder it is in. Pictures: `images` beside it.
    fn read(&self, path: &Path, images: Option<&Path>, mode: Mode) -> Result<Vec<Item>> {
        let path = if path.is_dir() { path.join("mm-vet.json") } else { path.to_owned() };
        let folder = path.parent().unwrap_or(&path);
        let images = images.map_or_else(|| folder.join("images"), Path::to_owned);
        let rows: serde_json::Map<String, serde_json::Value> = files::json(&path)?;
        let item = |(id, row): (String, serde_json::Value)| {
            let fail = |reason| files::malformed(&path, format!("question {id:?}: {reason}"));
            let row: Question = serde_json::from_value(row).map_err(|e| fail(e.to_string()))?;
            if let Some(other) =
                row.capability.iter().find(|name| !CAPABILITIES.contains(&name.as_str()))
            {
                return Err(fail(format!(
                    "capability {other:?}; expected some of {CAPABILITIES:?}"
                )));
            }
            let needed = CAPABILITIES.into_iter();
            let needed = needed.filter(|name| row.capability.iter().any(|other| other == name));
            let group = needed.collect::<Vec<_>>().join("_");
            if group.is_empty() {
                return Err(fail("no capability".into()));
            }
            Ok(Item {
                image: files::below(&images, &row.imagename).map_err(fail)?,
                prompt: mode.of("", STEP_BY_STEP).to_owned() + &row.question,
                question: row.question,
                group,
                truth: row.answer,
                options: Vec::new(),
                context: String::new(),
                id,
            })
        };
        rows.into_iter().map(item).collect()
    }

    /// Mean grades in percent: of all (`total`), of those that need a capability (`rec`), and of
    /// those that need exactly these (`only.rec_ocr`). Answers whose grade cannot be read get 0.
    fn score(
        &self,
        items: &[Item],
        answers: &Answers,
        mode: Mode,
        judge: Option<&dyn Judge>,
    ) -> Result<Outcome> {
        let judge = judge.ok_or_else(|| Error::Settings("MM-Vet needs a judge".into()))?;
        let mut outcome = Outcome::new(self, mode, items.len());
        let mut sums = BTreeMap::<String, (f64, usize)>::new();
        for (item, text) in answers.texts(items)? {
            let Grade { score, readable, replies } = grade(item, text, mode, judge)?;
            if !readable {
                outcome.unreadable.push(item.id.clone());
            }
            if let [Some(official), Some(harness)] =
                Mode::ALL.map(|mode| grade::reread(&replies, mode))
                && official != harness
            {
                let words = [official, harness].map(|score| score.to_string());
                let reason = "the script reads up to five replies as they come, lmms-eval up to \
                              four without white space around, of which an empty one is the last";
                outcome.disagree(item, &replies.join("\n"), words, reason);
            }
            let capabilities = item.group.split('_').map(str::to_owned);
            for name in capabilities.chain([format!("only.{}", item.group), "total".into()]) {
                let (sum, n) = sums.entry(name).or_default();
                *sum += score;
                *n += 1;
            }
        }
        for (name, (sum, n)) in sums {
            let mean = sum / n as f64 * 100.0;
            outcome.set(name, mode.of(python::numpy_round(mean), mean));
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::benchmarks::{Disagreement, JudgePrompt};

    /// Says one reply after another and keeps what it was asked.
    struct Says(Mutex<Vec<JudgePrompt>>, &'static [&'static str]);

    impl Judge for Says {
        fn judge(&self, prompt: &JudgePrompt) -> Result<String> {
            let mut asked = self.0.lock().unwrap();
            asked.push(prompt.clone());
            Ok(self.1[(asked.len() - 1).min(self.1.len() - 1)].to_owned())
        }
    }

    fn items(mode: Mode) -> Vec<Item> {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"{"v1_0": {"imagename": "v1_0.png", "question": "What is x?",
            "answer": "-1<AND>-5", "capability": ["math", "ocr"]}}"#;
        std::fs::write(dir.path().join("mm-vet.json"), text).unwrap();
        MmVet.read(dir.path(), None, mode).unwrap()
    }

    fn ask(mode: Mode, replies: &'static [&'static str]) -> (Outcome, Vec<JudgePrompt>) {
        let answers = Answers::from_iter([("v1_0", "x = -1")]);
        let judge = Says(Mutex::default(), replies);
        let outcome = MmVet.score(&items(mode), &answers, mode, Some(&judge)).unwrap();
        (outcome, judge.0.into_inner().unwrap())
    }

    #[test]
    fn grades_go_to_each_capability_and_their_combination() {
        let (outcome, asked) = ask(Mode::Official, &["0.5 "]);
        for name in ["total", "ocr", "math", "only.ocr_math"] {
            assert_eq!(outcome.scores[name], 50.0, "{name}");
        }
        assert_eq!(outcome.scores.len(), 4);
        assert!(asked[0].user.ends_with("1.0\n\nWhat is x? | -1 <AND> -5 | x = -1 | "));
        assert_eq!(items(Mode::Official)[0].prompt, "What is x?");
        assert!(items(Mode::Harness)[0].prompt.starts_with("First please perform reasoning"));
    }

    #[test]
    fn each_mode_gives_up_in_its_way() {
        let temperatures = |asked: &[JudgePrompt]| -> Vec<f64> {
            asked.iter().map(|prompt| prompt.temperature).collect()
        };
        let (outcome, asked) = ask(Mode::Official, &["The"]);
        assert_eq!(temperatures(&asked), [0.0, 0.0, 0.5, 1.0, 1.5]);
        assert!(asked[1].user.ends_with("| \nPredict the correctness of the answer (digit): "));
        assert_eq!((outcome.scores["total"], outcome.unreadable.len()), (0.0, 1));
        let (outcome, asked) = ask(Mode::Harness, &["The"]);
        assert_eq!(temperatures(&asked), [0.0, 0.5, 1.0, 1.5]);
        assert_eq!((outcome.scores["total"], outcome.unreadable.len()), (0.0, 1));
        let (outcome, asked) = ask(Mode::Harness, &["1.5"]);
        assert_eq!((asked.len(), outcome.unreadable.len()), (10, 1));
        assert_eq!(ask(Mode::Harness, &["", "0.5"]).0.scores["total"], 0.0);
        assert_eq!(ask(Mode::Official, &["", "0.5"]).0.scores["total"], 50.0);
        assert_eq!(ask(Mode::Official, &["nan", "0.5"]).0.scores["total"], 50.0);
    }

    #[test]
    fn the_same_replies_get_two_grades() {
        let (outcome, _) = ask(Mode::Official, &["a", "b", "c", "d", "0.3"]);
        let Disagreement { official, harness, .. } = &outcome.disagreements[0];
        assert_eq!((official.as_str(), harness.as_str()), ("0.3", "0"));
        assert!(ask(Mode::Official, &["a", "0.3"]).0.disagreements.is_empty());
        assert_eq!(ask(Mode::Official, &[" 0.6", "0.2"]).0.scores["total"], 20.0);
        assert_eq!(ask(Mode::Harness, &[" 0.6", "0.2"]).0.scores["total"], 60.0);
    }

    #[test]
    fn questions_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        for (image, capability, reason) in [
            ("../a.png", r#"["ocr"]"#, "question \"v1_0\": \"../a.png\""),
            ("a.png", r#"["smell"]"#, "question \"v1_0\": capability \"smell\""),
            ("a.png", "[]", "question \"v1_0\": no capability"),
            ("a.png", "1", "question \"v1_0\": invalid type"),
        ] {
            let text = format!(
                "{{\"v1_0\": {{\"imagename\": {image:?}, \"question\": \"q\", \"answer\": \"a\", \
                 \"capability\": {capability}}}}}"
            );
            std::fs::write(dir.path().join("mm-vet.json"), text).unwrap();
            let error = MmVet.read(dir.path(), None, Mode::Official).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("mm-vet.json"), "{error}");
        }
    }
}
