//! What the teacher is told.

use super::{super::item::labels_of, Mode, Tagged};
use crate::marks::Labels;

/// The instructions, with what keeps marks from being given to distant objects that are easier to
/// describe (the paper's §4.3 and appendix A.4).
pub(super) fn system(mode: Mode) -> String {
    let marks = "You are shown a picture on which marks were placed: small numbers or letters. Each \
        mark stands for the thing or region that lies directly beneath it, and for nothing else. \
        Look at the place of each mark before you write about it. Never give a mark to an object \
        somewhere else in the picture, however large, striking or easy to describe that object \
        is. If a mark lies on a part of something, or on a wall, the ground or the sky, then that \
        is what it stands for. If you cannot tell what lies under a mark, describe what can be \
        seen there.";
    let task = match mode {
        Mode::Listing => {
            "Write a list with one line for each mark, in the order of the marks: the mark, a full \
             stop, and a phrase of one to twelve words that says what the mark stands for, with \
             the colour, material or action that sets it apart. Every mark gets exactly one line. \
             Write nothing before or after the list."
        }
        Mode::Qa => {
            "Write a conversation between a person who looks at the picture and an assistant who \
             sees it too. Ask about kinds, counts, colours, actions, positions and relations of \
             marked things, and about conclusions that the picture supports; ask only what it \
             answers without doubt. Speak of a marked thing by its mark in square brackets, such \
             as [3], and of at least one mark in every question or its answer. Write each question \
             on a line that begins with \"Q: \" and its answer on the next, which begins with \
             \"A: \". Write nothing else."
        }
    };
    format!("{marks}\n\n{task}")
}

/// The question about one picture.
pub(super) fn question(mode: Mode, tags: &[String], turns: usize) -> String {
    let kind = match labels_of(tags) {
        Labels::Number => "numbers",
        Labels::Letter => "letters",
    };
    let tags = tags.join(", ");
    match mode {
        Mode::Listing => format!("The marks are the {kind} {tags}. List what each stands for."),
        Mode::Qa => {
            format!("The marks are the {kind} {tags}. Write {turns} questions and answers.")
        }
    }
}

/// The request for another answer.
pub(super) fn again(reason: &str) -> String {
    format!("That answer cannot be used: {reason}. Write the whole answer again.")
}

/// About how long an answer is.
pub(super) fn answer_tokens(mode: Mode, picture: &Tagged, turns: usize) -> u64 {
    match mode {
        Mode::Listing => 14 * picture.tags.len() as u64,
        Mode::Qa => 60 * turns as u64,
    }
}
