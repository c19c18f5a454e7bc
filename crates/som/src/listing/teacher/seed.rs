//! Examples that the teacher is shown.

use std::path::Path;

use quintet_data::{
    formats::{self, OpenOptions},
    sample::{Media, Message, Part, Role, Sample},
};

use super::{
    super::{
        error::{Error, Result},
        format::Format,
        parse,
    },
    Mode, answer, digest,
};

/// A marked picture with the right answer.
#[derive(Clone, Debug)]
pub struct Seed {
    pub(super) picture: Media,
    /// SHA-256 of the picture.
    pub(super) digest: String,
    pub(super) tags: Vec<String>,
    pub(super) answer: String,
}

impl Seed {
    /// Reads examples from a dataset in any layout that [`formats::open`] reads. Each row has one
    /// marked picture and, for listings, an answer that lists its marks; for conversations, turns
    /// that speak of them as `[3]`.
    ///
    /// # Errors
    /// A row is not such an example.
    pub fn load(path: &Path, mode: Mode) -> Result<Vec<Self>> {
        let data = formats::open(path, OpenOptions::default())?;
        (0..data.len())
            .map(|row| {
                let sample = data.get(row)?;
                Self::new(&sample, mode).map_err(|reason| Error::Seed {
                    path: path.to_owned(),
                    row,
                    reason,
                })
            })
            .collect()
    }

    fn new(sample: &Sample, mode: Mode) -> std::result::Result<Self, String> {
        let [picture] = sample.media.as_slice() else {
            return Err(format!("it has {} pictures; one is needed", sample.media.len()));
        };
        let turns: Vec<(String, String)> = pairs(&sample.messages);
        let (tags, answer) = match mode {
            Mode::Listing => {
                let [(_, listing)] = turns.as_slice() else {
                    return Err(format!("it has {} answers; one listing is needed", turns.len()));
                };
                let entries = match parse::entries(listing, &["1"]) {
                    numbered if !numbered.is_empty() => numbered,
                    _ => parse::entries(listing, &["a"]),
                };
                let tags: Vec<String> = entries.iter().map(|e| e.tag.to_owned()).collect();
                let entries = parse::listing(listing, &tags).map_err(|e| e.to_string())?;
                let answer = Format::Lines.write(entries.iter().map(|e| (e.tag, e.text)));
                (tags, answer)
            }
            Mode::Qa => {
                let lines = turns.iter().map(|(q, a)| format!("Q: {q}\nA: {a}"));
                let answer = lines.collect::<Vec<_>>().join("\n");
                let mut tags: Vec<String> = answer::mentions(&answer).map(str::to_owned).collect();
                tags.sort_by_key(|tag| (tag.len(), tag.clone()));
                tags.dedup();
                answer::turns(mode, &answer, &tags)?;
                (tags, answer)
            }
        };
        let digest = digest::picture(picture).map_err(|error| error.to_string())?;
        Ok(Self { picture: picture.clone(), digest, tags, answer })
    }
}

/// Each question with its answer.
fn pairs(messages: &[Message]) -> Vec<(String, String)> {
    let of = |role| move |message: &&Message| message.role == role;
    let questions = messages.iter().filter(of(Role::User)).map(text);
    let answers = messages.iter().filter(of(Role::Assistant)).map(text);
    questions.zip(answers).collect()
}

/// A turn's words.
fn text(message: &Message) -> String {
    let words = message.content.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.trim()),
        Part::Image | Part::Video => None,
    });
    words.collect::<Vec<_>>().join(" ")
}
