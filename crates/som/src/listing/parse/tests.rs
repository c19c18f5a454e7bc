use super::*;

fn read(text: &str, tags: &[&str]) -> Result<Vec<String>, String> {
    let entries = listing(text, tags).map_err(|reject| reject.to_string())?;
    Ok(entries.iter().map(|entry| entry.text.to_owned()).collect())
}

#[test]
fn the_usual_spellings_are_read() {
    for text in [
        "1. cat\n2. a dog, asleep",
        "1) cat\n2) a dog, asleep",
        "[1] cat\n[2] a dog, asleep",
        "(1) cat\n(2): a dog, asleep",
        "**1**: cat\n**2**: a dog, asleep",
        "**1.** cat\n**2.** a dog, asleep",
        "**1. cat**\n**2. a dog, asleep**",
        "Tag 1: cat\nTag 2: a dog, asleep",
        "tag #1 - cat\nitem [2] a dog, asleep",
        "- 1: cat\n- 2: a dog, asleep",
        "* **[1]**: cat\n* **[2]**: a dog, asleep",
        "1 - cat\n2 – a dog, asleep",
        "### 1. cat\n\n### 2. a dog, asleep\n",
        "Here is the list:\n\n1.) cat\r\n2.) a dog, asleep",
        "1.cat\n2.a dog, asleep",
        "1. cat, 2. a dog, asleep",
        "1. cat; 2. a dog, asleep",
        "The items are: 1. cat, and 2. a dog, asleep",
        "[1] cat, [2] a dog, asleep",
        "1: cat, 2: a dog, asleep",
    ] {
        assert_eq!(read(text, &["1", "2"]).unwrap(), ["cat", "a dog, asleep"], "{text:?}");
    }
}

#[test]
fn letters_are_read_in_either_case() {
    for text in ["a. cat\nb. dog", "A) cat\nB) dog", "[a] cat\n[b] dog", "a. cat, b. dog"] {
        assert_eq!(read(text, &["a", "b"]).unwrap(), ["cat", "dog"], "{text:?}");
    }
    let tags = ["z", "aa"];
    assert_eq!(read("z. a cat\naa. a dog", &tags).unwrap(), ["a cat", "a dog"]);
    assert_eq!(read("a: at 9 a.m. in bed", &["a"]).unwrap(), ["at 9 a.m. in bed"]);
}

#[test]
fn numbers_in_descriptions_are_no_entries() {
    let text = "1. a sign that says 2\n2. a clock, 3.5 m high, at 2:30\n3. bus no. 1. It is red.";
    let read = read(text, &["1", "2", "3"]).unwrap();
    assert_eq!(read[1], "a clock, 3.5 m high, at 2:30");
    assert_eq!(read[2], "bus no. 1. It is red.");
}

#[test]
fn other_texts_are_rejected_with_the_reason() {
    for (text, reason) in [
        ("", "no entries"),
        ("A cat and two dogs.", "no entries"),
        ("I'm sorry, but I can't help with that.", "no entries"),
        ("1. cat", "tag 2 is missing"),
        ("2. dog", "tag 1 is missing"),
        ("1. cat\n1. cat\n2. dog", "tag 1 is there twice"),
        ("1. cat\n2. dog\n3. bird", "tag 3 is not in the picture"),
        ("2. dog\n1. cat", "tag 2 is out of order"),
        ("1. cat\n2.", "tag 2 has no description"),
        ("1. cat\n2. …", "tag 2 has no description"),
        ("1. cat\n2. dog\n\nLet me know!", "\"Let me know!\" belongs to no tag"),
        ("1. cat\n   - asleep\n2. dog", "\"- asleep\" belongs to no tag"),
        ("1. cat, 2. dog, 2. dog", "tag 2 is there twice"),
    ] {
        let found = read(text, &["1", "2"]).unwrap_err();
        assert!(found.contains(reason), "{text:?}: {found}");
    }
}

#[test]
fn what_is_written_is_read() {
    use crate::listing::Format;
    let entries = [("1", "person"), ("2", "a cat"), ("3", "tv")];
    for format in [Format::Lines, Format::Inline] {
        let text = format.write(entries);
        let back = listing(&text, &["1", "2", "3"]).unwrap();
        assert!(back.iter().zip(entries).all(|(e, (tag, text))| (e.tag, e.text) == (tag, text)));
    }
}

#[test]
fn no_text_breaks_the_reader() {
    let pieces = ["1", ".", " ", "\n", "[", "]", "**", "é", "a", ",", "2", ")", "#", "tag ", "–"];
    let mut state = 7usize;
    for _ in 0..20_000 {
        let text: String = (0..12)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                pieces[(state >> 33) % pieces.len()]
            })
            .collect();
        for tags in [["1", "2"], ["a", "b"]] {
            for entry in entries(&text, &tags) {
                assert!(text.contains(entry.text) && text.contains(entry.tag));
            }
        }
    }
}
