//! MME: two yes-or-no questions about every picture, in fourteen categories (Fu et al., *MME: A
//! Comprehensive Evaluation Benchmark for Multimodal Large Language Models*, 2023).
//!
//! Official: `eval_tool/calculation.py`. Harness: lmms-eval 0.7.3, `tasks/mme`.

mod layout;

use std::{collections::BTreeMap, path::Path};

use self::layout::{columns, from_folder, from_list, stem};
use super::{Answers, Benchmark, Item, Judge, Mode, Outcome, files, python};
use crate::{Error, Result, metrics::Accuracy};

/// What a model sees.
const PERCEPTION: [&str; 10] = [
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
];

/// What a model thinks about what it sees.
const COGNITION: [&str; 4] =
    ["commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning"];

/// MME.
pub struct Mme;

impl Benchmark for Mme {
    fn name(&self) -> &'static str {
        "mme"
    }

    fn rule(&self, mode: Mode) -> &'static str {
        mode.of("MME's eval_tool/calculation.py", "lmms-eval 0.7.3, task mme")
    }

    fn differences(&self) -> &'static [&'static str] {
        &["lmms-eval asks to \"Answer the question using a single word or phrase.\" instead of to \
           \"Please answer yes or no.\""]
    }

    /// A folder with, for some or all categories, a folder of texts `QUESTION<tab>ANSWER`, two
    /// lines for each picture (in `questions_answers_YN` beside `images`, or beside the pictures),
    /// or a text `CATEGORY.txt` of `PICTURE<tab>QUESTION<tab>ANSWER`, as in MME's `eval_tool`.
    fn read(&self, path: &Path, images: Option<&Path>, mode: Mode) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for category in PERCEPTION.iter().chain(&COGNITION) {
            let home = images.unwrap_or(path).join(category);
            let pictures = Some(home.join("images")).filter(|f| f.is_dir()).unwrap_or(home);
            let (folder, list) = (path.join(category), path.join(format!("{category}.txt")));
            if folder.is_dir() {
                items.extend(from_folder(&folder, category, &pictures, mode)?);
            } else if list.is_file() {
                items.extend(from_list(&list, category, &pictures, mode)?);
            }
        }
        match items.is_empty() {
            true => Err(files::malformed(path, "no category of MME, such as existence")),
            false => Ok(items),
        }
    }

    /// Also a folder of texts `CATEGORY.txt` of `PICTURE<tab>QUESTION<tab>ANSWER<tab>SAID`, as
    /// MME's script reads them.
    fn read_answers(&self, items: &[Item], path: &Path) -> Result<Answers> {
        if !path.is_dir() {
            return super::answers::read(items, path);
        }
        let key = |item: &Item| (item.group.clone(), stem(&item.id), item.question.clone());
        let ids: BTreeMap<_, _> = items.iter().map(|item| (key(item), item.id.as_str())).collect();
        let mut answers = Answers::default();
        for category in PERCEPTION.iter().chain(&COGNITION) {
            let list = path.join(format!("{category}.txt"));
            if !list.is_file() {
                continue;
            }
            let rows = files::lines(&list, &files::text(&list)?, |line| {
                let [picture, question, _, said] = columns(line)?;
                let key = ((*category).to_owned(), stem(picture), question.to_owned());
                let id = ids.get(&key).ok_or_else(|| {
                    format!("{question:?} is not asked about {picture:?} in these questions")
                })?;
                Ok(((*id).to_owned(), said.to_owned()))
            })?;
            files::distinct(&list, rows.iter().map(|(id, _)| id.as_str()))?;
            answers.extend(rows.into_iter().collect());
        }
        Ok(answers)
    }

    /// Of each category: accuracy over questions (`acc`), over pictures with both questions right
    /// (`acc_plus`), and their sum in points (`score`, at most 200). `perception` (at most 2000)
    /// and `cognition` (at most 800) where all their categories were asked.
    fn score(
        &self,
        items: &[Item],
        answers: &Answers,
        mode: Mode,
        _: Option<&dyn Judge>,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::new(self, mode, items.len());
        let mut pairs = BTreeMap::<(&str, &Path), Vec<bool>>::new();
        for (item, text) in answers.texts(items)? {
            let said = [official(text), harness(text)];
            let truth = Some(item.truth == "yes");
            let read = mode.of(said[0], said[1]);
            if read.is_none() {
                outcome.unreadable.push(item.id.clone());
            }
            if (said[0] == truth) != (said[1] == truth) {
                let words = said.map(|said| match said {
                    Some(true) => "yes".to_owned(),
                    Some(false) => "no".to_owned(),
                    None => "other".to_owned(),
                });
                outcome.disagree(item, text, words, reason(text, said));
            }
            pairs.entry((&item.group, &item.image)).or_default().push(read == truth);
        }
        let mut categories = BTreeMap::<&str, [Accuracy; 2]>::new();
        for ((category, picture), right) in pairs {
            let &[first, second] = right.as_slice() else {
                return Err(Error::Settings(format!(
                    "MME scores the two questions about a picture together; {} has {}",
                    picture.display(),
                    right.len()
                )));
            };
            let [acc, acc_plus] = categories.entry(category).or_default();
            acc.add(first);
            acc.add(second);
            acc_plus.add(first && second);
        }
        for (category, [acc, acc_plus]) in &categories {
            outcome.set(format!("{category}.acc"), acc.value());
            outcome.set(format!("{category}.acc_plus"), acc_plus.value());
            outcome.set(format!("{category}.score"), points(acc, acc_plus));
        }
        for (sum, parts) in [("perception", &PERCEPTION[..]), ("cognition", &COGNITION)] {
            let scores = parts.iter().map(|part| categories.get(part));
            let scores = scores.map(|part| part.map(|[acc, acc_plus]| points(acc, acc_plus)));
            if let Some(total) = scores.sum::<Option<f64>>() {
                outcome.set(sum, total);
            }
        }
        Ok(outcome)
    }
}

fn points(acc: &Accuracy, acc_plus: &Accuracy) -> f64 {
    100.0 * acc.value() + 100.0 * acc_plus.value()
}

/// "yes", or else "no", among the first four characters in lower case.
fn first_four(lower: &str) -> Option<bool> {
    let four: String = lower.chars().take(4).collect();
    match (four.contains("yes"), four.contains("no")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

fn official(text: &str) -> Option<bool> {
    first_four(&text.to_lowercase())
}

/// As the official script, but stops and white space around are removed first, and the letters y
/// and n alone are taken.
fn harness(text: &str) -> Option<bool> {
    match python::strip(&text.to_lowercase()).replace('.', "").as_str() {
        "y" => Some(true),
        "n" => Some(false),
        lower => first_four(lower),
    }
}

fn reason(text: &str, said: [Option<bool>; 2]) -> &'static str {
    let stripped = first_four(python::strip(&text.to_lowercase()));
    match stripped == said[1] {
        true => {
            "lmms-eval removes white space before it takes four characters; the script does not"
        }
        false => "lmms-eval takes y and n alone and removes full stops first; the script does not",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_each_mode_reads() {
        let (yes, no) = (Some(true), Some(false));
        for (text, ours, theirs) in [
            ("Yes", yes, yes),
            ("Yes, it is.", yes, yes),
            ("no.", no, no),
            ("Not at all", no, no),
            ("I know", None, None),
            ("know", no, no),
            ("   yes", None, yes),
            ("\n\n no", None, no),
            ("y", None, yes),
            ("N", None, no),
            ("y.", None, yes),
            ("...no", None, no),
            ("The answer is yes", None, None),
            ("", None, None),
        ] {
            assert_eq!((official(text), harness(text)), (ours, theirs), "{text:?}");
        }
    }

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn each_layout_gives_the_same_questions() {
        let pair =
            "Is it? Please answer yes or no.\tYes\nIs it not? Please answer yes or no.\tNo\n";
        let ids = |dir: &Path| {
            let items = Mme.read(dir, None, Mode::Official).unwrap();
            items.iter().map(|item| item.id.clone()).collect::<Vec<_>>()
        };
        let expected = ["count/7.png#1", "count/7.png#2"];
        let flat = tempfile::tempdir().unwrap();
        write(flat.path(), "count/7.txt", pair);
        write(flat.path(), "count/7.png", "");
        assert_eq!(ids(flat.path()), expected);
        let nested = tempfile::tempdir().unwrap();
        write(nested.path(), "count/questions_answers_YN/7.txt", pair);
        write(nested.path(), "count/images/7.png", "");
        assert_eq!(ids(nested.path()), expected);
        let list = tempfile::tempdir().unwrap();
        write(
            list.path(),
            "count.txt",
            &pair.lines().map(|l| format!("7.png\t{l}\n")).collect::<String>(),
        );
        assert_eq!(ids(list.path()), expected);

        let items = Mme.read(nested.path(), None, Mode::Harness).unwrap();
        assert_eq!(items[0].image, nested.path().join("count/images/7.png"));
        assert_eq!(items[0].prompt, "Is it?\nAnswer the question using a single word or phrase.");
    }

    #[test]
    fn questions_come_in_pairs() {
        let dir = tempfile::tempdir().unwrap();
        let error = |name: &str, text: &str| {
            let path = write(dir.path(), name, text);
            let error = Mme.read(dir.path(), None, Mode::Official).unwrap_err().to_string();
            std::fs::remove_file(path).unwrap();
            error
        };
        assert!(error("count/7.txt", "Is it?\tYes\n").contains("7.txt: expected two questions"));
        assert!(error("count/7.txt", "Is it? Yes\n").contains("7.txt, row 0: 1 columns"));
        assert!(error("count/7.txt", "a\tYes\nb\tMaybe\n").contains("\"b\" is \"Maybe\""));
        assert!(error("other.txt", "").contains("no category of MME"));

        write(dir.path(), "count/7.txt", "a\tYes\nb\tNo\n");
        let items = Mme.read(dir.path(), None, Mode::Official).unwrap();
        let answers = Answers::from_iter(items.iter().map(|item| (item.id.clone(), "yes")));
        let error = Mme.score(&items[..1], &answers, Mode::Official, None).unwrap_err();
        assert!(error.to_string().contains("count/7.jpg has 1"), "{error}");
        let scores = Mme.score(&items, &answers, Mode::Official, None).unwrap().scores;
        assert_eq!((scores["count.acc"], scores["count.acc_plus"]), (0.5, 0.0));
        assert!(!scores.contains_key("perception"), "a sum over a part is another number");
    }
}
