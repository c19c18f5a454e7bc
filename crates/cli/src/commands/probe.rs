//! `quintet probe`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use image::RgbImage;
use quintet_data::{
    Mask,
    formats::atomic,
    sample::{Message, Part, Role, Sample},
};
use quintet_eval::probe::{self, Attended, Select};
use quintet_som::marks::Marks;
use serde::Serialize;
use serde_json::json;

use crate::{
    frames,
    interrupt::Interrupt,
    model::{Loaded, ModelArgs},
    output, pictures,
    sampling::SamplingArgs,
};

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// What each word of an answer attends to in the picture: a page, and a picture for each word
    Attention(Attention),
}

#[derive(clap::Args)]
struct Attention {
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
    /// A layer of the backbone, from 0; the mean of all without it
    #[arg(long, value_name = "N")]
    layer: Option<usize>,
    /// A head, from 0; the mean of all without it
    #[arg(long, value_name = "N")]
    head: Option<usize>,
    /// Highlight the N most attended patches in place of the whole map
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// The record of a marked IMAGE, as `som mark --json FILE --masks` writes it: tells for each tag
    /// of the answer how much of its attention lies inside its own object
    #[arg(long, value_name = "FILE")]
    marks: Option<PathBuf>,
    /// The folder to write index.html and the pictures into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object: each token of the answer, with its most attended patches
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Looks into a model.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Attention(attention) => attention.run(),
    }
}

/// Patches told of each token, unless `--top` says how many.
const TOLD: usize = 5;

impl Attention {
    fn run(&self) -> anyhow::Result<()> {
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
        let select = Select { layer: self.layer, head: self.head };
        let attended = probe::attend(&loaded.model, &loaded.processor, &conversation, select)?;
        let view = probe::view(&loaded.processor, &conversation)?;
        let tags = match &self.marks {
            None => None,
            Some(record) => Some(tags(record, &attended, &loaded)?),
        };
        self.write(&answer, &attended, &view, tags)
    }

    fn write(
        &self,
        answer: &str,
        attended: &Attended,
        view: &RgbImage,
        tags: Option<Vec<Tag>>,
    ) -> anyhow::Result<()> {
        let mut words = Vec::new();
        for token in attended.answer() {
            let map = attended.map(token..token + 1)?;
            let drawn = match self.top {
                Some(k) => probe::highlight(view, &map, k),
                None => probe::heat(view, &map),
            };
            let text = attended.tokens().get(token).context("a token without a text")?;
            let number = token - attended.answer().start;
            let file = format!("{number:03}{}.png", file_part(text));
            frames::Target::new(&self.out.join(&file))?.write(&drawn)?;
            let [_, columns] = map.grid();
            let patches = map.top(self.top.unwrap_or(TOLD)).into_iter().map(|patch| {
                let weight = map.weights().get(patch).copied().unwrap_or_default();
                json!({ "row": patch / columns, "column": patch % columns, "weight": weight })
            });
            words.push(json!({
                "token": text,
                "to_picture": map.to_picture(),
                "patches": patches.collect::<Vec<_>>(),
                "file": file,
            }));
        }
        let page = self.out.join("index.html");
        let text = probe::page(&self.question, attended, view)?;
        atomic::write_bytes(&page, text.as_bytes())?;
        match self.json {
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
                "layer": self.layer,
                "head": self.head,
                "tokens": words,
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

/// What a file name can take of a token: letters and digits, after a hyphen.
fn file_part(token: &str) -> String {
    let letters: String = token.chars().filter(|c| c.is_ascii_alphanumeric()).take(16).collect();
    if letters.is_empty() { letters } else { format!("-{letters}") }
}
