//! Judges: models that grade free answers.

use std::path::Path;

use serde_json::json;

use super::journal::{self, Journal};
use crate::{Error, Result};

/// What a judge is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgePrompt {
    /// The item whose answer is graded.
    pub id: String,
    /// How often this item was asked about before, because no grade could be read.
    pub attempt: usize,
    /// The model that the mode's program asks.
    pub model: &'static str,
    /// The system message, if there is one.
    pub system: Option<&'static str>,
    /// The user's message.
    pub user: String,
    /// Sampling temperature.
    pub temperature: f64,
    /// The longest reply, in tokens.
    pub max_tokens: u32,
}

impl JudgePrompt {
    /// SHA-256 of everything that decides the reply, but for the model that is asked.
    pub fn digest(&self) -> String {
        journal::digest(&json!([self.system, self.user, self.temperature, self.max_tokens]))
    }
}

/// A model that grades answers.
pub trait Judge: Send + Sync {
    /// Its reply, as it came.
    ///
    /// # Errors
    /// If there is none.
    fn judge(&self, prompt: &JudgePrompt) -> Result<String>;
}

/// Replies kept in a file of JSON lines `{"id", "attempt", "prompt", "reply"}`, so that scoring
/// goes on where it stopped and can be done again without a judge.
///
/// `prompt` is the [digest](JudgePrompt::digest) of what was asked: a reply counts only for that
/// very prompt. A line without it counts for any prompt of its item and attempt; so do the reviews
/// that LLaVA's scripts write (`{"question_id", "content"}`). Without `attempt` it is the first.
pub struct RecordedReplies<'a> {
    judge: Option<&'a dyn Judge>,
    journal: Journal,
}

impl<'a> RecordedReplies<'a> {
    /// The replies at `path`, none if nothing is there. What they lack is asked of `judge` and kept
    /// at once.
    ///
    /// # Errors
    /// The file cannot be read, or a row is malformed. A last line that a killed process cut short
    /// is removed.
    pub fn open(path: &Path, judge: Option<&'a dyn Judge>) -> Result<Self> {
        let journal = Journal::open(path, &["reply", "content"], judge.is_some())?;
        Ok(Self { judge, journal })
    }
}

impl Judge for RecordedReplies<'_> {
    fn judge(&self, prompt: &JudgePrompt) -> Result<String> {
        let digest = prompt.digest();
        if let Some(reply) = self.journal.get(&prompt.id, prompt.attempt, &digest) {
            return Ok(reply);
        }
        let judge = self.judge.ok_or_else(|| Error::Judge {
            id: prompt.id.clone(),
            reason: format!(
                "{} has no reply to this prompt (attempt {}), and there is no judge to ask",
                self.journal.path().display(),
                prompt.attempt
            ),
        })?;
        let reply = judge.judge(prompt)?;
        self.journal.put(&prompt.id, prompt.attempt, &digest, &reply)?;
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counting(AtomicUsize);

    impl Judge for Counting {
        fn judge(&self, prompt: &JudgePrompt) -> Result<String> {
            Ok(format!("{} {}", prompt.user, self.0.fetch_add(1, Ordering::Relaxed)))
        }
    }

    fn prompt(id: &str, user: &str) -> JudgePrompt {
        JudgePrompt {
            id: id.into(),
            attempt: 0,
            model: "m",
            system: None,
            user: user.into(),
            temperature: 0.0,
            max_tokens: 3,
        }
    }

    #[test]
    fn a_reply_is_asked_for_once_and_counts_for_its_prompt_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("replies.jsonl");
        let counting = Counting(AtomicUsize::new(0));
        let replies = RecordedReplies::open(&path, Some(&counting)).unwrap();
        assert_eq!(replies.judge(&prompt("1", "a")).unwrap(), "a 0");
        assert_eq!(replies.judge(&prompt("1", "a")).unwrap(), "a 0");
        assert_eq!(replies.judge(&prompt("1", "b")).unwrap(), "b 1");
        drop(replies);

        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{{\"id\": \"1\", \"rep")).unwrap();
        let replies = RecordedReplies::open(&path, Some(&counting)).unwrap();
        assert_eq!(replies.judge(&prompt("1", "b")).unwrap(), "b 1");
        assert_eq!(replies.judge(&prompt("2", "a")).unwrap(), "a 2");
        drop(replies);
        let replies = RecordedReplies::open(&path, None).unwrap();
        assert_eq!(replies.judge(&prompt("2", "a")).unwrap(), "a 2");
        let error = replies.judge(&prompt("1", "c")).unwrap_err().to_string();
        assert!(error.starts_with("\"1\" cannot be judged: "), "{error}");
    }

    #[test]
    fn replies_from_elsewhere_count_for_any_prompt() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reviews.jsonl");
        std::fs::write(&path, "{\"id\": 1, \"question_id\": 0, \"content\": \"8 9\"}").unwrap();
        let replies = RecordedReplies::open(&path, None).unwrap();
        assert_eq!(replies.judge(&prompt("0", "a")).unwrap(), "8 9");
        let counting = Counting(AtomicUsize::new(0));
        let replies = RecordedReplies::open(&path, Some(&counting)).unwrap();
        assert_eq!(replies.judge(&prompt("1", "a")).unwrap(), "a 0");
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        std::fs::write(&path, "{\"id\": 1}\n{\"id\": 2, \"reply\": \"\"}\n").unwrap();
        let error = RecordedReplies::open(&path, None).err().unwrap().to_string();
        assert!(error.contains("row 0: no \"reply\" or \"content\""), "{error}");
    }
}
