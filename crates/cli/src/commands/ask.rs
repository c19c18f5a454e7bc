//! `quintet ask`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use image::RgbImage;
use quintet_data::{
    media,
    sample::{Media, Message, Part, Role, Sample},
};
use quintet_eval::answer::boxes;
use serde_json::json;

use crate::{
    failure, frames, interrupt::Interrupt, model::ModelArgs, output, pictures,
    sampling::SamplingArgs,
};

#[derive(clap::Args)]
pub struct Args {
    /// Pictures, videos or folders of frames, then the question; without any, a question about
    /// nothing but itself
    #[arg(required = true, value_name = "IMAGE... QUESTION")]
    words: Vec<String>,
    #[command(flatten)]
    model: ModelArgs,
    /// Save the first picture with a frame around each box of the answer
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Print one JSON object instead of streaming text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Asks once. Ctrl-C ends the answer.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let (question, files) = split(&args.words)?;
    let save = args.save.as_deref().map(frames::Target::new).transpose()?;
    let opened =
        files.iter().map(|file| pictures::open(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let first = opened.first().filter(|(part, _)| *part == Part::Image);
    let picture = first.map(|(_, picture)| media::decode(picture)).transpose()?;
    if save.is_some() && picture.is_none() {
        return Err(failure::usage("--save draws on the first picture, and there is none"));
    }
    let (mut content, media): (Vec<Part>, Vec<Media>) = opened.into_iter().unzip();
    content.push(Part::Text(question.to_owned()));
    let conversation = Sample {
        id: "question".into(),
        messages: vec![Message { role: Role::User, content }],
        media,
    };
    let loaded = args.model.load()?;
    let interrupt = Interrupt::install()?;
    let answer = loaded.answer(&conversation, &args.sampling, interrupt.stop(), |piece| {
        if args.json { Ok(()) } else { output::text(piece) }
    })?;
    let boxes = boxes(&answer.text);
    if args.json {
        let shown: Vec<_> =
            boxes.iter().map(|percent| described(*percent, picture.as_deref())).collect();
        output::json(&json!({
            "model": args.model.model,
            "question": question,
            "answer": answer.text,
            "boxes": shown,
            "ids": answer.ids,
            "tokens": answer.ids.len(),
            "seconds": answer.seconds,
            "tokens_per_s": answer.speed(),
        }))?;
    } else {
        output::text("\n")?;
    }
    if let Some(target) = save {
        if boxes.is_empty() {
            tracing::warn!("the answer has no box; the picture is saved as it is");
        }
        let picture = picture.context("--save draws on the first picture, and there is none")?;
        let mut picture = picture.as_ref().clone();
        frames::draw(&mut picture, &boxes);
        target.write(&picture)?;
    }
    Ok(())
}

/// The question and the files before it.
fn split(words: &[String]) -> anyhow::Result<(&str, &[String])> {
    let (question, files) =
        words.split_last().ok_or_else(|| failure::usage("ask needs a question"))?;
    if question.trim().is_empty() {
        return Err(failure::usage("the question is empty"));
    }
    if Path::new(question).is_file() {
        return Err(failure::usage(format!(
            "the question comes last, but {question} is a file; what do you want to know about it?"
        )));
    }
    Ok((question, files))
}

/// A box, in pixels too where it is known of which picture.
fn described(percent: [u32; 4], picture: Option<&RgbImage>) -> serde_json::Value {
    let pixels = picture.map(|image| frames::pixels(percent, image.width(), image.height()));
    json!({ "percent": percent, "pixels": pixels })
}
