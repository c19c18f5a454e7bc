//! From marked pictures to samples and files.

use std::{collections::HashMap, sync::Arc};

use image::RgbImage;
use quintet_data::{
    formats::{OpenOptions, open},
    sample::{Media, Message, Part, Role, Sample},
    scene::Colour,
};

use super::{builder::Wording, *};

fn item(tag: &str, name: &str, bbox: [f32; 4], area: u32, colour: Option<Colour>) -> Item {
    Item { tag: tag.into(), name: name.into(), bbox, area, label: None, colour }
}

/// A dog at the left, a cat at the right, a second dog below in the middle, a bus above it.
fn marked(id: &str) -> MarkedPicture {
    MarkedPicture {
        id: id.into(),
        picture: Media::Image(Arc::new(RgbImage::new(100, 100))),
        size: [100, 100],
        items: vec![
            item("1", "dog", [0.0, 40.0, 20.0, 60.0], 300, Some(Colour::Brown)),
            item("2", "cat", [80.0, 40.0, 100.0, 60.0], 310, Some(Colour::Grey)),
            item("3", "dog", [40.0, 80.0, 60.0, 100.0], 290, None),
            item("4", "bus", [40.0, 0.0, 60.0, 20.0], 900, Some(Colour::Red)),
        ],
        masks: Vec::new(),
    }
}

fn names() -> Vec<String> {
    ["dog", "cat", "bus", "owl", "umbrella"].map(String::from).into()
}

fn builder(settings: Settings) -> Builder {
    Builder::new(settings, names())
}

fn text(message: &Message) -> &str {
    match message.content.last() {
        Some(Part::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_listing_lists_every_mark_in_order() {
    for (format, expected) in [
        (Format::Lines, "1. dog\n2. cat\n3. dog\n4. bus"),
        (Format::Inline, "1. dog, 2. cat, 3. dog, 4. bus"),
    ] {
        let sample = builder(Settings { format, ..Settings::default() }).sample(&marked("a"));
        let sample = sample.unwrap();
        assert_eq!((sample.messages.len(), sample.media.len()), (2, 1));
        assert_eq!(sample.messages[0].content[0], Part::Image);
        assert_eq!(text(&sample.messages[1]), expected);
        let score = ListingScore::of(expected, &marked("a").items);
        assert_eq!(score.accuracy(), Some(1.0));
        assert!(Detector::default().find(expected).len() == 1);
    }
}

#[test]
fn the_instruction_speaks_of_what_is_on_the_marks() {
    let mut lettered = marked("a");
    for (item, tag) in lettered.items.iter_mut().zip(["a", "b", "c", "d"]) {
        item.tag = tag.into();
    }
    for seed in 0..200 {
        let sample = builder(Settings { seed, ..Settings::default() }).sample(&lettered).unwrap();
        let question = text(&sample.messages[0]);
        assert!(!question.contains("number") && !question.contains(['{', '}', '1']), "{question}");
        assert_eq!(text(&sample.messages[1]), "a. dog\nb. cat\nc. dog\nd. bus");
    }
}

#[test]
fn samples_depend_on_the_seed_and_the_picture_alone() {
    let settings = Settings { task: Task::Both, ..Settings::default() };
    let build = |settings: &Settings, id: &str| {
        format!("{:?}", builder(settings.clone()).sample(&marked(id)).unwrap().messages)
    };
    assert_eq!(build(&settings, "a"), build(&settings, "a"));
    assert_ne!(build(&settings, "a"), build(&settings, "b"));
    assert_ne!(build(&settings, "a"), build(&Settings { seed: 1, ..settings.clone() }, "a"));
    let asked = |id: &str| builder(settings.clone()).sample(&marked(id)).unwrap().messages;
    let first: std::collections::HashSet<_> =
        (0..200).map(|i| text(&asked(&i.to_string())[0]).to_owned()).collect();
    assert!(first.len() > 40, "{} instructions", first.len());
}

/// The answers of a small model's form, worked out here from the picture anew.
#[test]
fn every_answer_is_true() {
    let settings = Settings { answers: Wording::Words, turns: 12, ..Settings::default() };
    let mut seen: HashMap<Ask, HashMap<String, usize>> = HashMap::new();
    for i in 0..300 {
        let marked = marked(&i.to_string());
        let of = |tag: &str| marked.items.iter().find(|item| item.tag == tag).unwrap();
        let named = |name: &str| marked.items.iter().filter(|item| item.name == name).count();
        for question in builder(settings.clone()).questions(&marked) {
            let Question { ask, text, answer, subject } = &question;
            assert!(!text.contains(['{', '}']), "{text}");
            let first = subject.first().map(String::as_str).unwrap_or_default();
            let expected = match ask {
                Ask::Name => of(first).name.clone(),
                Ask::Tag => {
                    assert_eq!(named(first), 1);
                    let item = marked.items.iter().find(|item| item.name == first).unwrap();
                    format!("[{}]", item.tag)
                }
                Ask::Count => named(first).to_string(),
                Ask::Presence => if named(first) > 0 { "yes" } else { "no" }.to_owned(),
                Ask::Colour => of(first).colour.unwrap().name().to_owned(),
                Ask::Larger => "[4]".to_owned(),
                Ask::Side | Ask::Direction => {
                    let digits = text.chars().filter(char::is_ascii_digit);
                    let places: Vec<_> = digits.map(|d| of(&d.to_string()).centre()).collect();
                    check_place(*ask, text, places[0], places[1], answer);
                    answer.clone()
                }
            };
            assert_eq!(*answer, expected, "{text}");
            *seen.entry(*ask).or_default().entry(answer.clone()).or_default() += 1;
        }
    }
    assert_eq!(seen.len(), Ask::ALL.len());
    for ask in [Ask::Side, Ask::Presence] {
        let yes = seen[&ask]["yes"] as f32 / seen[&ask].values().sum::<usize>() as f32;
        assert!((0.35..0.65).contains(&yes), "{ask:?}: {yes}");
    }
    assert_eq!(seen[&Ask::Direction].len(), 4);
}

fn check_place(ask: Ask, text: &str, first: [f32; 2], second: [f32; 2], answer: &str) {
    let holds = |side: &str, [x1, y1]: [f32; 2], [x2, y2]: [f32; 2]| match side {
        "left" => x1 < x2,
        "right" => x1 > x2,
        "above" => y1 < y2,
        _ => y1 > y2,
    };
    if ask == Ask::Side {
        let sides = ["left", "right", "above", "below"];
        let side = sides.into_iter().find(|side| text.contains(side)).unwrap();
        assert_eq!(answer == "yes", holds(side, first, second), "{text} {answer}");
        assert!(answer == "yes" || holds(opposite(side), first, second), "{text} {answer}");
    } else {
        // "Where is n, seen from m?" and "Is n left of, …, m?" name n first, the others m.
        let turned = text.starts_with("On") || text.starts_with("In");
        let (n, m) = if turned { (second, first) } else { (first, second) };
        assert!(holds(answer, n, m), "{text} {answer}");
    }
}

fn opposite(side: &str) -> &'static str {
    match side {
        "left" => "right",
        "right" => "left",
        "above" => "below",
        _ => "above",
    }
}

#[test]
fn sentences_speak_of_marks_in_brackets() {
    let settings = Settings { task: Task::Qa, turns: 12, ..Settings::default() };
    let known = [
        "[1] is a dog.",
        "The cat is [2].",
        "There are 2: [1] and [3].",
        "None of the tagged items is an owl.",
        "No, none of the tagged items is an umbrella.",
        "Yes, [1] and [3] are dogs.",
        "Yes, [2] is a cat.",
        "[4] is red.",
        "[4] takes up more of the picture.",
        "[4] is above [3].",
    ];
    let said: Vec<String> = (0..200)
        .flat_map(|i| builder(settings.clone()).questions(&marked(&i.to_string())))
        .map(|question| question.answer)
        .collect();
    for sentence in known {
        assert!(said.iter().any(|answer| answer == sentence), "{sentence}");
    }
}

#[test]
fn tasks_differ_in_what_they_say() {
    let turns = |task, id: &str| {
        let settings = Settings { task, ..Settings::default() };
        builder(settings).sample(&marked(id)).unwrap().messages.len()
    };
    assert_eq!(turns(Task::Listing, "a"), 2);
    assert_eq!((turns(Task::Qa, "a"), turns(Task::Both, "a")), (12, 14));
    let listed = (0..300).filter(|i| turns(Task::Mixed, &i.to_string()) == 2).count();
    assert!((70..130).contains(&listed), "{listed}");
    let empty = MarkedPicture { items: Vec::new(), ..marked("a") };
    assert!(builder(Settings::default()).sample(&empty).is_none());
}

#[test]
fn one_item_alone_has_questions_too() {
    let mut single = marked("a");
    single.items.truncate(1);
    let settings = Settings { task: Task::Qa, ..Settings::default() };
    let sample = Builder::new(settings, Vec::new()).sample(&single).unwrap();
    assert!(sample.messages.len() >= 6);
    assert!(sample.messages.iter().all(|message| !text(message).starts_with("No")));
}

fn samples(count: usize) -> Vec<Sample> {
    let pictures = (0..count).map(|i| marked(&format!("p{i}")));
    pictures.map(|marked| builder(Settings::default()).sample(&marked).unwrap()).collect()
}

#[test]
fn written_samples_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let (parquet, folder) = (dir.path().join("a/rows.parquet"), dir.path().join("llava"));
    let all = samples(5);
    let results = || all.iter().cloned().map(Ok);
    assert_eq!(write_parquet(&parquet, results()).unwrap(), 5);
    assert_eq!(write_llava(&folder, results()).unwrap(), 5);
    for path in [parquet, folder.join("samples.json")] {
        let data = open(&path, OpenOptions::default()).unwrap();
        assert_eq!(data.len(), 5);
        for (i, sample) in all.iter().enumerate() {
            let back = data.get(i).unwrap();
            assert_eq!(back.id, sample.id);
            let turns =
                |s: &Sample| s.messages.iter().map(|m| m.content.clone()).collect::<Vec<_>>();
            assert_eq!(turns(&back), turns(sample));
            let picture = quintet_data::media::decode(&back.media[0]).unwrap();
            assert_eq!(picture.dimensions(), (100, 100));
        }
    }
    assert!(matches!(write_llava(&folder, results()), Err(Error::Exists { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing else is left");
}

#[test]
fn a_failure_leaves_nothing_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let broken = || {
        let error = quintet_data::Error::Sample { id: "x".into(), reason: "broken".into() };
        samples(3).into_iter().map(Ok).chain([Err(Error::from(error))])
    };
    assert!(write_parquet(&dir.path().join("rows.parquet"), broken()).is_err());
    assert!(write_llava(&dir.path().join("llava"), broken()).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_role_of_every_turn_is_right() {
    let settings = Settings { task: Task::Both, ..Settings::default() };
    let sample = builder(settings).sample(&marked("a")).unwrap();
    for (i, message) in sample.messages.iter().enumerate() {
        let role = if i % 2 == 0 { Role::User } else { Role::Assistant };
        assert_eq!(message.role, role);
    }
}
