//! A model's answers, by item.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Item,
    files::{self, Row},
};
use crate::{Error, Result};

/// A model's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// What it wrote.
    Text(String),
    /// How likely it finds each option, where it was not asked to write.
    Options(Vec<OptionScore>),
}

impl Answer {
    /// As it is kept in a file of answers.
    pub(super) fn to_text(&self) -> Result<String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Options(scores) => serde_json::to_string(scores)
                .map_err(|error| Error::Settings(format!("scores of options: {error}"))),
        }
    }

    /// What [`to_text`](Self::to_text) wrote of scores of options; `None` where it is something else.
    pub(super) fn options_of(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self::Options)
    }
}

/// How likely a model finds an option's text after the question.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptionScore {
    /// Sum of the log-probabilities of the option's tokens.
    pub log_likelihood: f64,
    /// The tokens that were summed.
    pub tokens: u32,
}

/// Answers by the [id](Item::id) of their item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers(BTreeMap<String, Answer>);

impl Answers {
    /// Keeps an answer; a second one to the same item replaces the first.
    pub fn insert(&mut self, id: impl Into<String>, answer: Answer) {
        self.0.insert(id.into(), answer);
    }

    /// Keeps all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The answer to an item.
    pub fn get(&self, id: &str) -> Option<&Answer> {
        self.0.get(id)
    }

    /// Every item with its answer.
    ///
    /// # Errors
    /// If an item has none: a score over a part of the questions is another number.
    pub(super) fn of<'a>(&'a self, items: &'a [Item]) -> Result<Vec<(&'a Item, &'a Answer)>> {
        if items.is_empty() {
            return Err(Error::Settings("no questions".into()));
        }
        let mut without = items.iter().filter(|item| self.get(&item.id).is_none());
        if let Some(first) = without.next() {
            return Err(Error::Unanswered {
                missing: 1 + without.count(),
                total: items.len(),
                first: first.id.clone(),
            });
        }
        Ok(items.iter().filter_map(|item| Some((item, self.get(&item.id)?))).collect())
    }

    /// Every item with its written answer.
    ///
    /// # Errors
    /// If an item has none.
    pub(super) fn texts<'a>(&'a self, items: &'a [Item]) -> Result<Vec<(&'a Item, &'a str)>> {
        let text = |(item, answer): (&'a Item, &'a Answer)| match answer {
            Answer::Text(text) => Ok((item, text.as_str())),
            Answer::Options(_) => Err(Error::Settings(format!(
                "{} is answered by scores of options; expected a text",
                item.id
            ))),
        };
        self.of(items)?.into_iter().map(text).collect()
    }
}

impl<I: Into<String>, A: Into<String>> FromIterator<(I, A)> for Answers {
    fn from_iter<T: IntoIterator<Item = (I, A)>>(answers: T) -> Self {
        let answer = |(id, text): (I, A)| (id.into(), Answer::Text(text.into()));
        Self(answers.into_iter().map(answer).collect())
    }
}

/// Reads JSON lines of an id (`id`, `question_id` or `q_id`) and an answer (`answer`, `text` or
/// `prediction`; or `options`, a list of `{"log_likelihood", "tokens"}`), or one JSON object of
/// texts by the items' ids.
///
/// # Errors
/// The file cannot be read, a row is malformed, or an id comes twice.
pub fn read(items: &[Item], path: &Path) -> Result<Answers> {
    let text = files::text(path)?;
    if let Ok(object) = serde_json::from_str::<BTreeMap<String, Value>>(&text)
        && items.iter().any(|item| object.contains_key(&item.id))
    {
        let answer = |(id, value): (String, Value)| match value {
            Value::String(text) => Ok((id, text)),
            other => Err(files::malformed(path, format!("{id:?} is {other}; expected a text"))),
        };
        return object.into_iter().map(answer).collect();
    }
    let rows = files::lines(path, &text, |line| {
        let row = files::row(line)?;
        Ok((files::field(&row, &["id", "question_id", "q_id"])?, answer(&row)?))
    })?;
    files::distinct(path, rows.iter().map(|(id, _)| id.as_str()))?;
    Ok(Answers(rows.into_iter().collect()))
}

/// A row's answer.
fn answer(row: &Row) -> std::result::Result<Answer, String> {
    let Some(options) = row.get("options") else {
        return Ok(Answer::Text(files::field(row, &["answer", "text", "prediction"])?));
    };
    let options: Vec<OptionScore> = serde_json::from_value(options.clone())
        .map_err(|e| format!("\"options\": {e}; expected {{\"log_likelihood\", \"tokens\"}}"))?;
    match options.iter().all(|score| score.log_likelihood.is_finite() && score.tokens > 0) {
        true => Ok(Answer::Options(options)),
        false => Err("an option without tokens or without a finite log-likelihood".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str) -> Item {
        Item {
            id: id.into(),
            image: "a.png".into(),
            prompt: String::new(),
            question: String::new(),
            group: String::new(),
            truth: String::new(),
            options: Vec::new(),
            context: String::new(),
        }
    }

    fn read_text(text: &str) -> Result<Answers> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("answers.jsonl");
        std::fs::write(&path, text).unwrap();
        read(&[item("1"), item("v1_2")], &path)
    }

    #[test]
    fn every_layout_gives_the_same_answers() {
        let expected = Answers::from_iter([("1", "Yes"), ("v1_2", "no\n")]);
        for text in [
            "{\"id\": \"1\", \"answer\": \"Yes\"}\n\n{\"id\": \"v1_2\", \"answer\": \"no\\n\"}\n",
            "{\"question_id\": 1, \"text\": \"Yes\"}\r\n{\"q_id\": \"v1_2\", \"prediction\": \"no\\n\"}",
            "{\n  \"1\": \"Yes\",\n  \"v1_2\": \"no\\n\"\n}\n",
        ] {
            assert_eq!(read_text(text).unwrap(), expected, "{text}");
        }
        let one = read_text("{\"id\": 1, \"answer\": \"A\"}").unwrap();
        assert_eq!(one.get("1"), Some(&Answer::Text("A".into())));
    }

    #[test]
    fn malformed_rows_are_named() {
        for (text, reason) in [
            ("{\"id\": 1, \"answer\": \"a\"}\n{\"id\": 1}", "row 1: no \"answer\" or \"text\""),
            ("{\"answer\": \"a\"}", "row 0: no \"id\" or \"question_id\""),
            ("{\"id\": 1, \"answer\": null}", "row 0: \"answer\" is null"),
            ("[1]\n", "row 0: malformed JSON object"),
            ("{\"1\": 2}", "\"1\" is 2; expected a text"),
            ("{\"id\": 1, \"answer\": \"a\"}\n{\"id\": 1, \"answer\": \"b\"}", "two rows of \"1\""),
            (
                "{\"id\": 1, \"options\": [{\"log_likelihood\": -1, \"tokens\": 0}]}",
                "without tokens",
            ),
            ("{\"id\": 1, \"options\": [1]}", "row 0: \"options\""),
        ] {
            let error = read_text(text).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("answers.jsonl"), "{error}");
        }
    }

    #[test]
    fn a_missing_answer_is_an_error() {
        let items = [item("a"), item("b"), item("c")];
        let error = Answers::from_iter([("b", "yes")]).texts(&items).unwrap_err();
        assert_eq!(error.to_string(), "2 of 3 questions have no answer, the first is \"a\"");
        assert!(Answers::default().texts(&[]).is_err());
    }
}
