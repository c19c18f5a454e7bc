//! LLaVA-Bench (In-the-Wild): sixty free answers, each graded beside a reference answer (Liu et
//! al., *Visual Instruction Tuning*, NeurIPS 2023).
//!
//! Official: LLaVA's `eval_gpt_review_bench.py` and `summarize_gpt_review.py`. Harness: lmms-eval
//! 0.7.3, `tasks/llava-in-the-wild`.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::{
    Answers, Benchmark, Item, Judge, JudgePrompt, Mode, Outcome,
    files::{self, Row, field},
    python,
};
use crate::{Error, Result};

/// The rule of all three categories; see `assets/benchmarks`.
const RULE: &str = include_str!("../../assets/benchmarks/llava-bench.txt");

const SYSTEM: &str =
    "You are a helpful and precise assistant for checking the quality of the answer.";

const CATEGORIES: [&str; 3] = ["conv", "detail", "complex"];

/// What both programs note of a reply they cannot read.
const UNREADABLE: [f64; 2] = [-1.0, -1.0];

/// LLaVA-Bench (In-the-Wild).
pub struct LlavaBench;

impl Benchmark for LlavaBench {
    fn name(&self) -> &'static str {
        "llava-bench"
    }

    fn rule(&self, mode: Mode) -> &'static str {
        mode.of(
            "LLaVA's eval_gpt_review_bench.py and summarize_gpt_review.py",
            "lmms-eval 0.7.3, task llava_in_the_wild",
        )
    }

    fn needs_judge(&self) -> bool {
        true
    }

    fn differences(&self) -> &'static [&'static str] {
        &["the judge is gpt-4-0314 at temperature 0.2 with a system message, in lmms-eval \
             gpt-4o-2024-11-20 at temperature 0 without"]
    }

    /// A folder with `questions.jsonl`, `context.jsonl`, `answers_gpt4.jsonl` (the references) and
    /// `images`.
    fn read(&self, path: &Path, images: Option<&Path>, _: Mode) -> Result<Vec<Item>> {
        let images = images.map_or_else(|| path.join("images"), Path::to_owned);
        let contexts = table(&path.join("context.jsonl"), "image", caption)?;
        let references = path.join("answers_gpt4.jsonl");
        let references = table(&references, "question_id", |row| field(row, &["text"]))?;
        let questions = path.join("questions.jsonl");
        let items = files::json_lines(&questions, |row| {
            let (id, image) = (field(row, &["question_id"])?, field(row, &["image"])?);
            let group = field(row, &["category"])?;
            if !CATEGORIES.contains(&group.as_str()) {
                return Err(format!("\"category\" is {group:?}; expected one of {CATEGORIES:?}"));
            }
            let question = field(row, &["text"])?;
            let truth = references.get(&id).cloned();
            let context = contexts.get(&image).cloned();
            Ok(Item {
                image: files::below(&images, &image)?,
                prompt: question.clone(),
                question,
                group,
                truth: truth.ok_or_else(|| format!("answers_gpt4.jsonl has no question {id:?}"))?,
                options: Vec::new(),
                context: context.ok_or_else(|| format!("context.jsonl has no image {image:?}"))?,
                id,
            })
        })?;
        files::distinct(&questions, items.iter().map(|item| item.id.as_str()))?;
        Ok(items)
    }

    /// The model's mean score in percent of the reference's, overall (`all`) and by category; and
    /// tenfold means of both. Replies that cannot be read enter every mean as -1 and -1.
    fn score(
        &self,
        items: &[Item],
        answers: &Answers,
        mode: Mode,
        judge: Option<&dyn Judge>,
    ) -> Result<Outcome> {
        let judge = judge.ok_or_else(|| Error::Settings("LLaVA-Bench needs a judge".into()))?;
        let mut outcome = Outcome::new(self, mode, items.len());
        let mut scores = BTreeMap::<&str, Vec<[f64; 2]>>::new();
        for (item, text) in answers.texts(items)? {
            let reply = judge.judge(&prompt(item, text, mode))?;
            let read = [official(&reply), harness(&reply)];
            if read[0] != read[1] {
                let words = read.map(|read| match read {
                    Some([reference, model]) => format!("{reference} {model}"),
                    None => "no scores".to_owned(),
                });
                let reason = "LLaVA's script wants a first line of two numbers with one space or \
                              comma between; lmms-eval takes the first two numbers in it";
                outcome.disagree(item, &reply, words, reason);
            }
            let read = mode.of(read[0], read[1]);
            if read.is_none() {
                outcome.unreadable.push(item.id.clone());
            }
            for name in [item.group.as_str(), "all"] {
                scores.entry(name).or_default().push(read.unwrap_or(UNREADABLE));
            }
        }
        for (name, pairs) in scores {
            let mean = |which: usize| {
                let sum: f64 = pairs.iter().map(|pair| pair[which]).sum();
                python::round(sum / pairs.len() as f64, 3)
            };
            let [reference, model] = [mean(0), mean(1)];
            outcome.set(format!("{name}.reference"), python::round(reference * 10.0, 1));
            outcome.set(format!("{name}.model"), python::round(model * 10.0, 1));
            // Where the script would divide by zero there is no score.
            if reference != 0.0 {
                outcome.set(name, python::round(model / reference * 100.0, 1));
            }
        }
        Ok(outcome)
    }
}

/// What the judge is asked about an answer.
fn prompt(item: &Item, answer: &str, mode: Mode) -> JudgePrompt {
    let Item { question, truth, context, .. } = item;
    JudgePrompt {
        id: item.id.clone(),
        attempt: 0,
        model: mode.of("gpt-4-0314", "gpt-4o-2024-11-20"),
        system: mode.of(Some(SYSTEM), None),
        user: format!(
            "[Context]\n{context}\n\n[Question]\n{question}\n\n\
             [Assistant 1]\n{truth}\n\n[End of Assistant 1]\n\n\
             [Assistant 2]\n{answer}\n\n[End of Assistant 2]\n\n\
             [System]\n{RULE}\n\n"
        ),
        temperature: mode.of(0.2, 0.0),
        max_tokens: 1024,
    }
}

/// Two numbers with one space or comma between are all of the first line.
fn official(reply: &str) -> Option<[f64; 2]> {
    let line = reply.split('\n').next()?.replace(',', " ");
    let (first, second) = line.split_once(' ')?;
    let second = Some(second).filter(|second| !second.contains(' '))?;
    Some([python::float(first)?, python::float(second)?])
}

/// The first two numbers in the first line of the stripped reply.
fn harness(reply: &str) -> Option<[f64; 2]> {
    let mut line = python::strip(reply).split('\n').next()?;
    let mut number = || {
        let start = line.find(|c: char| c.is_ascii_digit())?;
        let sign = usize::from(line[..start].ends_with('-'));
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let mut end = start + digits(&line[start..]);
        if let Some(fraction) = line[end..].strip_prefix('.')
            && digits(fraction) > 0
        {
            end += 1 + digits(fraction);
        }
        let value = line[start - sign..end].parse().ok();
        line = &line[end..];
        value
    };
    Some([number()?, number()?])
}

/// What the judge is told of a picture.
fn caption(row: &Row) -> std::result::Result<String, String> {
    match row.get("caption") {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(sentences)) => {
            let texts: Option<Vec<&str>> = sentences.iter().map(Value::as_str).collect();
            Ok(texts.ok_or("\"caption\" has a part that is no text")?.join("\n"))
        }
        _ => Err("no \"caption\": expected a text or a list of texts".into()),
    }
}

/// JSON lines by one of their fields.
fn table(
    path: &Path,
    key: &str,
    value: impl Fn(&Row) -> std::result::Result<String, String>,
) -> Result<BTreeMap<String, String>> {
    let rows = files::json_lines(path, |row| Ok((field(row, &[key])?, value(row)?)))?;
    files::distinct(path, rows.iter().map(|(key, _)| key.as_str()))?;
    Ok(rows.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_mode_reads() {
        for (reply, ours, theirs) in [
            ("8 9", Some([8.0, 9.0]), Some([8.0, 9.0])),
            ("8,9\nGood.", Some([8.0, 9.0]), Some([8.0, 9.0])),
            ("8.5 -1\r\nGood.", Some([8.5, -1.0]), Some([8.5, -1.0])),
            ("8, 9", None, Some([8.0, 9.0])),
            ("8 9 ", None, Some([8.0, 9.0])),
            ("\n8 9", None, Some([8.0, 9.0])),
            ("8/10 9/10", None, Some([8.0, 10.0])),
            ("Assistant 1: 8, Assistant 2: 9", None, Some([1.0, 8.0])),
            ("8.9", None, None),
            ("8. 9.", Some([8.0, 9.0]), Some([8.0, 9.0])),
            ("8-9", None, Some([8.0, -9.0])),
            ("1e1 5", Some([10.0, 5.0]), Some([1.0, 1.0])),
            ("nine ten", None, None),
            ("", None, None),
        ] {
            assert_eq!((official(reply), harness(reply)), (ours, theirs), "{reply:?}");
        }
    }

    struct Says(&'static str);

    impl Judge for Says {
        fn judge(&self, _: &JudgePrompt) -> Result<String> {
            Ok(self.0.to_owned())
        }
    }

    #[test]
    fn replies_that_cannot_be_read_are_shown_though_they_score_a_hundred() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("context.jsonl", r#"{"image": "1.jpg", "caption": ["a", "b"]}"#);
        write("answers_gpt4.jsonl", r#"{"question_id": 0, "text": "A dog."}"#);
        let question =
            r#"{"question_id": 0, "image": "1.jpg", "text": "What?", "category": "conv"}"#;
        write("questions.jsonl", question);
        let items = LlavaBench.read(dir.path(), None, Mode::Official).unwrap();
        assert_eq!(items[0].context, "a\nb");
        let answers = Answers::from_iter([("0", "A cat.")]);
        let score =
            |says, mode| LlavaBench.score(&items, &answers, mode, Some(&Says(says))).unwrap();
        let bad = score("I cannot.", Mode::Official);
        assert_eq!((bad.scores["all"], bad.unreadable.len()), (100.0, 1));
        assert!(bad.to_string().contains("1 cannot be read:\n  0\n"), "{bad}");
        let good = score("8, 6", Mode::Harness);
        assert_eq!((good.scores["conv"], good.scores["all.model"]), (75.0, 60.0));
        assert_eq!(good.disagreements[0].official, "no scores");
        assert!(!score("0 6", Mode::Official).scores.contains_key("all"));
        assert!(LlavaBench.score(&items, &answers, Mode::Official, None).is_err());

        write("questions.jsonl", &question.replace("1.jpg", "2.jpg"));
        let error = LlavaBench.read(dir.path(), None, Mode::Official).unwrap_err().to_string();
        assert!(error.contains("questions.jsonl, row 0: context.jsonl has no image"), "{error}");
    }
}
