//! MM-Vet: 218 free answers that need one or more of six capabilities (Yu et al., *MM-Vet:
//! Evaluating Large Multimodal Models for Integrated Capabilities*, 2023).
//!
//! Official: MM-Vet's `mm-vet_evaluator.ipynb`. Harness: lmms-eval 0.7.3, `tasks/mmvet`.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{Answers, Benchmark, Item, Judge, JudgePrompt, Mode, Outcome, files, python};
use crate::{Error, Result};

/// The grading prompt; see `assets/benchmarks`.
const GRADING: &str = include_str!("../../assets/benchmarks/mm-vet.txt");

/// The heading of its table in the official prompt, and in lmms-eval's.
const HEADING: [&str; 2] = ["\n\nQuestion |", "\ngpt_query_prompt |"];

/// What lmms-eval puts before a question.
const STEP_BY_STEP: &str = "First please perform reasoning, and think step by step to provide best \
                            answer to the following question: \n\n";

/// Recognition, reading, knowledge, writing, space and arithmetic.
const CAPABILITIES: [&str; 6] = ["rec", "ocr", "know", "gen", "spat", "math"];

/// Replies of which the official script and lmms-eval try to read a grade.
const TRIES: [usize; 2] = [5, 4];

/// Out-of-range grades after which we stop; lmms-eval asks on for ever.
const PATIENCE: usize = 10;

/// MM-Vet.
pub struct MmVet;

#[derive(Deserialize)]
struct Question {
    imagename: String,
    question: String,
    answer: String,
    capability: Vec<String>,
}

/// What was read in a judge's replies.
struct Grade {
    /// 0 to 1.
    score: f64,
    readable: bool,
    replies: Vec<String>,
}

impl Benchmark for MmVet {
    fn name(&self) -> &'static str {
        "mm-vet"
    }

    fn rule(&self, mode: Mode) -> &'static str {
        mode.of("MM-Vet's mm-vet_evaluator.ipynb, one run", "lmms-eval 0.7.3, task mmvet")
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
            if let [Some(official), Some(harness)] = Mode::ALL.map(|mode| reread(&replies, mode))
                && official != harness
            {
                let words = [official, harness].map(|score| score.to_string());
                let reason = "the script reads five replies, lmms-eval four, of which an empty one \
                              is the last";
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

/// Asks until a grade can be read or the mode's program would give up.
fn grade(item: &Item, answer: &str, mode: Mode, judge: &dyn Judge) -> Result<Grade> {
    let mut replies = Vec::new();
    loop {
        replies.push(judge.judge(&prompt(item, answer, &replies, mode))?);
        match read(&replies, mode) {
            Reading::Grade(score) => return Ok(Grade { score, readable: true, replies }),
            Reading::GivenUp => return Ok(Grade { score: 0.0, readable: false, replies }),
            Reading::AskAgain => {}
        }
    }
}

/// What a mode's program makes of replies so far.
enum Reading {
    Grade(f64),
    AskAgain,
    GivenUp,
}

/// The last of `replies` is new; the others had no grade.
fn read(replies: &[String], mode: Mode) -> Reading {
    let last = replies.last().map_or("", String::as_str);
    // lmms-eval takes an empty reply for a failed request.
    if mode == Mode::Harness && python::strip(last).is_empty() {
        return Reading::GivenUp;
    }
    match number(last) {
        Some(score) if (0.0..=1.0).contains(&score) => return Reading::Grade(score),
        _ => {}
    }
    // lmms-eval does not count numbers that are no grade.
    let counted = match mode {
        Mode::Official => replies.len(),
        Mode::Harness => replies.iter().filter(|reply| number(reply).is_none()).count(),
    };
    if counted >= mode.of(TRIES[0], TRIES[1]) || replies.len() >= PATIENCE {
        Reading::GivenUp
    } else {
        Reading::AskAgain
    }
}

/// The score that a mode's program would have given to these replies, if they are enough for it.
fn reread(replies: &[String], mode: Mode) -> Option<f64> {
    (1..=replies.len()).find_map(|n| match read(replies.get(..n)?, mode) {
        Reading::Grade(score) => Some(score),
        Reading::GivenUp => Some(0.0),
        Reading::AskAgain => None,
    })
}

/// The number before the first space. "nan" is none: it would pass for a grade in the script and
/// spoil every mean.
fn number(reply: &str) -> Option<f64> {
    python::float(reply.split(' ').next()?).filter(|number| !number.is_nan())
}

/// What the judge is asked after `replies` without a grade.
fn prompt(item: &Item, answer: &str, replies: &[String], mode: Mode) -> JudgePrompt {
    let [question, truth] = [&item.question, &item.truth];
    let truth = truth.replace("<AND>", " <AND> ").replace("<OR>", " <OR> ");
    let [grading, end, again] = match mode {
        Mode::Official => [
            GRADING.to_owned(),
            " ".to_owned(),
            "\nPredict the correctness of the answer (digit): ".to_owned(),
        ],
        Mode::Harness => {
            [GRADING.replacen(HEADING[0], HEADING[1], 1), String::new(), String::new()]
        }
    };
    let again = if replies.is_empty() { "" } else { &again };
    // Only what is no number makes lmms-eval warmer.
    let failures = match mode {
        Mode::Official => replies.len().saturating_sub(1),
        Mode::Harness => replies.iter().filter(|reply| number(reply).is_none()).count(),
    };
    JudgePrompt {
        id: item.id.clone(),
        attempt: replies.len(),
        model: mode.of("gpt-4-0613", "gpt-4o-2024-11-20"),
        system: None,
        user: format!("{grading}\n{question} | {truth} | {answer} |{end}{again}"),
        temperature: 0.5 * failures as f64,
        max_tokens: mode.of(3, 128),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::benchmarks::Disagreement;

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
        assert_eq!((asked.len(), outcome.unreadable.len()), (PATIENCE, 1));
        assert_eq!(ask(Mode::Harness, &["", "0.5"]).0.scores["total"], 0.0);
        assert_eq!(ask(Mode::Official, &["", "0.5"]).0.scores["total"], 50.0);
        assert_eq!(ask(Mode::Official, &["nan", "0.5"]).0.scores["total"], 50.0);
    }

    #[test]
    fn a_fifth_reply_counts_in_one_mode_only() {
        let (outcome, _) = ask(Mode::Official, &["a", "b", "c", "d", "0.3"]);
        let Disagreement { official, harness, .. } = &outcome.disagreements[0];
        assert_eq!((official.as_str(), harness.as_str()), ("0.3", "0"));
        assert!(ask(Mode::Official, &["a", "0.3"]).0.disagreements.is_empty());
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
