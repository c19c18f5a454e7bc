//! POPE questions about any annotated pictures, built as the original are from COCO (Li et al.,
//! *Evaluating Object Hallucination in Large Vision-Language Models*, 2023, §5).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use quintet_data::{
    formats::{atomic, coco::Coco},
    scene::tasks::Negative,
};
use rand::{
    SeedableRng,
    seq::{IndexedRandom, SliceRandom},
};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::{Error, Result};

/// How many questions are asked, about which pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Pictures; fewer where fewer have enough objects.
    pub pictures: usize,
    /// Least number of different objects in a picture.
    pub objects: usize,
    /// Questions about a picture in each split; half of them are answered with yes.
    pub questions: usize,
    /// Seed of the choice of pictures and objects.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { pictures: 500, objects: 4, questions: 6, seed: 0 }
    }
}

/// A question, as the official files write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Counted from 1.
    pub question_id: usize,
    /// The picture's file.
    pub image: PathBuf,
    /// The question.
    pub text: String,
    /// `yes` or `no`.
    pub label: &'static str,
}

/// The questions of each split. Their pictures and the objects that are there are the same, so
/// that splits differ in the absent objects only.
///
/// # Errors
/// If no picture has enough objects, or too few names are absent to ask about.
pub fn build(coco: &Coco, settings: &Settings) -> Result<BTreeMap<Negative, Vec<Line>>> {
    let shown = Shown::new(coco);
    let half = settings.questions / 2;
    let names = shown.frequency.len();
    let mut eligible: Vec<_> = shown
        .pictures
        .iter()
        .filter(|(_, objects)| {
            objects.len() >= settings.objects.max(half) && objects.len() + half <= names
        })
        .collect();
    if half == 0 || eligible.is_empty() {
        return Err(Error::Settings(format!(
            "no picture has {} different objects and leaves {half} of {names} names absent",
            settings.objects.max(half)
        )));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    eligible.shuffle(&mut rng);
    eligible.truncate(settings.pictures);
    let mut splits: BTreeMap<Negative, Vec<Line>> = BTreeMap::new();
    for (image, objects) in eligible {
        let mut present: Vec<&str> = objects.iter().copied().collect();
        present.shuffle(&mut rng);
        for split in Negative::ALL {
            let lines = splits.entry(split).or_default();
            let mut taken = objects.clone();
            for there in present.iter().take(half) {
                let absent = shown.absent(there, &taken, split, &mut rng);
                taken.extend(absent);
                let asked = [(Some(*there), "yes"), (absent, "no")];
                for (name, label) in asked.into_iter().filter_map(|(n, label)| Some((n?, label))) {
                    let text = format!("Is there {} in the image?", with_article(name));
                    let question_id = lines.len() + 1;
                    lines.push(Line { question_id, image: image.to_path_buf(), text, label });
                }
            }
        }
    }
    Ok(splits)
}

/// Writes each split to `coco_pope_SPLIT.json` in a folder: one question a line, as the official
/// files are.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Path, splits: &BTreeMap<Negative, Vec<Line>>) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for (split, lines) in splits {
        let path = folder.join(format!("coco_pope_{}.json", split.key()));
        let mut text = String::new();
        for line in lines {
            let line = serde_json::to_string(line)
                .map_err(|e| Error::Io { path: path.clone(), source: e.into() })?;
            text.push_str(&line);
            text.push('\n');
        }
        atomic::write_bytes(&path, text.as_bytes())?;
        paths.push(path);
    }
    Ok(paths)
}

/// What the pictures show.
struct Shown<'a> {
    /// Names in each picture, by file.
    pictures: BTreeMap<&'a Path, BTreeSet<&'a str>>,
    /// Pictures that show each name.
    frequency: BTreeMap<&'a str, usize>,
    /// Pictures that show both of two names.
    together: BTreeMap<(&'a str, &'a str), usize>,
}

impl<'a> Shown<'a> {
    fn new(coco: &'a Coco) -> Self {
        let files: BTreeMap<u64, &Path> =
            coco.images.iter().map(|image| (image.id, image.file_name.as_path())).collect();
        let names: BTreeMap<u64, &str> =
            coco.categories.iter().map(|kind| (kind.id, kind.name.as_str())).collect();
        let mut pictures: BTreeMap<&Path, BTreeSet<&str>> = BTreeMap::new();
        for annotation in &coco.annotations {
            let file = files.get(&annotation.image_id);
            if let Some((file, name)) = file.zip(names.get(&annotation.category_id)) {
                pictures.entry(file).or_default().insert(name);
            }
        }
        let mut frequency = BTreeMap::new();
        let mut together = BTreeMap::new();
        for objects in pictures.values() {
            for name in objects {
                *frequency.entry(*name).or_default() += 1;
                for other in objects {
                    *together.entry((*name, *other)).or_default() += 1;
                }
            }
        }
        Self { pictures, frequency, together }
    }

    /// A name that is to be asked about after an object of the picture and is none of `taken`: any, the
    /// one that most pictures show, or the one that most pictures show beside the object. Where none
    /// was ever beside it, any.
    fn absent(
        &self,
        object: &str,
        taken: &BTreeSet<&str>,
        split: Negative,
        rng: &mut ChaCha8Rng,
    ) -> Option<&'a str> {
        let free: Vec<&str> =
            self.frequency.keys().copied().filter(|name| !taken.contains(name)).collect();
        let beside = |name: &str| self.together.get(&(object, name)).copied();
        // The first of equals, in the order of their names.
        let most = match split {
            Negative::Random => None,
            Negative::Popular => free.iter().min_by_key(|name| Reverse(self.frequency.get(*name))),
            Negative::Adversarial => free
                .iter()
                .filter(|name| beside(name).is_some())
                .min_by_key(|name| Reverse(beside(name))),
        };
        most.or_else(|| free.choose(rng)).copied()
    }
}

/// The letter decides, as in the original questions.
fn with_article(name: &str) -> String {
    let vowel = name.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{} {name}", if vowel { "an" } else { "a" })
}

#[cfg(test)]
mod tests {
    use quintet_data::formats::coco::{Annotation, Category, CocoImage};

    use super::*;

    /// Pictures of these categories, which are called `a0`, `b1`, …
    fn coco(pictures: &[&[u64]]) -> Coco {
        let image = |id: u64| CocoImage {
            id,
            file_name: format!("{id}.png").into(),
            width: 10,
            height: 10,
        };
        let annotation = |image_id: u64, category_id: u64| Annotation {
            id: image_id * 100 + category_id,
            image_id,
            category_id,
            bbox: [0.0, 0.0, 1.0, 1.0],
            area: 1.0,
            iscrowd: 0,
            segmentation: None,
        };
        let name = |id: u64| format!("{}{id}", char::from(b'a' + id as u8));
        let count = pictures.len() as u64;
        let shown = (0..count).zip(pictures);
        Coco {
            images: (0..count).map(image).collect(),
            annotations: shown
                .flat_map(|(i, ids)| ids.iter().map(move |c| annotation(i, *c)))
                .collect(),
            categories: (0..8)
                .map(|id| Category { id, name: name(id), supercategory: String::new() })
                .collect(),
        }
    }

    fn asked(lines: &[Line], image: &str, label: &str) -> Vec<String> {
        let of = lines.iter().filter(|l| l.image == Path::new(image) && l.label == label);
        of.map(|line| line.text.clone()).collect()
    }

    #[test]
    fn absent_objects_are_chosen_as_the_split_says() {
        // 4 and 5 are everywhere but in picture 0; 6 and 7 stand beside its objects.
        let data = coco(&[
            &[0, 1, 2],
            &[4, 5, 3],
            &[4, 5, 3],
            &[4, 5, 3],
            &[4, 5],
            &[0, 1, 6, 7],
            &[0, 2, 6, 7],
            &[1, 2, 6, 7],
        ]);
        let settings = Settings { objects: 3, questions: 4, ..Settings::default() };
        let splits = build(&data, &settings).unwrap();
        let no = |split| asked(&splits[&split], "0.png", "no");
        assert_eq!(
            no(Negative::Popular),
            ["Is there an e4 in the image?", "Is there a f5 in the image?"]
        );
        assert_eq!(
            no(Negative::Adversarial),
            ["Is there a g6 in the image?", "Is there a h7 in the image?"]
        );
        let yes = |split| asked(&splits[&split], "0.png", "yes");
        assert_eq!(yes(Negative::Random), yes(Negative::Adversarial));
        for lines in splits.values() {
            // The picture of two objects is not asked about.
            assert_eq!(lines.len(), 7 * 4);
            assert!(lines.iter().map(|line| line.question_id).eq(1..=28));
            for line in lines {
                let name =
                    line.text.trim_start_matches("Is there a").trim_start_matches('n').trim();
                let name = name.split(' ').next().unwrap();
                let id = u64::from(name.as_bytes()[0] - b'a');
                let there = data.annotations.iter().any(|a| {
                    a.category_id == id && line.image == Path::new(&format!("{}.png", a.image_id))
                });
                assert_eq!(there, line.label == "yes", "{line:?}");
            }
        }
        assert_eq!(build(&data, &settings).unwrap(), splits);
    }

    #[test]
    fn an_adversary_is_a_companion_of_the_very_object_before_it() {
        // Beside 0 often stands 4, beside 1 once 5; 2 and 3 have no other companion.
        let data = coco(&[&[0, 1], &[0, 4], &[0, 4], &[1, 5], &[2, 3]]);
        let settings = Settings { objects: 2, questions: 4, ..Settings::default() };
        let lines = &build(&data, &settings).unwrap()[&Negative::Adversarial];
        let of = |image: &str| -> Vec<&Line> {
            lines.iter().filter(|line| line.image == Path::new(image)).collect()
        };
        for pair in of("0.png").chunks(2) {
            let absent = if pair[0].text.contains("a0") { "an e4" } else { "a f5" };
            assert_eq!(pair[1].text, format!("Is there {absent} in the image?"));
        }
        let labels: Vec<&str> = of("4.png").iter().map(|line| line.label).collect();
        assert_eq!(labels, ["yes", "no", "yes", "no"]);
    }

    #[test]
    fn what_cannot_be_asked_is_told() {
        let error = build(&coco(&[&[0, 1]]), &Settings::default()).unwrap_err().to_string();
        assert!(error.contains("no picture has 4 different objects"), "{error}");
    }

    #[test]
    fn files_hold_a_question_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { objects: 2, questions: 2, ..Settings::default() };
        let splits = build(&coco(&[&[0, 1], &[2, 3]]), &settings).unwrap();
        let paths = write(dir.path(), &splits).unwrap();
        assert!(paths[2].ends_with("coco_pope_adversarial.json"));
        for (path, lines) in paths.iter().zip(splits.values()) {
            let text = std::fs::read_to_string(path).unwrap();
            let read: Vec<serde_json::Value> =
                text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(read.len(), lines.len());
            assert_eq!(read[0]["label"], "yes");
        }
    }
}
