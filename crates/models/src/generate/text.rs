//! Generated ids as text, ended by stop strings.

use quintet_data::tokenizer::{Detokenizer, Tokenizer};

use crate::Result;

/// Turns ids into text as they come, and ends at the first stop string.
///
/// A stop string may begin in one token and end in another, so text that could be the beginning
/// of one is held back until the next id decides. Special tokens are left out.
#[derive(Clone, Debug)]
pub struct TextStream {
    detokenizer: Detokenizer,
    gate: Gate,
    text: String,
}

impl TextStream {
    /// An empty text that ends before any of `stop`. Empty stop strings are ignored.
    pub fn new(tokenizer: &Tokenizer, stop: &[String]) -> Self {
        Self {
            detokenizer: tokenizer.detokenizer(true),
            gate: Gate::new(stop),
            text: String::new(),
        }
    }

    /// Takes an id and gives the text that can be shown now, possibly none.
    ///
    /// # Errors
    /// If the tokenizer's decoder fails.
    pub fn push(&mut self, id: u32) -> Result<String> {
        if self.gate.closed {
            return Ok(String::new());
        }
        let new = self.detokenizer.push(id)?;
        Ok(self.show(|gate| gate.pass(&new)))
    }

    /// Ends the text and gives what was held back.
    ///
    /// # Errors
    /// If the tokenizer's decoder fails.
    pub fn finish(&mut self) -> Result<String> {
        if self.gate.closed {
            return Ok(String::new());
        }
        let new = self.detokenizer.finish()?;
        Ok(self.show(|gate| {
            let passed = gate.pass(&new);
            passed + &gate.close()
        }))
    }

    /// Whether a stop string was met or the text was finished: nothing more will come.
    pub fn ended(&self) -> bool {
        self.gate.closed
    }

    /// All that was shown so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn show(&mut self, pass: impl FnOnce(&mut Gate) -> String) -> String {
        let shown = pass(&mut self.gate);
        self.text.push_str(&shown);
        shown
    }
}

/// Lets text through up to the first stop string.
#[derive(Clone, Debug)]
struct Gate {
    stop: Vec<String>,
    /// Text that may be the beginning of a stop string.
    held: String,
    closed: bool,
}

impl Gate {
    fn new(stop: &[String]) -> Self {
        let stop = stop.iter().filter(|text| !text.is_empty()).cloned().collect();
        Self { stop, held: String::new(), closed: false }
    }

    fn pass(&mut self, new: &str) -> String {
        if self.closed {
            return String::new();
        }
        self.held.push_str(new);
        let end = self.stop.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(end) = end {
            self.held.truncate(end);
            return self.close();
        }
        let keep = self.held.len() - self.undecided();
        let rest = self.held.split_off(keep);
        std::mem::replace(&mut self.held, rest)
    }

    fn close(&mut self) -> String {
        self.closed = true;
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end of `held` that begin a stop string.
    fn undecided(&self) -> usize {
        let begins = |rest: &str| self.stop.iter().any(|stop| stop.starts_with(rest));
        let mut starts = self.held.char_indices().map(|(at, _)| at);
        let at = starts.find(|&at| self.held.get(at..).is_some_and(begins));
        at.map_or(0, |at| self.held.len() - at)
    }
}

#[cfg(test)]
mod tests {
    use quintet_data::tokenizer::{BpeOptions, train_bpe};

    use super::*;

    fn through(stop: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let stop: Vec<String> = stop.iter().map(|s| (*s).to_owned()).collect();
        let mut gate = Gate::new(&stop);
        let mut shown: Vec<String> = pieces.iter().map(|piece| gate.pass(piece)).collect();
        let met = gate.closed;
        if !met {
            shown.push(gate.close());
        }
        (shown, met)
    }

    #[test]
    fn text_passes_as_it_comes_without_stop_strings() {
        assert_eq!(through(&[], &["a", "bé", ""]).0, ["a", "bé", "", ""]);
        assert_eq!(through(&[""], &["a", "b"]).0, ["a", "b", ""]);
    }

    #[test]
    fn what_may_begin_a_stop_string_waits() {
        assert_eq!(through(&["END"], &["xE", "N", "x"]).0, ["x", "", "ENx", ""]);
        assert_eq!(through(&["END"], &["xE", "N"]).0, ["x", "", "EN"]);
        assert_eq!(through(&["aab"], &["aaa", "b!"]), (vec!["a".into(), String::new()], true));
    }

    #[test]
    fn the_text_ends_before_the_first_stop_string() {
        assert_eq!(
            through(&["END"], &["xE", "N", "Dy"]),
            (vec!["x".into(), "".into(), "".into()], true)
        );
        assert_eq!(through(&["c", "bc"], &["abcd", "e"]), (vec!["a".into(), "".into()], true));
        assert_eq!(through(&["é!"], &["cafe", "é", "!"]).0.concat(), "cafe");
    }

    #[test]
    fn ids_become_the_text_they_stand_for() {
        let options = BpeOptions {
            vocab_size: 280,
            special_tokens: vec!["</s>".into()],
            largest_number: 9,
            whole_words: false,
        };
        let tokenizer = train_bpe(["a dog and a cat"], &options).unwrap();
        let ids = tokenizer.encode("a dög, a cat</s>", false).unwrap();
        let run = |stop: &[String]| {
            let mut stream = TextStream::new(&tokenizer, stop);
            let mut shown = String::new();
            for &id in &ids {
                shown += &stream.push(id).unwrap();
            }
            shown += &stream.finish().unwrap();
            assert_eq!(shown, stream.text());
            assert!(stream.ended());
            shown
        };
        assert_eq!(run(&[]), "a dög, a cat");
        assert_eq!(run(&[", a".into()]), "a dög");
        assert_eq!(run(&["ög".into(), "d".into()]), "a ");
    }
}
