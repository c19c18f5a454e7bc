//! How listings and questions about marks are worded.
//!
//! Words in braces are gaps. Those about tags have two fillings, for numbers and for letters.

use crate::marks::Labels;

/// Instructions to list every mark (the paper's §4.4 uses 40).
pub const LISTING: [&str; 48] = [
    "List the {tagged} items in the image one by one.",
    "Please list every {tagged} object in this picture, in order.",
    "Go through the {tags} in the image and name what each one marks.",
    "Each object carries {a_tag}. Name the objects in {order} order.",
    "Enumerate the objects that are marked with {tags}.",
    "What does each {tag} in the image stand for? Answer as a list.",
    "I have put {a_tag} on each object in the picture. Please say what they are, one by one.",
    "For each {tag} in the picture, give the name of the object under it.",
    "Write a list of the marked objects, starting with {first}.",
    "Identify the object at every {tag}.",
    "Read the {tags} in {order} order and tell me what each is placed on.",
    "Which object belongs to which {tag}? List them all.",
    "Label by label, what objects are marked in this image?",
    "Take the {tags} one after another and name the item each one points to.",
    "Give me an inventory of everything that has {a_tag} on it.",
    "There are {tags} on some things in this picture. What are these things?",
    "Name all {tagged} things you see, following the {order} order.",
    "Make a {tagged} list of the objects marked in the image.",
    "Start at {first} and list what every mark in the picture shows.",
    "Please go over the marks in this image and tell me what each of them is on.",
    "Match every {tag} with its object.",
    "Tell me the name of the item behind each {tag}.",
    "The image has {tags} drawn on it. List the item that goes with each.",
    "Describe in a word or two what lies under each {tag}.",
    "What are the {tagged} objects? Go in {order} order and leave none out.",
    "Provide a complete list of the tagged items.",
    "Look at the {tags}. For every one of them, write down the object it is attached to.",
    "Could you list the objects by their {tags}?",
    "Can you tell me, {tag} by {tag}, what is in this picture?",
    "List all of the marked regions and what they contain.",
    "Everything of interest here has {a_tag}. Name it all, from {first} onwards.",
    "Go from {tag} to {tag} and name what you find.",
    "Which items were tagged in this image? Please give them in order.",
    "Some objects have been marked with {tags}; enumerate them with their names.",
    "Report the object at each mark, keeping the order of the {tags}.",
    "Spell out what every {tag} refers to.",
    "I need to know what each {tag} in the photo marks. Please list it.",
    "Use the {tags} in the image to list its objects.",
    "Write one entry for each {tag}: the {tag}, then the name of the object.",
    "Count through the {tags} and say what each one is.",
    "Please recognise the {tagged} objects one at a time.",
    "Fill in the legend of this picture: what does each {tag} mean?",
    "Walk me through the marked items in {order} order.",
    "Beginning with {first}, what is each tagged thing?",
    "Name the thing under every tag in the image.",
    "List the contents of the image by the {tags} placed on them.",
    "For all {tags} visible in the picture, what are the corresponding objects?",
    "Catalogue the tagged objects, one after the other.",
];

/// What is asked about marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// The name of the item at a tag.
    Name,
    /// The tags of the items of a name.
    Tag,
    /// How many items have a name.
    Count,
    /// Whether one item lies on a side of another.
    Side,
    /// On which side of another an item lies.
    Direction,
    /// Whether an item of a name is tagged.
    Presence,
    /// The colour of the item at a tag.
    Colour,
    /// Which of two items takes up more of the picture.
    Larger,
}

impl Ask {
    /// Every kind.
    pub const ALL: [Ask; 8] = [
        Ask::Name,
        Ask::Tag,
        Ask::Count,
        Ask::Side,
        Ask::Direction,
        Ask::Presence,
        Ask::Colour,
        Ask::Larger,
    ];

    /// The wordings of its questions.
    pub fn wordings(self) -> &'static [&'static str] {
        match self {
            Ask::Name => &[
                "What is the item at {tag} {n}?",
                "What is [{n}]?",
                "Which object is tagged {n}?",
                "Name the object marked {n}.",
                "What does {tag} {n} stand for?",
                "What do you see at [{n}]?",
                "Tell me what [{n}] is.",
            ],
            Ask::Tag => &[
                "Which {tag} is on the {name}?",
                "Where is the {name}? Answer with its {tag}.",
                "Which mark belongs to the {name}?",
                "What is the {name} tagged with?",
                "Find the {name}.",
                "Give the {tag} of the {name}.",
                "Point at the {name}.",
            ],
            Ask::Count => &[
                "How many {plural} are tagged?",
                "How many of the {tagged} items are {plural}?",
                "Count the {plural} that carry {a_tag}.",
                "How many {plural} are marked in the image?",
                "Among the marks, how many are on {plural}?",
            ],
            Ask::Side => &[
                "Is [{n}] {side} [{m}]?",
                "Is item {n} {side} item {m}?",
                "Is the object tagged {n} {side} the one tagged {m}?",
                "Does [{n}] lie {side} [{m}]?",
            ],
            Ask::Direction => &[
                "Where is [{n}], seen from [{m}]?",
                "On which side of [{m}] is [{n}]?",
                "In which direction from item {m} is item {n}?",
                "Is [{n}] left of, right of, above or below [{m}]?",
            ],
            Ask::Presence => &[
                "Is there {a} among the {tagged} items?",
                "Is any of the tagged objects {a}?",
                "Has {a} been marked?",
                "Do the {tags} mark {a} somewhere?",
                "Does {a} carry {a_tag}?",
            ],
            Ask::Colour => &[
                "What colour is [{n}]?",
                "What color is the item tagged {n}?",
                "Which colour does the object at {tag} {n} have?",
                "Tell me the color of [{n}].",
            ],
            Ask::Larger => &[
                "Which takes up more of the picture, [{n}] or [{m}]?",
                "Which of [{n}] and [{m}] covers the larger area?",
                "Does [{n}] or [{m}] fill more of the image?",
            ],
        }
    }
}

/// The fillings of the gaps about tags, for numbers and letters.
const TAGS: [(&str, [&str; 2]); 6] = [
    ("{tag}", ["number", "letter"]),
    ("{tags}", ["numbers", "letters"]),
    ("{a_tag}", ["a number", "a letter"]),
    ("{tagged}", ["numbered", "lettered"]),
    ("{order}", ["numerical", "alphabetical"]),
    ("{first}", ["1", "a"]),
];

/// Fills the gaps about tags.
pub(super) fn fill(wording: &str, labels: Labels) -> String {
    TAGS.iter().fold(wording.to_owned(), |text, (gap, [numbers, letters])| {
        text.replace(gap, if labels == Labels::Number { numbers } else { letters })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_wording_repeats_and_each_reads_as_a_sentence() {
        let questions = Ask::ALL.iter().flat_map(|ask| ask.wordings());
        let all: Vec<&str> = LISTING.iter().chain(questions).copied().collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        for text in all {
            assert!(text.ends_with(['.', '?']) && !text.contains("  "), "{text}");
            assert!(text.starts_with(char::is_uppercase), "{text}");
        }
    }

    #[test]
    fn listing_has_no_gap_left_and_letters_differ_from_numbers() {
        let mut differ = 0;
        for wording in LISTING {
            let [numbers, letters] =
                [Labels::Number, Labels::Letter].map(|labels| fill(wording, labels));
            assert!(!numbers.contains(['{', '}']) && !letters.contains("number"), "{wording}");
            differ += usize::from(numbers != letters);
        }
        assert!(differ >= 40, "{differ}");
    }
}
