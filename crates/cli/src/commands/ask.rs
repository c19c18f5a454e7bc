//! `quintet ask`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::Context;
use quintet_data::{
    media,
    sample::{Media, Message, Part, Role, Sample},
};
use serde_json::json;

use crate::{
    drawing,
    model::{DeviceArg, Loaded},
    sampling::SamplingArgs,
};

#[derive(clap::Args)]
pub struct Args {
    /// Pictures or videos, then the question
    #[arg(required = true, value_name = "IMAGE... QUESTION")]
    words: Vec<String>,
    /// A bundled model, a key of `quintet models`, a path or a hub name
    #[arg(long, short, default_value = "mini")]
    model: String,
    /// Save the first picture with the boxes of the answer drawn in
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Print one JSON object instead of streaming text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
}

/// Asks once.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let Some((question, files)) = args.words.split_last() else {
        anyhow::bail!("no question");
    };
    if files.is_empty() && Path::new(question).exists() {
        anyhow::bail!("no question: say what you want to know about {question}");
    }
    let media = files.iter().map(medium).collect::<anyhow::Result<Vec<_>>>()?;
    let mut content: Vec<Part> = media.iter().map(|(part, _)| part.clone()).collect();
    content.push(Part::Text(question.clone()));
    let conversation = Sample {
        id: "question".into(),
        messages: vec![Message { role: Role::User, content }],
        media: media.into_iter().map(|(_, medium)| medium).collect(),
    };
    let loaded = Loaded::open(&args.model, args.device)?;
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, stop.clone())?;
    let mut out = std::io::stdout().lock();
    let answer = loaded.answer(&conversation, &args.sampling, &stop, |piece| {
        if !args.json {
            // A closed pipe ends nothing but the printing.
            let _ = write!(out, "{piece}").and_then(|()| out.flush());
        }
    })?;
    let boxes = drawing::boxes(&answer.text);
    if args.json {
        let object = json!({
            "model": args.model,
            "question": question,
            "answer": answer.text,
            "boxes": boxes,
            "tokens": answer.tokens,
            "seconds": answer.seconds,
            "tokens_per_s": answer.tokens as f64 / answer.seconds,
        });
        writeln!(out, "{object}")?;
    } else {
        writeln!(out)?;
    }
    if let Some(path) = &args.save {
        save(path, conversation.media.first(), &boxes)?;
    }
    Ok(())
}

/// A picture, or a video where the file is one.
pub fn medium(file: &String) -> anyhow::Result<(Part, Media)> {
    const VIDEOS: [&str; 6] = ["mp4", "mov", "mkv", "webm", "avi", "gif"];
    let path = PathBuf::from(file);
    if !path.exists() {
        anyhow::bail!("{file}: no such file");
    }
    let video = path.is_dir()
        || path.extension().is_some_and(|end| VIDEOS.iter().any(|v| end.eq_ignore_ascii_case(v)));
    if video {
        return Ok((Part::Video, Media::File(path)));
    }
    // Decoded at once, so that a bad picture is reported before a model is loaded.
    Ok((Part::Image, Media::Image(media::decode_file(&path)?)))
}

fn save(path: &Path, medium: Option<&Media>, boxes: &[[u32; 4]]) -> anyhow::Result<()> {
    let medium = medium.context("--save needs a picture")?;
    if boxes.is_empty() {
        eprintln!("the answer has no box; saving the picture as it is");
    }
    let mut picture = media::decode(medium)?.as_ref().clone();
    drawing::draw(&mut picture, boxes);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .suffix(".png")
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .with_context(|| format!("{}: cannot write", path.display()))?;
    picture.write_to(&mut file, image::ImageFormat::Png)?;
    file.persist(path).with_context(|| format!("{}: cannot write", path.display()))?;
    Ok(())
}
