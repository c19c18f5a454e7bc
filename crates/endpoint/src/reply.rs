//! What comes back.

use serde::Deserialize;
use serde_json::Value;

use crate::Usage;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What the model says.
    pub text: String,
    /// Why it ended: `stop`, `length`, … as the endpoint calls it.
    pub finish: Option<String>,
    /// The model that answered, which may be more exact than the one asked for.
    pub model: Option<String>,
    /// Tokens of this request.
    pub usage: Usage,
}

impl Reply {
    /// Whether the answer was cut off at the longest length.
    pub fn is_cut(&self) -> bool {
        self.finish.as_deref() == Some("length")
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// It is not one; the text says what was expected. It may be long, and repeat what was sent.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|e| format!("the answer is not that of a chat completion: {e}"))?;
        if let Some(error) = answer.error.filter(|error| !error.is_null()) {
            return Err(format!("an error in place of an answer: {}", said(&error)));
        }
        let choice = answer.choices.into_iter().next().ok_or("the answer has no choices")?;
        let text = match choice.message.content {
            Some(Content::Text(text)) => text,
            Some(Content::Parts(parts)) => parts.into_iter().filter_map(|part| part.text).collect(),
            None => {
                return Err(match choice.message.refusal {
                    Some(refusal) => format!("the model refuses: {refusal}"),
                    None => "the answer's message has no content".into(),
                });
            }
        };
        let usage = match answer.usage {
            Some(Tokens { prompt_tokens, completion_tokens }) => {
                Usage { requests: 1, unreported: 0, prompt_tokens, completion_tokens }
            }
            None => Usage { requests: 1, unreported: 1, ..Usage::default() },
        };
        Ok(Self { text, finish: choice.finish_reason, model: answer.model, usage })
    }
}

/// The endpoint's own words for what is wrong, from the body of a refusal.
pub(crate) fn complaint(body: &[u8]) -> Complaint {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => {
            let error = value.get("error").unwrap_or(&value);
            let code = error.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
            Complaint { code, text: said(error) }
        }
        Err(_) => {
            Complaint { code: String::new(), text: String::from_utf8_lossy(body).into_owned() }
        }
    }
}

/// Why an endpoint refuses.
pub(crate) struct Complaint {
    /// A code such as `insufficient_quota`, or nothing.
    pub code: String,
    pub text: String,
}

fn said(error: &Value) -> String {
    let message = ["message", "detail", "error"].iter().find_map(|key| error.get(key)?.as_str());
    message.map_or_else(|| error.to_string(), str::to_owned)
}

/// Enough of a text for a message of one line.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 300;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    choices: Vec<Choice>,
    model: Option<String>,
    usage: Option<Tokens>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<Content>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<TextPart>),
}

#[derive(Deserialize)]
struct TextPart {
    text: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Reply, String> {
        Reply::parse(text.as_bytes())
    }

    #[test]
    fn content_is_text_or_parts() {
        let reply = parse(
            r#"{"id": 7, "model": "m-1", "choices": [{"index": 0, "message": {"role": "assistant",
                "content": "1. cat"}, "finish_reason": "length"}],
                "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}}"#,
        )
        .unwrap();
        let usage = Usage { requests: 1, unreported: 0, prompt_tokens: 12, completion_tokens: 3 };
        assert_eq!((reply.text.as_str(), reply.usage), ("1. cat", usage));
        assert!(reply.is_cut() && reply.model.as_deref() == Some("m-1"));
        let parts = r#"{"choices": [{"message": {"content": [{"type": "text", "text": "a"},
            {"type": "text", "text": "b"}]}}]}"#;
        let reply = parse(parts).unwrap();
        assert_eq!((reply.text.as_str(), reply.usage.unreported), ("ab", 1));
    }

    #[test]
    fn what_is_no_answer_says_what_is_missing() {
        for (body, reason) in [
            ("<html>", "not that of a chat completion"),
            ("[]", "not that of a chat completion"),
            ("{}", "no choices"),
            (r#"{"choices": []}"#, "no choices"),
            (r#"{"choices": [{"message": {"content": 3}}]}"#, "not that of a chat completion"),
            (r#"{"choices": [{"message": {"content": null}}]}"#, "no content"),
            (r#"{"choices": [{"message": {"refusal": "I will not."}}]}"#, "refuses: I will not."),
            (r#"{"error": {"message": "upstream is down"}}"#, "upstream is down"),
        ] {
            let text = parse(body).unwrap_err();
            assert!(text.contains(reason), "{body}: {text}");
        }
    }

    #[test]
    fn complaints_keep_their_code() {
        let quota = complaint(br#"{"error": {"message": "empty", "code": "insufficient_quota"}}"#);
        assert_eq!((quota.text.as_str(), quota.code.as_str()), ("empty", "insufficient_quota"));
        assert_eq!(complaint(br#"{"detail": "no such model"}"#).text, "no such model");
        assert_eq!(complaint(b"<html>").text, "<html>");
    }

    #[test]
    fn long_texts_become_one_short_line() {
        assert_eq!(shorten("bad\n  gateway "), "bad gateway");
        assert_eq!(shorten(&"é".repeat(1000)).chars().count(), 301);
    }
}
