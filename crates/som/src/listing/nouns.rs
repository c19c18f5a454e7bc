//! Enough English to speak of things: articles, plurals, and when two names are the same.

/// Plurals that no rule gives. A compound takes the plural of its last word.
const IRREGULAR: &[(&str, &str)] = &[
    ("person", "people"),
    ("man", "men"),
    ("woman", "women"),
    ("human", "humans"),
    ("child", "children"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("goose", "geese"),
    ("mouse", "mice"),
    ("ox", "oxen"),
    ("leaf", "leaves"),
    ("loaf", "loaves"),
    ("half", "halves"),
    ("calf", "calves"),
    ("shelf", "shelves"),
    ("bookshelf", "bookshelves"),
    ("scarf", "scarves"),
    ("wolf", "wolves"),
    ("knife", "knives"),
    ("wife", "wives"),
    ("thief", "thieves"),
    ("potato", "potatoes"),
    ("tomato", "tomatoes"),
    ("tornado", "tornadoes"),
    ("volcano", "volcanoes"),
    ("mango", "mangoes"),
    ("hero", "heroes"),
];

/// Words that stay as they are.
const UNCHANGED: &[&str] = &[
    "sheep", "deer", "shrimp", "dice", "sushi", "broccoli", "aircraft", "series", "species",
    "grass", "corn",
];

/// Words that are plural and name one thing.
const PAIRS: &[&str] = &[
    "skis",
    "scissors",
    "glasses",
    "sunglasses",
    "goggles",
    "binoculars",
    "headphones",
    "pants",
    "trousers",
    "jeans",
    "shorts",
    "pliers",
    "tongs",
];

/// The plural of a name.
pub(super) fn plural(name: &str) -> String {
    if let Some((head, tail)) = name.split_once(" of ") {
        return format!("{} of {tail}", plural(head));
    }
    let start = name.rfind(' ').map_or(0, |space| space + 1);
    let (before, word) = name.split_at(start);
    format!("{before}{}", plural_word(word))
}

fn plural_word(word: &str) -> String {
    if let Some((_, plural)) = IRREGULAR.iter().find(|(singular, _)| *singular == word) {
        return (*plural).to_owned();
    }
    if UNCHANGED.contains(&word) || PAIRS.contains(&word) || word.ends_with("fish") {
        return word.to_owned();
    }
    let after_vowel = |stem: &str| stem.ends_with(['a', 'e', 'i', 'o', 'u']);
    match word {
        _ if word.ends_with(['s', 'x', 'z']) || word.ends_with("ch") || word.ends_with("sh") => {
            format!("{word}es")
        }
        _ => match (word.strip_suffix('y'), word.strip_suffix("man")) {
            (Some(stem), _) if !stem.is_empty() && !after_vowel(stem) => format!("{stem}ies"),
            (_, Some(stem)) => format!("{stem}men"),
            _ => format!("{word}s"),
        },
    }
}

/// The name behind its indefinite article: "a dog", "an apple", "a pair of scissors".
pub(super) fn with_article(name: &str) -> String {
    let last = name.rsplit(' ').next().unwrap_or(name);
    if PAIRS.contains(&last) {
        return format!("a pair of {name}");
    }
    // The sound decides, not the letter.
    let consonant = ["uni", "use", "usa", "ute", "eu", "one"];
    let vowel = ["hour", "honest", "heir"];
    let begins = |sounds: &[&str]| sounds.iter().any(|sound| name.starts_with(sound));
    let an = begins(&vowel) || name.starts_with(['a', 'e', 'i', 'o', 'u']) && !begins(&consonant);
    format!("{} {name}", if an { "an" } else { "a" })
}

/// A name as it is compared: lower case, without articles, quotes, emphasis and closing stops;
/// hyphens and underscores are spaces.
pub(super) fn normal(name: &str) -> String {
    let lower = name.to_lowercase().replace(['-', '_'], " ");
    let text = lower.trim_matches(|c: char| !c.is_alphanumeric());
    let mut words = text.split_whitespace().peekable();
    if let Some("a" | "an" | "the" | "one" | "some") = words.peek().copied() {
        // "a" alone may be all there is to say.
        if text.contains(char::is_whitespace) {
            words.next();
        }
    }
    words.collect::<Vec<_>>().join(" ")
}

/// Whether two names are the same after [`normal`], or one is the other's plural.
pub(super) fn same(one: &str, other: &str) -> bool {
    let (one, other) = (normal(one), normal(other));
    !one.is_empty() && (one == other || plural(&one) == other || plural(&other) == one)
}

#[cfg(test)]
mod tests {
    use quintet_data::scene::NAMES;

    use super::*;

    #[test]
    fn plurals_and_articles_agree_with_the_scenes() {
        // "ears of corn" is no plural of a word.
        for name in NAMES.iter().filter(|name| name.name != "corn") {
            assert_eq!(plural(name.name), name.plural);
            if !PAIRS.contains(&name.name) {
                assert_eq!(with_article(name.name), name.with_article());
            }
        }
    }

    #[test]
    fn coco_speaks_english() {
        for (name, many, one) in [
            ("person", "people", "a person"),
            ("skis", "skis", "a pair of skis"),
            ("scissors", "scissors", "a pair of scissors"),
            ("wine glass", "wine glasses", "a wine glass"),
            ("toothbrush", "toothbrushes", "a toothbrush"),
            ("sheep", "sheep", "a sheep"),
            ("orange", "oranges", "an orange"),
            ("cup of tea", "cups of tea", "a cup of tea"),
            ("toy", "toys", "a toy"),
            ("snowman", "snowmen", "a snowman"),
        ] {
            assert_eq!((plural(name).as_str(), with_article(name).as_str()), (many, one));
        }
    }

    #[test]
    fn names_are_the_same_up_to_case_articles_and_number() {
        for (one, other) in [
            ("cat", "Cat"),
            ("a cat.", "cat"),
            ("The  hot-dog", "hot dog"),
            ("cookies", "cookie"),
            ("people", "a person"),
            ("**mouse**", "mice"),
            ("\"tv\"", "TV"),
        ] {
            assert!(same(one, other) && same(other, one), "{one} {other}");
        }
        for (one, other) in [("cat", "a brown cat"), ("cat", "cattle"), ("", ""), ("the", "a")] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
