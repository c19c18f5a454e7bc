//! MME's files of questions.

use std::{collections::BTreeMap, path::Path};

use super::super::{Item, Mode, files};
use crate::Result;

/// The end of every question, and what lmms-eval puts in its place.
const YES_OR_NO: &str = " Please answer yes or no.";
const SHORTLY: &str = "\nAnswer the question using a single word or phrase.";

/// The picture of an id or of a file's name, without its ending and the number of the question.
pub(super) fn stem(name: &str) -> String {
    let name = name.rsplit_once('#').map_or(name, |(name, _)| name);
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
}

/// Columns between tabs.
pub(super) fn columns<const N: usize>(line: &str) -> std::result::Result<[&str; N], String> {
    let columns: Vec<&str> = line.split('\t').collect();
    let found = columns.len();
    columns.try_into().map_err(|_| format!("{found} columns between tabs; expected {N}"))
}

/// A folder with one text for each picture.
pub(super) fn from_folder(
    folder: &Path,
    category: &str,
    pictures: &Path,
    mode: Mode,
) -> Result<Vec<Item>> {
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
pub(super) fn from_list(
    list: &Path,
    category: &str,
    pictures: &Path,
    mode: Mode,
) -> Result<Vec<Item>> {
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
