//! `quintet probe attention`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use quintet_data::{
    Mask,
    sample::{Message, Part, Role, Sample},
};
use quintet_eval::probe::{self, Attended};
use quintet_som::marks::Marks;
use serde::Serialize;
use serde_json::json;

use super::view::ViewArgs;
use crate::{
    interrupt::Interrupt,
    model::{Loaded, ModelArgs},
    output, pictures,
    sampling::SamplingArgs,
};

#[derive(clap::Args)]
pub struct Args {
    /// The picture
    #[arg(value_name = "IMAGE")]
    image: String,
    /// What is asked about it
    #[arg(value_name = "QUESTION")]
    question: String,
    #[command(flatten)]
    model: ModelArgs,
    /// The answer to look at, instead of the model's own
    #[arg(long, value_name = "TEXT")]
    answer: Option<String>,
    /// The record of a marked IMAGE, as `som mark --json FILE --masks` writes it: tells for each tag
    /// of the answer how much of its attention lies inside its own object
    #[arg(long, value_name = "FILE")]
    marks: Option<PathBuf>,
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Stands before the words of the question for the mean of all of them, as in the paper's Figure 2.
const MEAN: &str = "(question)";

impl Args {
    /// Shows what a question and its answer look at.
    pub fn run(&self) -> anyhow::Result<()> {
        let (part, picture) = pictures::open(&self.image)?;
        anyhow::ensure!(part == Part::Image, "{}: a video; a probe looks at a picture", self.image);
        let loaded = self.model.load()?;
        loaded.must_see()?;
        // What is looked at should be what the model computes, not what rounding leaves of it.
        loaded.model.params().unpack();
        let content = vec![Part::Image, Part::Text(self.question.clone())];
        let mut conversation = Sample {
            id: "question".into(),
            messages: vec![Message { role: Role::User, content }],
            media: vec![picture],
        };
        let answer = match &self.answer {
            Some(answer) => answer.clone(),
            None => {
                let stop = Interrupt::install()?;
                loaded.answer(&conversation, &self.sampling, stop.stop(), |_| Ok(()))?.text
            }
        };
        anyhow::ensure!(!answer.is_empty(), "the model said nothing; give an --answer to look at");
        conversation.messages.push(Message::text(Role::Assistant, &answer));
        let select = self.view.select();
        let attended = probe::attend(&loaded.model, &loaded.processor, &conversation, select)?;
        let view = probe::view(&loaded.processor, &conversation)?;
        let tags = match &self.marks {
            None => None,
            Some(record) => Some(tags(record, &attended, &loaded)?),
        };
        let asked = attended.words(attended.question())?;
        let whole = attended.map(attended.question())?;
        let said = attended.words(attended.answer())?;
        let split = 1 + asked.len();
        let words = [vec![(MEAN.to_owned(), whole)], asked, said].concat();
        let (mut told, page) = self.view.write(&self.question, &view, &words, &[])?;
        let told_of_answer = told.split_off(split);
        match self.view.json {
            false => {
                for Tag { tag, name, inside, area } in tags.into_iter().flatten() {
                    let name = name.unwrap_or_default();
                    output::line(format_args!(
                        "{tag:>3} {name:<16} inside {inside:.3} (by chance {area:.3})"
                    ))?;
                }
                output::line(page.display())
            }
            true => output::json(&json!({
                "model": self.model.model,
                "question": self.question,
                "answer": answer,
                "layer": select.layer,
                "head": select.head,
                "question_tokens": told,
                "tokens": told_of_answer,
                "tags": tags,
                "page": page,
            })),
        }
    }
}

/// Where a tag of the answer looks.
#[derive(Serialize)]
struct Tag {
    tag: String,
    name: Option<String>,
    /// Of its attention to the picture, the share inside its own object.
    inside: f64,
    /// The share of the picture that the object covers.
    area: f64,
}

/// The tags that the answer names, `3.` or `[3]`.
fn tags(record: &Path, attended: &Attended, loaded: &Loaded) -> anyhow::Result<Vec<Tag>> {
    let marks = Marks::load(record)?;
    let images = loaded.processor.images.as_ref().context("the model has no image processor")?;
    let placement = images.placement(marks.width, marks.height)?;
    let mut tags = Vec::new();
    for mark in marks.marks {
        let said = [format!("{}.", mark.tag), format!("[{}]", mark.tag)];
        let start = attended.answer().start;
        let Some(tokens) = said.iter().find_map(|said| attended.find(said, start)) else {
            continue;
        };
        let place = || format!("{}, tag {}", record.display(), mark.tag);
        let runs = mark.mask.with_context(|| format!("{}: no mask; use --masks", place()))?;
        let mask = runs.decode().map_err(|reason| anyhow::anyhow!("{}: {reason}", place()))?;
        anyhow::ensure!(
            [mask.width(), mask.height()] == [marks.width, marks.height],
            "{}: the mask is of another size than the picture",
            place()
        );
        let mask = Mask::from_coco(&mask).with_context(|| format!("{}: empty mask", place()))?;
        let map = attended.map(tokens)?;
        tags.push(Tag {
            tag: mark.tag,
            name: mark.name,
            inside: map.inside(&mask, &placement),
            area: map.area(&mask, &placement),
        });
    }
    anyhow::ensure!(
        !tags.is_empty(),
        "the answer names no tag of {}, as in 3. or [3]",
        record.display()
    );
    Ok(tags)
}
