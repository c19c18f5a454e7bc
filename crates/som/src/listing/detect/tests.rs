use std::io::Write;

use quintet_data::formats::{OpenOptions, open};

use super::*;

/// Texts with exactly one listing, its kind, whether it is in one line, and its entries.
const LISTINGS: &[(&str, Kind, bool, usize)] = &[
    ("1. person\n2. cat\n3. dog", Kind::Numbered, false, 3),
    ("1. person, 2. cat, 3. dog.", Kind::Numbered, true, 3),
    ("The items are 1. person, 2. cat, and 3. dog.", Kind::Numbered, true, 3),
    ("1) wash\n2) rinse\n3) repeat\n4) dry", Kind::Numbered, false, 4),
    ("[1] a lamp\n[2] a desk\n[3] a chair", Kind::Numbered, false, 3),
    ("You need (1) flour, (2) eggs and (3) milk.", Kind::Numbered, true, 3),
    (
        "**1. Speed**: it is fast.\n\n**2. Price**: cheap.\n\n**3. Size**: small.",
        Kind::Numbered,
        false,
        3,
    ),
    ("**1**: cat\n**2**: dog\n**3**: bird", Kind::Numbered, false, 3),
    ("Tag 1: cat\nTag 2: dog\nTag 3: bird", Kind::Numbered, false, 3),
    ("Step 1: mix.\nThen wait.\nStep 2: bake.\nStep 3: eat.", Kind::Numbered, false, 3),
    ("### 1. Intro\ntext\n### 2. Body\ntext\n### 3. End\ntext", Kind::Numbered, false, 3),
    ("1. Paris has 2. 5 million people\n2. Lyon\n3. Nice", Kind::Numbered, false, 3),
    (
        "Reasons:\n 1. It rains.\n    Every day.\n 2. It is cold.\n 3. It is dark.",
        Kind::Numbered,
        false,
        3,
    ),
    ("1. one\n  1. x\n  2. y\n2. two\n3. three", Kind::Numbered, false, 3),
    ("1. one\n  1. x\n2. two\n  1. y\n3. three", Kind::Numbered, false, 3),
    ("1. one\n 2. two\n 3. three", Kind::Numbered, false, 3),
    ("a) red\nb) green\nc) blue", Kind::Lettered, false, 3),
    ("A. Paris\nB. London\nC. Rome\nD. Bonn", Kind::Lettered, false, 4),
    ("Choose (a) red, (b) green, or (c) blue.", Kind::Lettered, true, 3),
    ("- milk\n- eggs\n- bread", Kind::Bulleted, false, 3),
    ("Buy:\n* milk\n\n* eggs\n* bread\nand go home", Kind::Bulleted, false, 3),
    ("• one thing\n  that goes on\n• another\n• a third", Kind::Bulleted, false, 3),
];

/// Texts that only look like listings.
const OTHERS: &[&str] = &[
    "",
    "A dog sits on a mat.",
    "In 1999. In 2000. In 2001. Nothing happened.",
    "It weighs 1.5 kg, 2.5 kg or 3.5 kg.",
    "He left at 1:00, came back at 2:00 and slept at 3:00.",
    "See Section 1.1, Section 1.2 and Section 2.1.",
    "Section 2.1\nSection 2.2\nSection 2.3",
    "1. This is the only point.",
    "1. person\n2. cat",
    "As shown in [1], [2] and [3], it works.",
    "Equations (1) and (2) and (3) are solved first.",
    "From (1) to (2) to (3).",
    "He scored 1. She scored 2. They scored 3. All were glad.",
    "Figure 1. A cat. Figure 2. A dog. Figure 3. A bird.",
    "3. third\n4. fourth\n5. fifth",
    "1. one\n3. three\n5. five",
    "1.\n2.\n3.",
    "1. 2. 3. go",
    "J. Smith, A. Jones, B. Brown and C. Green wrote it.",
    "Blood groups A, B, and C",
    "I live at 1 Main St., 2 blocks from 3 shops.",
    "The code is 001. The next is 002. The last is 003.",
    "10. ten\n11. eleven\n12. twelve",
    "- a single dash",
    "Well - you know - it is - fine.",
    "--\n--\n--",
    "* * *\n* * *\n* * *",
    "-1\n-2\n-3",
    "It costs $1. 2. 3.",
    "The ratio is 1:2:3 and the date 1.2.2003.",
    "1. Mai 2003",
    "e.g. this, i.e. that, etc.",
    "a cat and a dog and a bird",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "1, 2, 3, go!",
    "Point 1 is here\nPoint 2 is there\nPoint 3 is gone",
];

#[test]
fn listings_are_found_and_told_apart() {
    for (text, kind, inline, entries) in LISTINGS {
        let found = Detector::default().find(text);
        assert_eq!(found.len(), 1, "{text:?}: {found:?}");
        assert_eq!(
            (found[0].kind, found[0].inline, found[0].entries),
            (*kind, *inline, *entries),
            "{text:?}"
        );
    }
}

#[test]
fn what_only_looks_like_one_is_not_found() {
    for text in OTHERS {
        assert_eq!(Detector::default().find(text), [], "{text:?}");
    }
}

#[test]
fn the_span_is_the_listing() {
    let text = "Of course.\n1. cat\n2. dog\n3. a bird\n\nBye. (a) x";
    let found = Detector::default().find(text);
    assert_eq!(&text[found[0].span.clone()], "1. cat\n2. dog\n3. a bird");
    let text = "Two: 1. a é, 2. b, 3. c.\nBye";
    let found = Detector::default().find(text);
    assert_eq!(&text[found[0].span.clone()], "1. a é, 2. b, 3. c.");
}

#[test]
fn several_listings_are_several() {
    let text =
        "Good:\n1. a cat\n2. a dog\n3. a bird\nBad:\n1. rain\n2. snow\n3. hail\n- x y\n- z\n- w";
    let found = Detector::default().find(text);
    assert_eq!(found.iter().map(|l| l.entries).collect::<Vec<_>>(), [3, 3, 3]);
    assert_eq!(found[2].kind, Kind::Bulleted);
    assert!(found.is_sorted_by_key(|l| l.span.start));
}

#[test]
fn fewer_entries_ask_for_less() {
    for least in 1..=6 {
        let found = Detector { least }.find("1. cat\n2. dog\n3. bird\n4. cow");
        assert_eq!(found.len(), usize::from(least <= 4), "{least}");
    }
    assert_eq!(Detector { least: 2 }.find("1. cat, 2. dog").len(), 1);
}

#[test]
fn no_text_breaks_the_detector() {
    let pieces =
        ["1", "2.", " ", "\n", "(a)", "b)", "**", "é", "- ", ",", "3", "Step ", "[1] ", "x"];
    let mut state = 11usize;
    for _ in 0..20_000 {
        let text: String = (0..14)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                pieces[(state >> 33) % pieces.len()]
            })
            .collect();
        for listing in (Detector { least: 1 }).find(&text) {
            assert!(text.get(listing.span.clone()).is_some_and(|s| !s.is_empty()), "{text:?}");
        }
    }
}

#[test]
fn a_dataset_is_counted_by_speaker_and_kind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    let turn = |from: &str, value: &str| serde_json::json!({"from": from, "value": value});
    let row = |turns: Vec<serde_json::Value>| {
        serde_json::json!({"id": turns.len(), "conversations": turns}).to_string()
    };
    let mut file = std::fs::File::create(&path).unwrap();
    let numbered = "1. cat\n2. dog\n3. bird";
    for line in [
        row(vec![turn("human", "Which?\nA. cat\nB. dog\nC. cow"), turn("gpt", "A")]),
        row(vec![
            turn("system", "Be brief."),
            turn("human", "List."),
            turn("gpt", numbered),
            turn("human", "Again."),
            turn("gpt", "- a b\n- c\n- d\n\n(a) x, (b) y, (c) z"),
        ]),
        r#"{"id": 9}"#.to_owned(),
        row(vec![turn("human", "Hi"), turn("gpt", "1. cat, 2. dog, 3. bird")]),
    ] {
        writeln!(file, "{line}").unwrap();
    }
    let data = open(&path, OpenOptions::default()).unwrap();
    let mut seen = 0;
    let share = share(data.as_ref(), &Detector::default(), 1, |done| seen = done);
    assert_eq!((seen, share.rows, share.rows_with, share.unreadable), (4, 3, 2, 1));
    assert!(share.first_error.unwrap().contains("row 2: no conversation"));
    assert_eq!(share.answers, Turns { all: 4, with: 3 });
    assert_eq!(share.questions, Turns { all: 4, with: 1 });
    assert_eq!(share.systems, Turns { all: 1, with: 0 });
    assert_eq!((share.answers.share(), share.inline), (0.75, 2));
    let kinds: Vec<_> = share.kinds.into_iter().collect();
    assert_eq!(kinds, [(Kind::Numbered, 2), (Kind::Lettered, 1), (Kind::Bulleted, 1)]);
    assert_eq!(share.examples.len(), 1);
    assert_eq!((share.examples[0].row, share.examples[0].id.as_str()), (1, "5"));
}
