//! SEED-Bench's questions about pictures, with four options (Li et al., *SEED-Bench: Benchmarking
//! Multimodal LLMs with Generative Comprehension*, 2023).
//!
//! Official: SEED-Bench's `eval.py` ranks the options by likelihood; a written answer counts as in
//! the conversion for its leaderboard, LLaVA's `convert_seed_for_submission.py`. Harness: lmms-eval
//! 0.7.3, `tasks/seedbench`.

use std::{cmp::Ordering, collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::Value;

use super::{
    Answer, Answers, Benchmark, Item, Judge, Mode, OptionScore, Outcome,
    files::{self, Row, field},
    python,
};
use crate::{Error, Result, metrics::Accuracy};

const LETTERS: [&str; 4] = ["A", "B", "C", "D"];
const CHOICES: [&str; 4] = ["choice_a", "choice_b", "choice_c", "choice_d"];

/// SEED-Bench, image subset.
pub struct SeedBench;

#[derive(Deserialize)]
struct Questions {
    questions: Vec<Row>,
    question_type: BTreeMap<String, u64>,
}

impl Benchmark for SeedBench {
    fn name(&self) -> &'static str {
        "seed-bench"
    }

    fn rule(&self, mode: Mode) -> &'static str {
        mode.of(
            "SEED-Bench's eval.py; for written answers LLaVA's convert_seed_for_submission.py",
            "lmms-eval 0.7.3, task seedbench; for scores of options task seedbench_ppl",
        )
    }

    fn differences(&self) -> &'static [&'static str] {
        &[
            "scores of options are sums over tokens in eval.py, means over tokens in lmms-eval",
            "where two options have the same text, lmms-eval holds the first for the right one",
        ]
    }

    /// `SEED-Bench.json`, or the folder it is in; rows whose `data_type` is not `image` are left
    /// out. Pictures: `SEED-Bench-image` beside it.
    fn read(&self, path: &Path, images: Option<&Path>, _: Mode) -> Result<Vec<Item>> {
        let path = if path.is_dir() { path.join("SEED-Bench.json") } else { path.to_owned() };
        let folder = path.parent().unwrap_or(&path);
        let images = images.map_or_else(|| folder.join("SEED-Bench-image"), Path::to_owned);
        let Questions { questions, question_type } = files::json(&path)?;
        let types = question_type.into_iter().map(|(name, number)| (number, name)).collect();
        let of_images = questions
            .iter()
            .enumerate()
            .filter(|(_, row)| row.get("data_type").and_then(Value::as_str) == Some("image"));
        let items = of_images.map(|(number, row)| {
            item(row, &types, &images).map_err(|reason| Error::Row {
                path: path.clone(),
                row: number,
                reason,
            })
        });
        let items: Vec<Item> = items.collect::<Result<_>>()?;
        files::distinct(&path, items.iter().map(|item| item.id.as_str()))?;
        Ok(items)
    }

    /// Percent of right answers, overall and by type of question.
    fn score(
        &self,
        items: &[Item],
        answers: &Answers,
        mode: Mode,
        _: Option<&dyn Judge>,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::new(self, mode, items.len());
        let mut types = BTreeMap::<&str, Accuracy>::new();
        let mut overall = Accuracy::default();
        for (item, answer) in answers.of(items)? {
            let truth = item.truth.as_str();
            let (said, truths, text, reason) = match answer {
                Answer::Text(text) => {
                    let reason = "the whole answer has to be the letter; lmms-eval takes its first \
                                  character in any case";
                    ([official(text), harness(text)], [truth; 2], text.clone(), reason)
                }
                Answer::Options(scores) => {
                    let said = best(item, scores)?;
                    let reason = match said[0] == said[1] {
                        true => "lmms-eval holds the first of two equal options for the right one",
                        false => "the script sums over tokens, lmms-eval takes the mean",
                    };
                    (said.map(Some), [truth, first_equal(item)], format!("{scores:?}"), reason)
                }
            };
            let right = [said[0] == Some(truths[0]), said[1] == Some(truths[1])];
            if mode.of(said[0], said[1]).is_none() {
                outcome.unreadable.push(item.id.clone());
            }
            if right[0] != right[1] {
                let words = said.map(|said| said.unwrap_or("no letter").to_owned());
                outcome.disagree(item, &text, words, reason);
            }
            let right = mode.of(right[0], right[1]);
            types.entry(&item.group).or_default().add(right);
            overall.add(right);
        }
        for (name, accuracy) in types {
            outcome.set(name, 100.0 * accuracy.value());
        }
        outcome.set("overall", 100.0 * overall.value());
        Ok(outcome)
    }
}

/// A row about a picture.
fn item(
    row: &Row,
    types: &BTreeMap<u64, String>,
    images: &Path,
) -> std::result::Result<Item, String> {
    let number = row.get("question_type_id").and_then(Value::as_u64);
    let group = number.and_then(|number| types.get(&number));
    let group = group.ok_or("\"question_type_id\" is none of the file's \"question_type\"")?;
    let truth = field(row, &["answer"])?;
    if !LETTERS.contains(&truth.as_str()) {
        return Err(format!("\"answer\" is {truth:?}; expected A, B, C or D"));
    }
    let options: Vec<String> =
        CHOICES.iter().map(|name| field(row, &[name])).collect::<std::result::Result<_, _>>()?;
    let question = field(row, &["question"])?;
    // LLaVA's file of questions and lmms-eval ask in the same words.
    let mut prompt = question.clone();
    for (letter, option) in LETTERS.iter().zip(&options) {
        prompt += &format!("\n{letter}. {option}");
    }
    prompt += "\nAnswer with the option's letter from the given choices directly.";
    Ok(Item {
        id: field(row, &["question_id"])?,
        image: files::below(images, &field(row, &["data_id"])?)?,
        prompt,
        question,
        group: group.clone(),
        truth,
        options,
        context: String::new(),
    })
}

/// The letter that an answer is.
fn official(text: &str) -> Option<&'static str> {
    LETTERS.into_iter().find(|letter| *letter == text)
}

/// The letter that an answer begins with.
fn harness(text: &str) -> Option<&'static str> {
    let first = python::strip(text).chars().next()?.to_ascii_uppercase();
    LETTERS.into_iter().find(|letter| letter.starts_with(first))
}

/// The letters of the likeliest options: by the sum and by the mean over tokens; of equals the
/// first.
fn best(item: &Item, scores: &[OptionScore]) -> Result<[&'static str; 2]> {
    if scores.len() != LETTERS.len() {
        return Err(Error::Settings(format!(
            "{} has scores of {} options; expected {}",
            item.id,
            scores.len(),
            LETTERS.len()
        )));
    }
    let letter = |score: &dyn Fn(&OptionScore) -> f64| {
        let ranked = LETTERS.into_iter().zip(scores);
        let best = ranked.reduce(|best, next| match score(best.1).total_cmp(&score(next.1)) {
            Ordering::Less => next,
            _ => best,
        });
        best.map_or("", |(letter, _)| letter)
    };
    let mean = |score: &OptionScore| score.log_likelihood / f64::from(score.tokens);
    Ok([letter(&|score| score.log_likelihood), letter(&mean)])
}

/// The first option with the text of the right one.
fn first_equal(item: &Item) -> &str {
    let texts = LETTERS.into_iter().zip(&item.options);
    let right = texts.clone().find(|(letter, _)| *letter == item.truth).map(|(_, text)| text);
    let first = texts.into_iter().find(|(_, text)| Some(*text) == right);
    first.map_or(&item.truth, |(letter, _)| letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_mode_reads() {
        for (text, ours, theirs) in [
            ("B", Some("B"), Some("B")),
            ("B.", None, Some("B")),
            ("b", None, Some("B")),
            (" B\n", None, Some("B")),
            ("Blue", None, Some("B")),
            ("(B)", None, None),
            ("The answer is B.", None, None),
            ("E", None, None),
            ("", None, None),
        ] {
            assert_eq!((official(text), harness(text)), (ours, theirs), "{text:?}");
        }
    }

    fn row() -> Value {
        serde_json::json!({
            "answer": "B", "choice_a": "x", "choice_b": "y", "choice_c": "y", "choice_d": "z",
            "data_id": "1_2", "data_type": "image", "question": "Which?", "question_id": "7",
            "question_type_id": 5
        })
    }

    fn read(rows: &[Value]) -> Result<Vec<Item>> {
        let dir = tempfile::tempdir().unwrap();
        let file = serde_json::json!({"questions": rows, "question_type": {"Counting": 5}});
        std::fs::write(dir.path().join("SEED-Bench.json"), file.to_string()).unwrap();
        SeedBench.read(dir.path(), None, Mode::Official)
    }

    #[test]
    fn only_pictures_are_read_and_rows_are_checked() {
        let mut video = row();
        video["data_type"] = "video".into();
        video["question_type_id"] = 11.into();
        let items = read(&[video.clone(), row()]).unwrap();
        assert_eq!(items.len(), 1);
        assert_eq!(
            items[0].prompt,
            "Which?\nA. x\nB. y\nC. y\nD. z\n\
             Answer with the option's letter from the given choices directly."
        );
        for (name, value, reason) in [
            ("answer", Value::from("E"), "row 1: \"answer\" is \"E\""),
            ("question_type_id", 6.into(), "row 1: \"question_type_id\""),
            ("data_id", "/etc/passwd".into(), "row 1: \"/etc/passwd\""),
            ("choice_d", Value::Null, "row 1: \"choice_d\" is null"),
        ] {
            let mut bad = row();
            bad[name] = value;
            let error = read(&[video.clone(), bad]).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(read(&[row(), row()]).unwrap_err().to_string().contains("two rows of \"7\""));
    }

    #[test]
    fn options_are_ranked_by_sum_or_by_mean() {
        let items = read(&[row()]).unwrap();
        let score = |log_likelihood, tokens| OptionScore { log_likelihood, tokens };
        let says = |scores: [OptionScore; 4], mode| {
            let mut answers = Answers::default();
            answers.insert("7", Answer::Options(scores.to_vec()));
            SeedBench.score(&items, &answers, mode, None).unwrap().scores["overall"]
        };
        let short = [score(-3.0, 1), score(-2.0, 1), score(-9.0, 9), score(-5.0, 1)];
        assert_eq!((says(short, Mode::Official), says(short, Mode::Harness)), (100.0, 0.0));
        let long = [score(-3.0, 1), score(-4.0, 4), score(-9.0, 3), score(-5.0, 1)];
        assert_eq!((says(long, Mode::Official), says(long, Mode::Harness)), (0.0, 100.0));
        let mut answers = Answers::default();
        answers.insert("7", Answer::Options(vec![score(-1.0, 1)]));
        assert!(SeedBench.score(&items, &answers, Mode::Official, None).is_err());
    }
}
