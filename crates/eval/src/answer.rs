//! What a model's words say.

/// The answer to a yes-or-no question: its first word, if that is "yes" or "no".
pub fn yes_or_no(text: &str) -> Option<bool> {
    let word = text.split(|c: char| !c.is_alphabetic()).find(|word| !word.is_empty())?;
    if word.eq_ignore_ascii_case("yes") {
        Some(true)
    } else if word.eq_ignore_ascii_case("no") {
        Some(false)
    } else {
        None
    }
}

/// An answer as it is compared: lower case, without spaces and stops around it.
pub fn plain(text: &str) -> String {
    text.trim().trim_end_matches(['.', '!']).trim_end().to_lowercase()
}

/// The number an answer consists of.
pub fn number(text: &str) -> Option<u32> {
    plain(text).parse().ok()
}

/// The names of a list separated by commas, as they are compared.
pub fn names(text: &str) -> Vec<String> {
    text.split(',').map(plain).filter(|name| !name.is_empty()).collect()
}

/// Every box in a text: `[x1, y1, x2, y2]` in whole percent of a picture's sides.
pub fn boxes(text: &str) -> Vec<[u32; 4]> {
    text.split('[').skip(1).filter_map(|rest| corners(rest.split_once(']')?.0)).collect()
}

fn corners(inside: &str) -> Option<[u32; 4]> {
    let mut numbers = inside.split(',').map(|number| number.trim().parse::<u32>());
    let mut next = || numbers.next()?.ok().filter(|number| *number <= 100);
    let corners = [next()?, next()?, next()?, next()?];
    numbers.next().is_none().then_some(corners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_decides() {
        assert_eq!(yes_or_no("Yes, there is."), Some(true));
        assert_eq!(yes_or_no(" no"), Some(false));
        assert_eq!(yes_or_no("nothing"), None);
        assert_eq!(yes_or_no("I say yes"), None);
        assert_eq!(yes_or_no("…"), None);
    }

    #[test]
    fn answers_are_compared_plainly() {
        assert_eq!(plain("  Red. "), "red");
        assert_eq!(number("3."), Some(3));
        assert_eq!(number("three"), None);
        assert_eq!(names("dog, Apple,, bus."), ["dog", "apple", "bus"]);
        assert!(names("").is_empty());
    }

    #[test]
    fn boxes_are_found_among_words() {
        let text = "a [1, 2, 30, 40] b [5,6,7,99] [1, 2, 3] [1, 2, 3, 4, 5] [x, 1, 2, 3] [0, 0, 101, 3] [9";
        assert_eq!(boxes(text), [[1, 2, 30, 40], [5, 6, 7, 99]]);
        assert_eq!(boxes("[[1, 2, 3, 4]]"), [[1, 2, 3, 4]]);
        assert_eq!(boxes("[-1, 2, 3, 4]"), [[0; 4]; 0]);
    }
}
