//! `quintet chat`.

use std::{
    io::{BufRead, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use quintet_data::sample::{Message, Part, Role, Sample};
use serde_json::json;

use super::ask::medium;
use crate::{
    model::{DeviceArg, Loaded},
    sampling::SamplingArgs,
};

#[derive(clap::Args)]
pub struct Args {
    /// A bundled model, a key of `quintet models`, a path or a hub name
    #[arg(long, short, default_value = "mini")]
    model: String,
    /// Pictures or videos to talk about from the start
    #[arg(long, value_name = "FILE")]
    image: Vec<String>,
    /// Instructions before the conversation
    #[arg(long)]
    system: Option<String>,
    /// Print one JSON object per answer
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
}

/// Answers line by line. Ctrl-C stops an answer; at the prompt, Ctrl-D or `/quit` leaves.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut shown = args.image.iter().map(medium).collect::<anyhow::Result<Vec<_>>>()?;
    let loaded = Loaded::open(&args.model, args.device)?;
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, stop.clone())?;
    let fresh = || Sample {
        id: "chat".into(),
        messages: args.system.iter().map(|text| Message::text(Role::System, text)).collect(),
        media: Vec::new(),
    };
    let mut conversation = fresh();
    let interactive = std::io::stdin().is_terminal();
    let mut lines = std::io::stdin().lock().lines();
    if interactive {
        eprintln!("/image FILE adds a picture, /reset forgets, /quit leaves");
    }
    loop {
        if interactive {
            eprint!("> ");
        }
        let Some(line) = lines.next().transpose()? else { return Ok(()) };
        let line = line.trim();
        match line.split_once(' ').map_or((line, ""), |(word, rest)| (word, rest.trim())) {
            ("", _) => continue,
            ("/quit", _) => return Ok(()),
            ("/reset", _) => conversation = fresh(),
            ("/image", file) => match medium(&file.to_owned()) {
                Ok(picture) => shown.push(picture),
                Err(error) => eprintln!("error: {error:#}"),
            },
            _ => {
                let mut content = Vec::new();
                for (part, picture) in shown.drain(..) {
                    content.push(part);
                    conversation.media.push(picture);
                }
                content.push(Part::Text(line.to_owned()));
                conversation.messages.push(Message { role: Role::User, content });
                stop.store(false, Ordering::Relaxed);
                let mut out = std::io::stdout().lock();
                let answer = loaded.answer(&conversation, &args.sampling, &stop, |piece| {
                    if !args.json {
                        // A closed pipe ends nothing but the printing.
                        let _ = write!(out, "{piece}").and_then(|()| out.flush());
                    }
                })?;
                match args.json {
                    true => {
                        let speed = answer.tokens as f64 / answer.seconds;
                        let (text, tokens) = (&answer.text, answer.tokens);
                        let object =
                            json!({ "answer": text, "tokens": tokens, "tokens_per_s": speed });
                        writeln!(out, "{object}")?;
                    }
                    false => writeln!(out)?,
                }
                conversation.messages.push(Message::text(Role::Assistant, answer.text));
            }
        }
    }
}
