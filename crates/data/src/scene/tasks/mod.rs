//! Questions about scenes, with the answers that follow from the annotations.

mod ask;
mod corpus;
mod kind;
mod phrase;
mod place;

pub use ask::{Asker, Phrasing, Question};
pub use corpus::{corpus, spellings};
pub use kind::{Negative, TaskKind};
pub use place::{DOMINANT, Side, percent, percent_text};

use std::sync::Arc;

use super::build::Scene;
use crate::sample::{Media, Message, Part, Role, Sample};

/// A conversation about a scene: the picture stands before the first question.
pub fn conversation(id: String, scene: Scene, questions: &[Question]) -> Sample {
    let mut messages = Vec::with_capacity(2 * questions.len());
    for question in questions {
        messages.push(Message::text(Role::User, &question.text));
        messages.push(Message::text(Role::Assistant, &question.answer));
    }
    match messages.first_mut() {
        Some(first) => first.content.insert(0, Part::Image),
        None => messages.push(Message { role: Role::User, content: vec![Part::Image] }),
    }
    Sample { id, messages, media: vec![Media::Image(Arc::new(scene.image))] }
}
