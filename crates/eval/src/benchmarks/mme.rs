//! MME: two yes-or-no questions about every picture, in fourteen categories (Fu et al., *MME: A
//! Comprehensive Evaluation Benchmark for Multimodal Large Language Models*, 2023).
//!
//! Official: `eval_tool/calculation.py`. Harness: lmms-eval 0.7.3, `tasks/mme`.

use std::{collections::BTreeMap, path::Path};

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

/// The end of every question, and what lmms-eval puts in its place.
const YES_OR_NO: &str = " Please answer yes or no.";
const SHORTLY: &str = "\nAnswer the question using a single word or phrase.";

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
        let mut pairs = BTreeMap::<(&str, String), Vec<bool>>::new();
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
            pairs.entry((&item.group, stem(&item.id))).or_default().push(read == truth);
        }
        let mut categories = BTreeMap::<&str, [Accuracy; 2]>::new();
        for ((category, picture), right) in pairs {
            let &[first, second] = right.as_slice() else {
                return Err(Error::Settings(format!(
                    "MME scores the two questions about a picture together; {category}/{picture} \
                     has {}",
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

/// The picture of an id or of a file's name, without its ending and the number of the question.
fn stem(name: &str) -> String {
    let name = name.rsplit_once('#').map_or(name, |(name, _)| name);
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    let name = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
    name.map_or_else(String::new, |(stem, _)| stem.to_owned())
}

/// Columns between tabs.
fn columns<const N: usize>(line: &str) -> std::result::Result<[&str; N], String> {
    let columns: Vec<&str> = line.split('\t').collect();
    let found = columns.len();
    columns.try_into().map_err(|_| format!("{found} columns between tabs; expected {N}"))
}

/// A folder with one text for each picture.
fn from_folder(folder: &Path, category: &str, pictures: &Path, mode: Mode) -> Result<Vec<Item>> {
    let nested = folder.join("questions_answers_YN");
    let folder = if nested.is_dir() { nested } else { folder.to_owned() };
    let shown = if pictures.is_dir() { files::names(pictures)? } else { Vec::new() };
    let mut items = Vec::new();
    for name in files::names(&folder)?.iter().filter(|name| name.ends_with(".txt")) {
        let picture = shown.iter().find(|shown| stem(shown) == stem(name) && *shown != name);
        let picture = picture.map_or_else(|| stem(name) + ".jpg", Clone::clone);
        let path = folder.join(name);
        let rows = files::lines(&path, &files::text(&path)?, |line| {
            let [question, answer] = columns(line.trim())?;
            Ok((question.to_owned(), answer.to_owned()))
        })?;
        items.extend(pair(&path, category, &picture, pictures, rows, mode)?);
    }
    Ok(items)
}

/// One text for all pictures of a category.
fn from_list(list: &Path, category: &str, pictures: &Path, mode: Mode) -> Result<Vec<Item>> {
    let mut order = Vec::new();
    let mut rows = BTreeMap::<String, Vec<_>>::new();
    files::lines(list, &files::text(list)?, |line| {
        let [picture, question, answer] = columns(line)?;
        let asked = rows.entry(picture.to_owned()).or_insert_with(|| {
            order.push(picture.to_owned());
            Vec::new()
        });
        asked.push((question.to_owned(), answer.trim().to_owned()));
        Ok(())
    })?;
    let mut items = Vec::new();
    for picture in order {
        let rows = rows.remove(&picture).unwrap_or_default();
        items.extend(pair(list, category, &picture, pictures, rows, mode)?);
    }
    Ok(items)
}

/// The two questions about a picture.
fn pair(
    path: &Path,
    category: &str,
    picture: &str,
    pictures: &Path,
    rows: Vec<(String, String)>,
    mode: Mode,
) -> Result<[Item; 2]> {
    let image = files::below(pictures, picture).map_err(|reason| files::malformed(path, reason))?;
    let Ok([first, second]) = <[_; 2]>::try_from(rows) else {
        let reason = format!("expected two questions about {picture:?}");
        return Err(files::malformed(path, reason));
    };
    let item = |number, (question, answer): (String, String)| {
        let truth = answer.to_lowercase();
        if !matches!(truth.as_str(), "yes" | "no") {
            let reason = format!("the answer to {question:?} is {answer:?}; expected Yes or No");
            return Err(files::malformed(path, reason));
        }
        let shorter = question.trim().replace(YES_OR_NO, "") + SHORTLY;
        Ok(Item {
            id: format!("{category}/{picture}#{number}"),
            image: image.clone(),
            prompt: mode.of(question.clone(), shorter),
            question,
            group: category.to_owned(),
            truth,
            options: Vec::new(),
            context: String::new(),
        })
    };
    Ok([item(1, first)?, item(2, second)?])
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
        assert!(error.to_string().contains("count/7 has 1"), "{error}");
        let scores = Mme.score(&items, &answers, Mode::Official, None).unwrap().scores;
        assert_eq!((scores["count.acc"], scores["count.acc_plus"]), (0.5, 0.0));
        assert!(!scores.contains_key("perception"), "a sum over a part is another number");
    }
}
