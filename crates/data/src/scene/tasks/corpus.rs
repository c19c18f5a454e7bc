//! All that questions and answers can say, for training a tokenizer.

use super::{
    kind::TaskKind,
    phrase::{Terms, phrasings},
    place::{Side, percent_text},
};
use crate::scene::{colour::Colour, names::NAMES, words::WORDS};

/// Texts in which every name, colour, word, number and wording occurs.
///
/// Wordings that speak of two names pair each name with its neighbour in the table.
pub fn corpus() -> impl Iterator<Item = String> {
    let boxes = (0..100u32).map(|i| {
        let box_of = [i, (i + 37) % 100, (i + 61) % 100, (i + 83) % 100];
        percent_text(box_of.map(|v| v as f32), 100)
    });
    let pairs = || NAMES.iter().zip(NAMES.iter().cycle().skip(1));
    let questions = TaskKind::ALL.into_iter().flat_map(phrasings).flat_map(move |wording| {
        pairs().enumerate().map(move |(i, (name, other))| {
            let v = i as f32 % 100.0;
            let terms = Terms {
                name: Some(name),
                other: Some(other),
                side: Side::ALL.get(i % 4).copied(),
                place: Some(percent_text([v, 99.0 - v, v, 99.0 - v], 100)),
            };
            terms.fill(wording)
        })
    });
    let lists = pairs().map(|(name, other)| format!("{}, {}", name.name, other.name));
    let single = NAMES
        .iter()
        .map(|name| name.name)
        .chain(Colour::ALL.map(Colour::name))
        .chain(WORDS.iter().copied())
        .chain(Side::ALL.map(Side::name))
        .chain(["yes", "no"])
        .map(str::to_owned);
    let counts = (0..=8).map(|n: u32| n.to_string());
    questions.chain(lists).chain(single).chain(boxes).chain(counts)
}

/// How questions and answers spell a class of things that scenes show (a name, or after all names
/// a word), with the space that stands before it. Empty if there is no such class.
pub fn spellings(class: u16) -> Vec<String> {
    let class = usize::from(class);
    match (NAMES.get(class), class.checked_sub(NAMES.len()).and_then(|word| WORDS.get(word))) {
        (Some(name), _) => {
            vec![name.name.to_owned(), format!(" {}", name.name), format!(" {}", name.plural)]
        }
        (None, Some(word)) => vec![(*word).to_owned()],
        (None, None) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_says_everything_and_leaves_no_gap() {
        let all: Vec<_> = corpus().collect();
        assert!(all.iter().all(|text| !text.contains(['{', '}'])));
        let has = |wanted: &str| all.iter().any(|text| text == wanted);
        assert!(has("stop") && has("grey") && has("yes") && has("6") && has("dog"));
        assert!(has("What color is the dog?"));
        assert!(has("How many mice are in the picture?"));
        assert!((0..100).all(|n| all.iter().any(|t| t.starts_with(&format!("[{n}, ")))));
    }

    #[test]
    fn every_class_is_spelled_as_the_corpus_spells_it() {
        let all: Vec<_> = corpus().collect();
        let classes = (NAMES.len() + WORDS.len()) as u16;
        for spelling in (0..classes).flat_map(spellings) {
            assert!(all.iter().any(|text| text.contains(&spelling)), "{spelling:?}");
        }
        assert!(spellings(0).len() == 3 && spellings(classes - 1) == ["winter"]);
        assert!(spellings(classes).is_empty());
    }
}
