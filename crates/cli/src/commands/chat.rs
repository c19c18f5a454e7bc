//! `quintet chat`.

use std::io::{IsTerminal, Stdin, Write};

use quintet_data::sample::{Media, Message, Part, Role, Sample};
use serde_json::json;

use crate::{
    failure,
    interrupt::Interrupt,
    model::{Loaded, ModelArgs},
    output, pictures,
    sampling::SamplingArgs,
};

const HELP: &str = "/image FILE adds a picture or video to your next line, /reset forgets the \
                    conversation, /quit or Ctrl-D leaves, Ctrl-C ends an answer";

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Pictures or videos to talk about from the start
    #[arg(long, value_name = "FILE")]
    image: Vec<String>,
    /// Instructions before the conversation
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Print one JSON object per answer
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Answers line by line. Without a terminal the lines are read as they come, and the first
/// failure ends the chat.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut chat = Chat::new(args)?;
    let stdin = std::io::stdin();
    let interactive = stdin.is_terminal();
    if interactive {
        eprintln!("{HELP}");
    }
    while let Some(line) = chat.read(&stdin, interactive)? {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        let done = match word {
            "" => Ok(()),
            "/quit" => return Ok(()),
            "/reset" => {
                chat.reset();
                Ok(())
            }
            "/image" => chat.show(rest.trim()),
            command if command.starts_with('/') => {
                Err(anyhow::anyhow!("no command {command}; {HELP}"))
            }
            _ => chat.answer(&line),
        };
        match done {
            Err(error) if interactive => eprintln!("error: {}", failure::one_line(&error)),
            done => done?,
        }
    }
    Ok(())
}

struct Chat<'a> {
    args: &'a Args,
    loaded: Loaded,
    history: Sample,
    /// What the next line is about.
    shown: Vec<(Part, Media)>,
    interrupt: Interrupt,
}

impl<'a> Chat<'a> {
    fn new(args: &'a Args) -> anyhow::Result<Self> {
        let shown =
            args.image.iter().map(|file| pictures::open(file)).collect::<anyhow::Result<_>>()?;
        let loaded = args.model.load()?;
        if !args.image.is_empty() {
            loaded.must_see()?;
        }
        let (history, interrupt) = (Sample::default(), Interrupt::install()?);
        let mut chat = Self { args, loaded, history, shown: Vec::new(), interrupt };
        chat.reset();
        Ok(Self { shown, ..chat })
    }

    /// Forgets what was said and what was to be shown.
    fn reset(&mut self) {
        self.history = Sample {
            id: "chat".into(),
            messages: self.args.system.iter().map(|t| Message::text(Role::System, t)).collect(),
            media: Vec::new(),
        };
        self.shown.clear();
    }

    /// The next line, `None` at the end.
    fn read(&self, stdin: &Stdin, interactive: bool) -> anyhow::Result<Option<String>> {
        if interactive {
            let mut prompt = std::io::stderr();
            prompt.write_all(b"> ")?;
            prompt.flush()?;
        }
        self.interrupt.waiting();
        let mut line = String::new();
        let read = stdin.read_line(&mut line)?;
        self.interrupt.working();
        Ok((read > 0).then(|| line.trim().to_owned()))
    }

    fn show(&mut self, file: &str) -> anyhow::Result<()> {
        anyhow::ensure!(!file.is_empty(), "/image needs the name of a file");
        self.loaded.must_see()?;
        self.shown.push(pictures::open(file)?);
        Ok(())
    }

    /// Answers a line. One that fails leaves the conversation as it was.
    fn answer(&mut self, line: &str) -> anyhow::Result<()> {
        let mut conversation = self.history.clone();
        let (mut content, media): (Vec<Part>, Vec<Media>) = self.shown.iter().cloned().unzip();
        content.push(Part::Text(line.to_owned()));
        conversation.media.extend(media);
        conversation.messages.push(Message { role: Role::User, content });
        let json = self.args.json;
        let stop = self.interrupt.stop();
        let answer = self.loaded.answer(&conversation, &self.args.sampling, stop, |piece| {
            if json { Ok(()) } else { output::text(piece) }
        })?;
        if json {
            output::json(&json!({
                "model": self.loaded.name,
                "question": line,
                "answer": answer.text,
                "stopped": self.interrupt.requested(),
                "tokens": answer.ids.len(),
                "seconds": answer.seconds,
                "tokens_per_s": answer.speed(),
            }))?;
        } else {
            output::text("\n")?;
        }
        conversation.messages.push(Message::text(Role::Assistant, answer.text));
        self.history = conversation;
        self.shown.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        chat: Args,
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_and_the_conversation_goes_on() {
        let mini = concat!(env!("CARGO_MANIFEST_DIR"), "/../../checkpoints/mini");
        let flags = Flags::parse_from(["chat", "--model", mini, "--max-tokens", "4"]);
        let mut chat = Chat::new(&flags.chat).unwrap();
        let refused = chat.answer(&"cat ".repeat(2000)).unwrap_err().to_string();
        assert!(refused.contains("the model reads at most 1024"), "{refused}");
        assert!(chat.history.messages.is_empty());
        chat.answer("Is there a cat?").unwrap();
        assert_eq!(chat.history.messages.len(), 2);
    }
}
