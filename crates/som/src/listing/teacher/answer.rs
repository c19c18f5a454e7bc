//! What makes an answer usable.

use super::{super::parse, Mode};

/// A question and its answer; of a listing, a tag and its description.
pub(super) type Pair = (String, String);

/// Reads an answer.
///
/// # Errors
/// It is not usable; the text says why.
pub(super) fn turns(mode: Mode, text: &str, tags: &[String]) -> Result<Vec<Pair>, String> {
    match mode {
        Mode::Listing => {
            let entries = parse::listing(text, tags).map_err(|reject| reject.to_string())?;
            let entry = |entry: &parse::Entry| (entry.tag.to_owned(), entry.text.to_owned());
            Ok(entries.iter().map(entry).collect())
        }
        Mode::Qa => conversation(text, tags),
    }
}

/// Questions and answers on lines that begin with `Q:` and `A:`; lines between go on with the one
/// before them.
fn conversation(text: &str, tags: &[String]) -> Result<Vec<Pair>, String> {
    let mut pairs: Vec<(String, Option<String>)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (speaker(line), pairs.last_mut()) {
            (Some((true, question)), None | Some((_, Some(_)))) => {
                pairs.push((question.to_owned(), None));
            }
            (Some((true, question)), _) => {
                return Err(format!("the question before {question:?} has no answer"));
            }
            (Some((false, answer)), Some((_, open @ None))) => *open = Some(answer.to_owned()),
            (Some((false, answer)), _) => {
                return Err(format!("the answer {answer:?} has no question"));
            }
            (None, Some((_, Some(before)) | (before, None))) => {
                before.push(' ');
                before.push_str(line);
            }
            (None, None) => {
                return Err("it does not begin with a line \"Q: …\"".into());
            }
        }
    }
    let mut whole = Vec::with_capacity(pairs.len());
    for (question, answer) in pairs {
        let answer = answer.ok_or("the last question has no answer")?;
        if ![&question, &answer].iter().all(|text| text.contains(char::is_alphanumeric)) {
            return Err("a question or answer is empty".into());
        }
        let mentioned: Vec<&str> = mentions(&question).chain(mentions(&answer)).collect();
        if mentioned.is_empty() {
            return Err(format!("{question:?} and its answer speak of no mark, such as [1]"));
        }
        let known = |tag: &&&str| !tags.iter().any(|other| parse::same(other, tag));
        if let Some(unknown) = mentioned.iter().find(known) {
            return Err(format!("it speaks of [{unknown}], which is not in the picture"));
        }
        whole.push((question, answer));
    }
    if whole.is_empty() { Err("it has no questions".into()) } else { Ok(whole) }
}

/// Whether a line is a question (or else an answer), and what is said.
fn speaker(line: &str) -> Option<(bool, &str)> {
    let plain = |c: char| matches!(c, '*' | '_' | '#' | '-' | '>') || c.is_whitespace();
    let rest = line.trim_start_matches(plain);
    let names = [("question", true), ("q", true), ("answer", false), ("a", false)];
    names.iter().find_map(|(name, asks)| {
        let head = rest.get(..name.len())?;
        let tail = rest.get(name.len()..)?.trim_start_matches([' ', '*', '_']);
        let tail = tail.trim_start_matches(|c: char| c.is_ascii_digit());
        let said = tail.trim_start_matches([' ', '*', '_']).strip_prefix(':')?;
        head.eq_ignore_ascii_case(name).then(|| (*asks, said.trim_matches(plain)))
    })
}

/// What stands in square brackets and looks like a tag.
pub(super) fn mentions(text: &str) -> impl Iterator<Item = &str> {
    text.split('[').skip(1).filter_map(|rest| {
        let tag = rest.split_once(']')?.0;
        let like_a_tag = !tag.is_empty() && tag.len() <= 4;
        (like_a_tag && tag.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Pair>, String> {
        turns(Mode::Qa, text, &["1".to_owned(), "2".to_owned()])
    }

    #[test]
    fn conversations_are_read_in_the_usual_spellings() {
        let expected = [
            ("What is [1]?".to_owned(), "A red cat.".to_owned()),
            ("Is it left of [2]?".to_owned(), "Yes, [1] is left of [2].".to_owned()),
        ];
        for text in [
            "Q: What is [1]?\nA: A red cat.\nQ: Is it left of [2]?\nA: Yes, [1] is left of [2].",
            "**Q:** What is [1]?\n**A:** A red\ncat.\n\nQ2: Is it left of [2]?\nA2: Yes, [1] is left of [2].",
            "Question 1: What is [1]?\nAnswer: A red cat.\n\n**Question 2**: Is it left of [2]?\nAnswer 2: Yes, [1] is left of [2].",
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_usable_says_why() {
        for (text, reason) in [
            ("", "no questions"),
            ("Here you go:\nQ: [1]?\nA: cat", "does not begin with"),
            ("Q: What is [1]?", "the last question has no answer"),
            ("Q: What is [1]?\nQ: And [2]?\nA: cat", "has no answer"),
            ("A: cat", "has no question"),
            ("Q: [1]?\nA: cat\nA: dog", "has no question"),
            ("Q: What is [1]?\nA: ", "empty"),
            ("Q: What is it?\nA: a cat", "speak of no mark"),
            ("Q: What is [3]?\nA: a cat", "[3], which is not in the picture"),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(reason), "{text:?}: {found}");
        }
    }

    #[test]
    fn mentions_are_short_words_in_brackets() {
        let found: Vec<_> = mentions("[1], [aa] and [not this one] [] [2").collect();
        assert_eq!(found, ["1", "aa"]);
    }
}
